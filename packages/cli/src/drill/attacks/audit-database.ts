import { decodeBase64, leafHash, parseCheckpoint, parseNote, utf8, verifyConsistency } from '@redoubt/trust'
import type pg from 'pg'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { exportLog, lie, named, target, untouched } from '../audit-file.ts'
import { bodyOf, type Door, type Proof } from '../http.ts'
import { everythingSealed } from '../inhabitants.ts'
import type { Chronicle, Parts, Terrain } from '../terrain.ts'

/* The log in its own tables, altered by whoever has the machine and its superuser. */

const actor = 'altered audit log'
const requirement = 'AUD-1'

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

export const auditDatabaseAttacks: readonly AnyAttack[] = [
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
