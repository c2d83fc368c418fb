import {
  encodeBase64,
  Frontier,
  formatVerifierKey,
  generateSigningKey,
  leafHash,
  noteVerifierOf,
  signCheckpoint,
  utf8,
  verifyAuditProof,
} from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import {
  type EventLine,
  type ExportedLog,
  eventAt,
  eventOf,
  exportLog,
  isEvent,
  lie,
  named,
  target,
  untouched,
  verify,
} from '../audit-file.ts'
import { bodyOf, type Door, type Proof } from '../http.ts'
import { bearer } from '../organization.ts'

/* The exported log, altered on its way to whoever verifies it. */

const actor = 'altered audit log'
const requirement = 'AUD-1'

/** A file that agrees with itself verifies for whoever keeps no key of the log. */
async function unpinned(
  api: Door,
  as: Proof,
  forge: (lines: readonly string[]) => readonly string[] | Promise<readonly string[]>,
): Promise<string> {
  const { lines } = await exportLog(api, as)
  const result = await verify(await forge(lines))
  if (!result.ok) throw new NotShown(`the file does not agree with itself: ${result.problem}`)
  return `by the key in the file itself, its ${result.events} events verify`
}

/** An exported file that somebody altered on its way. */
const alteredFile = (
  id: string,
  title: string,
  alter: (log: ExportedLog) => readonly string[] | Promise<readonly string[]>,
  seq?: number,
  control: AnyAttack['control'] = ({ api, a }) => untouched(api, bearer(a.admin)),
): AnyAttack =>
  attack({
    id: `audit.file-${id}`,
    actor,
    requirement,
    title,
    control,
    async attack({ api, a }) {
      const log = await exportLog(api, bearer(a.admin))
      return named(await alter(log), log.verifier, seq)
    },
  })

const replaced = (lines: readonly string[], at: number, change: (event: EventLine) => object): string[] =>
  lines.with(at, JSON.stringify(change(eventOf(lines[at] ?? ''))))

/** Rebuilds the whole file under another key: all hashes and signatures agree with each other. */
async function resigned(lines: readonly string[]): Promise<string[]> {
  const key = generateSigningKey('Ed25519')
  const header = JSON.parse(lines[0] ?? '') as { origin: string }
  const verifier = formatVerifierKey(await noteVerifierOf(header.origin, key))
  const tree = new Frontier()
  const made: string[] = [JSON.stringify({ ...header, verifier })]
  for (const line of lines.slice(1)) {
    if (!isEvent(line)) continue
    const event = eventOf(line)
    const body = event.seq === target ? lie(event.body) : event.body
    const leaf = leafHash(utf8(body))
    tree.push(leaf)
    made.push(JSON.stringify({ ...event, body, leaf: encodeBase64(leaf) }))
  }
  const note = await signCheckpoint({ origin: header.origin, size: tree.size, root: tree.root() }, key)
  return [...made, JSON.stringify({ kind: 'checkpoint', note })]
}

export const auditFileAttacks: readonly AnyAttack[] = [
  alteredFile(
    'altered',
    'alter an event in the exported file',
    ({ lines }) => replaced(lines, eventAt(lines, target), (event) => ({ ...event, body: lie(event.body) })),
    target,
  ),
  alteredFile('removed', 'take an event out', ({ lines }) => lines.toSpliced(eventAt(lines, target), 1), target),
  alteredFile(
    'inserted',
    'put an event in',
    ({ lines }) => lines.toSpliced(eventAt(lines, target), 0, lines[eventAt(lines, target)] ?? ''),
    target,
  ),
  alteredFile(
    'reordered',
    'exchange two events',
    ({ lines }) => {
      const at = eventAt(lines, target)
      return lines.with(at, lines[at + 1] ?? '').with(at + 1, lines[at] ?? '')
    },
    target,
  ),
  alteredFile('cut', 'cut the last checkpoint off', ({ lines }) => lines.slice(0, -1)),
  alteredFile('hashed', 'alter an event and its leaf hash with it', ({ lines }) =>
    replaced(lines, eventAt(lines, target), (event) => ({
      ...event,
      body: lie(event.body),
      leaf: encodeBase64(leafHash(utf8(lie(event.body)))),
    })),
  ),
  alteredFile(
    'resigned',
    'alter an event, and sign the whole file anew with a key of one’s own',
    ({ lines }) => resigned(lines),
    undefined,
    ({ api, a }) => unpinned(api, bearer(a.admin), resigned),
  ),
  attack({
    id: 'audit.file-exchanged',
    actor,
    requirement,
    title: 'show the genuine log of B as that of A',
    control: ({ api, b }) => unpinned(api, bearer(b.admin), (lines) => lines),
    async attack({ api, a, b }) {
      const { verifier } = await exportLog(api, bearer(a.admin))
      return named((await exportLog(api, bearer(b.admin))).lines, verifier)
    },
  }),
  attack({
    id: 'audit.proof',
    actor,
    requirement,
    title: 'prove an event that did not happen with the proof of one that did',
    async control({ api, a }) {
      const { proof, origin, verifier } = await provenEvent(api, bearer(a.admin), a.auditEventId)
      const result = await verifyAuditProof(proof, { origin, trustedVerifier: verifier })
      if (!result.ok) throw new NotShown(result.problem)
      return `the genuine event’s proof holds, in a log of ${proof.size}`
    },
    async attack({ api, a }) {
      const { proof, origin, verifier } = await provenEvent(api, bearer(a.admin), a.auditEventId)
      const body = lie(proof.body)
      const forged = { ...proof, body, leaf: encodeBase64(leafHash(utf8(body))) }
      const result = await verifyAuditProof(forged, { origin, trustedVerifier: verifier })
      if (result.ok) return 'the proof holds'
      throw new Stopped(result.problem)
    },
  }),
]

type Proven = Parameters<typeof verifyAuditProof>[0]
async function provenEvent(api: Door, as: Proof, id: string) {
  const { origin, verifier } = bodyOf<{ origin: string; verifier: string }>(
    await api.get('/api/v1/audit/checkpoint', as),
  )
  return { proof: bodyOf<Proven>(await api.get(`/api/v1/audit/events/${id}/proof`, as)), origin, verifier }
}
