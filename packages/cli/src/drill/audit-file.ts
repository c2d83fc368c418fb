import { type AuditFileResult, verifyAuditFile } from '@redoubt/trust'
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
