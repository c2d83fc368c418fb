import { type AuditFileResult, verifyAuditFile } from '@redoubt/trust'
import { NotShown, Stopped } from './attack.ts'
import { bodyOf, type Door, type Proof } from './http.ts'

/** An exported log, and the key that its reader keeps from elsewhere. */
export type ExportedLog = { readonly lines: readonly string[]; readonly verifier: string }
export type EventLine = { readonly kind: 'event'; readonly seq: number; readonly leaf: string; readonly body: string }

/** Exports the organization's log through its door. */
export async function exportLog(api: Door, as: Proof): Promise<ExportedLog> {
  const { verifier } = bodyOf<{ verifier: string }>(await api.get('/api/v1/audit/checkpoint', as))
  const exported = await api.get('/api/v1/audit/export', as)
  if (exported.status !== 200) throw new Error(`the export was refused: ${exported.text.slice(0, 200)}`)
  return { lines: exported.text.trimEnd().split('\n'), verifier }
}

/** Without `verifier` the key is taken from the file itself. */
export const verify = (lines: readonly string[], verifier?: string): Promise<AuditFileResult> =>
  verifyAuditFile(each(lines), verifier === undefined ? {} : { trustedVerifier: verifier })

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

export const isEvent = (line: string): boolean => line.startsWith('{"kind":"event"')
export const eventOf = (line: string): EventLine => JSON.parse(line) as EventLine
/** The index of the n-th event line. */
export function eventAt(lines: readonly string[], number: number): number {
  const index = lines.findIndex((line) => isEvent(line) && eventOf(line).seq === number)
  if (index < 0) throw new Error(`the log has no event ${number}`)
  return index
}

/** The untouched log verifies; every alteration is judged against that. */
export async function untouched(api: Door, as: Proof): Promise<string> {
  const { lines, verifier } = await exportLog(api, as)
  const result = await verify(lines, verifier)
  if (!result.ok) throw new NotShown(`the untouched log does not verify: ${result.problem}`)
  return `untouched, its ${result.events} events verify`
}

/** What the verifier of the file says; it must name the event, where the attack was on one. */
export async function named(lines: readonly string[], verifier: string, seq?: number): Promise<string> {
  const result = await verify(lines, verifier)
  if (result.ok) return `the altered log verifies, with ${result.events} events`
  if (seq !== undefined && result.seq !== seq) throw new Error(`event ${seq} was meant: ${result.problem}`)
  throw new Stopped(result.problem)
}

/** The event that attacks alter: neither the first nor the last of any log. */
export const target = 2
/** The event's text with another outcome in it. */
export const lie = (body: string): string => body.replace(/"outcome":"\w+"/, '"outcome":"denied"')
