import {
  decodeBase64,
  encodeBase64,
  Frontier,
  formatVerifierKey,
  generateSigningKey,
  leafHash,
  noteVerifierOf,
  parseCheckpoint,
  parseNote,
  signCheckpoint,
  utf8,
  verifyAuditProof,
  verifyConsistency,
} from '@redoubt/trust'
import type pg from 'pg'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type EventLine, type ExportedLog, eventAt, eventOf, exportLog, isEvent, verify } from '../audit-file.ts'
import { bodyOf, type Door, type Proof } from '../http.ts'
import { everythingSealed } from '../inhabitants.ts'
import { bearer } from '../organization.ts'
import type { Chronicle, Parts, Terrain } from '../terrain.ts'

const actor = 'altered audit log'
const requirement = 'AUD-1'

/** The untouched log verifies; every alteration is judged against that. */
async function untouched(api: Door, as: Proof): Promise<string> {
  const { lines, verifier } = await exportLog(api, as)
  const result = await verify(lines, verifier)
  if (!result.ok) throw new NotShown(`the untouched log does not verify: ${result.problem}`)
  return `untouched, its ${result.events} events verify`
}

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

/** What the verifier of the file says; it must name the event, where the attack was on one. */
async function named(lines: readonly string[], verifier: string, seq?: number): Promise<string> {
  const result = await verify(lines, verifier)
  if (result.ok) return `the altered log verifies, with ${result.events} events`
  if (seq !== undefined && result.seq !== seq) throw new Error(`event ${seq} was meant: ${result.problem}`)
  throw new Stopped(result.problem)
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

const target = 2
const replaced = (lines: readonly string[], at: number, change: (event: EventLine) => object): string[] =>
  lines.with(at, JSON.stringify(change(eventOf(lines[at] ?? ''))))
const lie = (body: string): string => body.replace(/"outcome":"\w+"/, '"outcome":"denied"')

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

/** The machine's superuser at the log itself, with every trigger and foreign key switched off. */
const alteredDatabase = (
  id: string,
  title: string,
  tamper: (client: pg.Client, organizationId: string) => Promise<unknown>,
  seq?: number,
): AnyAttack =>
  attack({
    id: `audit.database-${id}`,
    actor,
    requirement,
    title,
    needs: ['database', 'chronicles'],
    control: async ({ api, chronicles }) => untouched(api, (await chronicles.make()).as),
    async attack({ api, chronicles, database }) {
      const { id: organizationId, as } = await chronicles.make()
      await database.superuser(async (client) => {
        await client.query('set session_replication_role = replica')
        await tamper(client, organizationId)
      })
      const { lines, verifier } = await exportLog(api, as)
      return named(lines, verifier, seq)
    },
  })

type Head = { readonly size: number; readonly note: string }
const head = async (api: Door, as: Proof): Promise<Head> => bodyOf<Head>(await api.get('/api/v1/audit/checkpoint', as))
const rootOf = ({ note }: Head): Uint8Array => parseCheckpoint(parseNote(note).text).root

/** Whether the log of now extends the one that somebody remembers. */
async function extendsPinned(api: Door, as: Proof, pinned: Head): Promise<boolean> {
  const now = await head(api, as)
  const { proof } = bodyOf<{ proof: string[] }>(
    await api.get(`/api/v1/audit/consistency?from=${pinned.size}&to=${now.size}`, as),
  )
  return verifyConsistency({
    first: pinned.size,
    firstRoot: rootOf(pinned),
    second: now.size,
    secondRoot: rootOf(now),
    proof: proof.map(decodeBase64),
  })
}

async function grow(api: Door, { as }: Chronicle, events: number): Promise<void> {
  for (let made = 0; made < events; made++)
    await api
      .post('/api/v1/cases', { title: `Redoubt drill: later ${made}`, severity: 'informational' }, as)
      .then(bodyOf)
  await everythingSealed(api, as)
}

/** Takes the log back to its checkpoint before the last, as if what came after had never been. */
async function rollBack(client: pg.Client, organizationId: string): Promise<void> {
  await client.query('set session_replication_role = replica')
  const { rows } = await client.query<{ size: string }>(
    'select size from redoubt.audit_checkpoints where organization_id = $1 order by size desc offset 1 limit 1',
    [organizationId],
  )
  const size = Number(rows[0]?.size)
  const scope = [organizationId, size]
  await client.query(
    `delete from redoubt.audit_events where organization_id = $1
     and id in (select event_id from redoubt.audit_log where organization_id = $1 and seq >= $2)`,
    scope,
  )
  await client.query('delete from redoubt.audit_log where organization_id = $1 and seq >= $2', scope)
  await client.query('delete from redoubt.audit_checkpoints where organization_id = $1 and size > $2', scope)
  await client.query(
    'delete from redoubt.audit_nodes where organization_id = $1 and (index + 1) * (1::bigint << level) > $2',
    scope,
  )
}

type Logging = Terrain & Pick<Parts, 'chronicles' | 'database'>

export const auditAttacks: readonly AnyAttack[] = [
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
  alteredDatabase(
    'event',
    'alter an event in its table, as superuser with the triggers off',
    (client, organization) =>
      client.query(
        `update redoubt.audit_events set actor_name = 'Somebody else' where organization_id = $1
         and id = (select event_id from redoubt.audit_log where organization_id = $1 and seq = $2)`,
        [organization, target],
      ),
    target,
  ),
  alteredDatabase(
    'both',
    'alter the event and the text that was hashed',
    async (client, organization) => {
      await client.query(
        `update redoubt.audit_events set outcome = 'denied' where organization_id = $1
         and id = (select event_id from redoubt.audit_log where organization_id = $1 and seq = $2)`,
        [organization, target],
      )
      await client.query(
        `update redoubt.audit_log set body = regexp_replace(body, '"outcome":"\\w+"', '"outcome":"denied"') where organization_id = $1 and seq = $2`,
        [organization, target],
      )
    },
    target,
  ),
  alteredDatabase('leaf', 'alter event, text and leaf hash alike', async (client, organization) => {
    const { rows } = await client.query<{ body: string }>(
      'select body from redoubt.audit_log where organization_id = $1 and seq = $2',
      [organization, target],
    )
    const body = lie(rows[0]?.body ?? '')
    await client.query('update redoubt.audit_log set body = $3, leaf = $4 where organization_id = $1 and seq = $2', [
      organization,
      target,
      body,
      Buffer.from(leafHash(utf8(body))),
    ])
    await client.query(
      `update redoubt.audit_events set outcome = 'denied' where organization_id = $1
       and id = (select event_id from redoubt.audit_log where organization_id = $1 and seq = $2)`,
      [organization, target],
    )
  }),
  alteredDatabase(
    'removed',
    'delete an event and its place in the log',
    (client, organization) =>
      client.query('delete from redoubt.audit_log where organization_id = $1 and seq = $2', [organization, target]),
    target,
  ),
  attack({
    id: 'audit.rollback',
    actor,
    requirement,
    title: 'roll the log back to an older checkpoint and let it grow anew',
    needs: ['database', 'chronicles'],
    async control({ api, chronicles }: Logging) {
      const made = await chronicles.make()
      const pinned = await head(api, made.as)
      await grow(api, made, 3)
      if (!(await extendsPinned(api, made.as, pinned)))
        throw new NotShown('an honest log is not consistent with its own past')
      return `an honest log extends the checkpoint of ${pinned.size} that its reader kept`
    },
    async attack({ api, chronicles, database }: Logging) {
      const made = await chronicles.make()
      const pinned = await head(api, made.as)
      await database.superuser((client) => rollBack(client, made.id))
      const rolledBack = await head(api, made.as)
      await grow(api, made, pinned.size - rolledBack.size + 2)
      if (await extendsPinned(api, made.as, pinned)) return 'the rewritten log passes for an extension of the old one'
      throw new Stopped(`no consistency with the checkpoint of ${pinned.size} that the reader kept`)
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
