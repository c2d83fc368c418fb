import type { OrganizationId } from '@redoubt/contract'
import type { NodeStore, SealedEvent, TreeNode } from '@redoubt/trust'
import { sql } from 'kysely'
import type { SystemTx, TenantTx } from '../../platform/tenant-tx.ts'
import type { EventRow, LogRow } from './rules.ts'

export type EventFilter = {
  readonly action?: string | undefined
  readonly actorId?: string | undefined
  readonly targetId?: string | undefined
}
export type StoredCheckpoint = { readonly size: number; readonly note: string; readonly at: Date }

const eventColumns = [
  'e.id',
  'e.at',
  'e.actor_kind',
  'e.actor_id',
  'e.actor_name',
  'e.action',
  'e.target_kind',
  'e.target_id',
  'e.outcome',
  'e.facts',
  'e.request_id',
] as const

/** Events before the id `before`, newest first; `seq` is null until the event is sealed. */
export function listEvents(
  tx: TenantTx,
  filter: EventFilter,
  before: string | undefined,
  limit: number,
): Promise<(EventRow & { seq: number | null })[]> {
  let query = tx.db
    .selectFrom('audit_events as e')
    .leftJoin('audit_log as l', (join) =>
      join.onRef('l.organization_id', '=', 'e.organization_id').onRef('l.event_id', '=', 'e.id'),
    )
    .select([...eventColumns, 'l.seq'])
    .where('e.organization_id', '=', tx.organizationId)
  if (filter.action !== undefined) query = query.where('e.action', '=', filter.action)
  if (filter.actorId !== undefined) query = query.where('e.actor_id', '=', filter.actorId)
  if (filter.targetId !== undefined) query = query.where('e.target_id', '=', filter.targetId)
  if (before !== undefined) query = query.where('e.id', '<', before)
  return query.orderBy('e.id', 'desc').limit(limit).execute()
}

/** Whether something was done to a target before, by its audit event. */
export async function isRecorded(tx: TenantTx, action: string, targetId: string): Promise<boolean> {
  return (await listEvents(tx, { action, targetId }, undefined, 1)).length > 0
}

/** Undefined when there is no such event; `seq`, `leaf` and `body` are null until it is sealed. */
export function findEvent(tx: TenantTx, id: string) {
  return tx.db
    .selectFrom('audit_events as e')
    .leftJoin('audit_log as l', (join) =>
      join.onRef('l.organization_id', '=', 'e.organization_id').onRef('l.event_id', '=', 'e.id'),
    )
    .select([...eventColumns, 'l.seq', 'l.leaf', 'l.body'])
    .where('e.organization_id', '=', tx.organizationId)
    .where('e.id', '=', id)
    .executeTakeFirst()
}

/**
 * The sealed events of `from` up to, not including, `to`; one whose row is gone is left out. The limit keeps the join
 * from being turned around: for a tenant younger than the statistics, that would walk its log once for every event.
 */
export function readLog(tx: TenantTx, from: number, to: number): Promise<LogRow[]> {
  return tx.db
    .selectFrom('audit_log as l')
    .innerJoinLateral(
      (db) =>
        db
          .selectFrom('audit_events')
          .selectAll()
          .whereRef('organization_id', '=', 'l.organization_id')
          .whereRef('id', '=', 'l.event_id')
          .limit(1)
          .as('e'),
      (join) => join.onTrue(),
    )
    .select([...eventColumns, 'l.seq', 'l.leaf', 'l.body'])
    .where('l.organization_id', '=', tx.organizationId)
    .where('l.seq', '>=', from)
    .where('l.seq', '<', to)
    .orderBy('l.seq')
    .execute()
}

/** The newest checkpoint of all, or of those above `above` and at most `upTo` events. */
export function newestCheckpoint(
  tx: TenantTx,
  range: { readonly above: number; readonly upTo: number } = { above: 0, upTo: Number.MAX_SAFE_INTEGER },
): Promise<StoredCheckpoint | undefined> {
  return tx.db
    .selectFrom('audit_checkpoints')
    .select(['size', 'note', 'at'])
    .where('organization_id', '=', tx.organizationId)
    .where('size', '>', range.above)
    .where('size', '<=', range.upTo)
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Reads tree nodes; all that a proof asks for at once is one query. Throws when a node is not stored. */
export function nodesOf(tx: TenantTx): NodeStore {
  type Wanted = { level: number; index: number; resolve: (hash: Uint8Array) => void; reject: (cause: unknown) => void }
  let wanted: Wanted[] = []
  async function fetchWanted(): Promise<void> {
    const batch = wanted
    wanted = []
    try {
      const { rows } = await sql<{ level: number; index: number; hash: Buffer }>`
        select w.level, w.index, n.hash
        from unnest(${batch.map((node) => node.level)}::smallint[], ${batch.map((node) => node.index)}::bigint[]) as w (level, index)
        cross join lateral (select hash from audit_nodes
          where organization_id = ${tx.organizationId} and level = w.level and index = w.index limit 1) n`.execute(
        tx.db,
      )
      const hashes = new Map(rows.map((row) => [`${row.level}/${row.index}`, row.hash]))
      for (const { level, index, resolve, reject } of batch) {
        const hash = hashes.get(`${level}/${index}`)
        if (hash) resolve(hash)
        else reject(new Error(`node ${level}/${index} of the audit tree is not stored`))
      }
    } catch (cause) {
      for (const { reject } of batch) reject(cause)
    }
  }
  return (level, index) =>
    new Promise((resolve, reject) => {
      if (wanted.push({ level, index, resolve, reject }) === 1) queueMicrotask(fetchWanted)
    })
}

/** Organizations with events that wait to be sealed. */
export async function organizationsToSeal(tx: SystemTx): Promise<OrganizationId[]> {
  const rows = await tx.db.selectFrom('audit_unsealed').select('organization_id').distinct().execute()
  return rows.map((row) => row.organization_id as OrganizationId)
}

/** How many events of the organization wait to be sealed, and since when the oldest does. */
export async function waitingEvents(tx: TenantTx): Promise<{ waiting: number; oldestAt: Date | null }> {
  const { waiting, oldestAt } = await tx.db
    .selectFrom('audit_unsealed as u')
    .innerJoin('audit_events as e', (join) =>
      join.onRef('e.organization_id', '=', 'u.organization_id').onRef('e.id', '=', 'u.event_id'),
    )
    .select((of) => [of.fn.countAll<number>().as('waiting'), of.fn.min('e.at').as('oldestAt')])
    .where('u.organization_id', '=', tx.organizationId)
    .executeTakeFirstOrThrow()
  return { waiting, oldestAt }
}

/** Whether this transaction seals the organization's log alone; true until its end. Never waits. */
export async function lockLog(tx: TenantTx): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`redoubt.audit/${tx.organizationId}`}, 0)) as locked`.execute(
    tx.db,
  )
  return rows[0]?.locked === true
}

/**
 * Takes up to `limit` events out of those that wait, in the order of their ids. The table is usually empty when its
 * statistics are taken, and a join over it would be planned for one row: arrays keep the plan to index look-ups.
 */
export async function takeUnsealed(tx: TenantTx, limit: number): Promise<EventRow[]> {
  const { rows } = await sql<EventRow>`
    with taken as (
      delete from audit_unsealed where organization_id = ${tx.organizationId} and event_id = any (array(
        select event_id from audit_unsealed where organization_id = ${tx.organizationId} order by event_id limit ${limit}))
      returning event_id)
    select ${sql.join(eventColumns.map((column) => sql.ref(column)))} from audit_events e
    where e.organization_id = ${tx.organizationId} and e.id = any (array(select event_id from taken)) order by e.id`.execute(
    tx.db,
  )
  return rows
}

/** Writes sealed events, the subtrees they completed and the checkpoint over them. */
export async function insertSealed(
  tx: TenantTx,
  events: readonly (SealedEvent & { readonly eventId: string })[],
  nodes: readonly TreeNode[],
  checkpoint: StoredCheckpoint,
): Promise<void> {
  await sql`
    insert into audit_log (organization_id, seq, event_id, body, leaf)
    select ${tx.organizationId}, * from unnest(${events.map((event) => event.seq)}::bigint[],
      ${events.map((event) => event.eventId)}::uuid[], ${events.map((event) => event.body)}::text[],
      ${events.map((event) => event.leaf)}::bytea[])`.execute(tx.db)
  await sql`
    insert into audit_nodes (organization_id, level, index, hash)
    select ${tx.organizationId}, * from unnest(${nodes.map((node) => node.level)}::smallint[],
      ${nodes.map((node) => node.index)}::bigint[], ${nodes.map((node) => node.hash)}::bytea[])`.execute(tx.db)
  await tx.db
    .insertInto('audit_checkpoints')
    .values({ organization_id: tx.organizationId, ...checkpoint })
    .execute()
}
