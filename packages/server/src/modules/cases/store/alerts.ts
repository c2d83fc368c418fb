import type { Tlp } from '@redoubt/contract'
import { sql } from 'kysely'
import type { TenantTx } from '../../../platform/tenant-tx.ts'

/** What a case takes from an alert. `severity` is its rank. */
export type AlertRow = {
  readonly id: string
  readonly title: string
  readonly severity: number
  readonly state: 'new' | 'acknowledged' | 'in-case' | 'dismissed'
  readonly tlp: Tlp
  readonly caseId: string | null
  readonly techniques: readonly string[]
  /** The kind of source it came from. */
  readonly type: string
  readonly seenAt: Date
}

/**
 * The visible alerts among these, held against other changes until the transaction ends. Alerts are taken in the order
 * ingestion and enrichment take them, and before any case: two who wait for each other would be a deadlock.
 * `free` leaves out what somebody else holds.
 */
export async function lockAlerts(
  tx: TenantTx,
  ids: readonly string[],
  others: 'wait' | 'free' = 'wait',
): Promise<AlertRow[]> {
  if (ids.length === 0) return []
  const query = tx.db
    .selectFrom('alerts as a')
    .innerJoin('sources as s', (join) =>
      join.onRef('s.organization_id', '=', 'a.organization_id').onRef('s.id', '=', 'a.source_id'),
    )
    .select([
      'a.id',
      'a.title',
      'a.severity',
      'a.state',
      'a.tlp',
      'a.case_id as caseId',
      'a.techniques',
      's.type',
      'a.last_seen_at as seenAt',
    ])
    .where('a.organization_id', '=', tx.organizationId)
    .where('a.id', 'in', [...ids])
    .orderBy('a.source_id')
    .orderBy('a.dedup_key')
    .forNoKeyUpdate('a')
  const rows = await (others === 'free' ? query.skipLocked() : query).execute()
  return rows.map((row) => ({ ...row, tlp: row.tlp as Tlp }))
}

export async function putInCase(tx: TenantTx, ids: readonly string[], caseId: string): Promise<void> {
  await tx.db
    .updateTable('alerts')
    .set({ case_id: caseId, state: 'in-case' })
    .where('organization_id', '=', tx.organizationId)
    .where('id', 'in', [...ids])
    .execute()
}

export async function moveAlerts(tx: TenantTx, from: string, into: string): Promise<void> {
  await tx.db
    .updateTable('alerts')
    .set({ case_id: into })
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', from)
    .execute()
}

export type Key = { readonly type: string; readonly value: string }

/** The outside observables of these types that alerts name. */
export function keysOfAlerts(
  tx: TenantTx,
  ids: readonly string[],
  types: readonly string[],
): Promise<(Key & { alertId: string })[]> {
  if (ids.length === 0 || types.length === 0) return Promise.resolve([])
  return tx.db
    .selectFrom('alert_observables')
    .select(['alert_id as alertId', 'type', 'value'])
    .where('organization_id', '=', tx.organizationId)
    .where('alert_id', 'in', [...ids])
    .where('internal', '=', false)
    .where('type', 'in', [...types])
    .execute()
}

const named = (keys: readonly Key[]) =>
  sql`unnest(${keys.map(({ type }) => type)}::text[], ${keys.map(({ value }) => value)}::text[]) as k (type, value)`

/**
 * Alerts still in the inbox that name one of these keys, seen since then. A key that more than 200 alerts name is noise and
 * draws nobody in; what it draws into an open case, `openCasesNaming` says.
 */
export async function inboxAlertsNaming(
  tx: TenantTx,
  keys: readonly Key[],
  since: Date,
  limit: number,
): Promise<string[]> {
  if (keys.length === 0) return []
  const { rows } = await sql<{ id: string }>`
    select a.id from alerts a
    where a.organization_id = ${tx.organizationId} and a.state in ('new', 'acknowledged') and a.case_id is null
      and a.enriched_at is not null and a.last_seen_at >= ${since}
      and a.id in (
        select unnest(few.ids) from ${named(keys)}
        cross join lateral (
          select array_agg(named.alert_id) as ids from (
            select o.alert_id from alert_observables o
            where o.organization_id = ${tx.organizationId} and md5(o.value) = md5(k.value) and o.type = k.type
              and o.value = k.value and not o.internal
            limit 201) named) few
        where cardinality(few.ids) <= 200)
    order by a.id desc limit ${limit}
  `.execute(tx.db)
  return rows.map(({ id }) => id)
}

/** A case that alerts may join by themselves. */
export type OpenCaseRow = {
  readonly id: string
  readonly number: number
  readonly updatedAt: Date
  readonly keys: readonly Key[]
}

/**
 * Open cases that name one of these keys and were touched since then, held until the transaction ends. Never a RED one nor
 * one for named people: an alert that goes there by itself would leave the inbox unseen by most of the shift.
 */
export async function openCasesNaming(tx: TenantTx, keys: readonly Key[], since: Date): Promise<OpenCaseRow[]> {
  if (keys.length === 0) return []
  const { rows: near } = await sql<{ id: string }>`
    select distinct c.id from ${named(keys)}
    join case_observables o on o.organization_id = ${tx.organizationId} and md5(o.value) = md5(k.value) and o.type = k.type
      and o.value = k.value and not o.internal
    join cases c on c.organization_id = o.organization_id and c.id = o.case_id
    where c.closed_at is null and c.tlp <> 'RED' and c.audience = 'organization' and c.updated_at >= ${since}
    order by c.id desc limit 200
  `.execute(tx.db)
  if (near.length === 0) return []
  // Said again while locking: a case may have been closed or restricted in between.
  const open = await tx.db
    .selectFrom('cases')
    .select(['id', 'number', 'updated_at'])
    .where('organization_id', '=', tx.organizationId)
    .where(
      'id',
      'in',
      near.map(({ id }) => id),
    )
    .where('closed_at', 'is', null)
    .where('tlp', '<>', 'RED')
    .where('audience', '=', 'organization')
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  if (open.length === 0) return []
  const { rows } = await sql<Key & { caseId: string }>`
    select o.case_id as "caseId", o.type, o.value from ${named(keys)}
    join case_observables o on o.organization_id = ${tx.organizationId} and md5(o.value) = md5(k.value) and o.type = k.type
      and o.value = k.value and not o.internal
    where o.case_id = any(${open.map(({ id }) => id)}::uuid[])
  `.execute(tx.db)
  const byCase = Map.groupBy(rows, ({ caseId }) => caseId)
  return open.map((row) => ({
    id: row.id,
    number: row.number,
    updatedAt: row.updated_at,
    keys: byCase.get(row.id) ?? [],
  }))
}

/** What alerts change when they come to a case, held until the transaction ends. */
export type TakingCase = {
  readonly id: string
  readonly number: number
  readonly version: number
  readonly severity: number
  readonly tlp: Tlp
  readonly techniques: readonly string[]
  readonly alertCount: number
  readonly openedAt: Date
  readonly updatedAt: Date
  readonly dueAt: Date | null
  readonly respondedAt: Date | null
  readonly breachedAt: Date | null
  readonly closedAt: Date | null
}

export async function lockTakingCase(tx: TenantTx, id: string): Promise<TakingCase | null> {
  const row = await tx.db
    .selectFrom('cases')
    .select([
      'id',
      'number',
      'version',
      'severity',
      'tlp',
      'techniques',
      'alert_count',
      'opened_at',
      'updated_at',
      'due_at',
      'responded_at',
      'breached_at',
      'closed_at',
    ])
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (!row) return null
  return {
    id: row.id,
    number: row.number,
    version: row.version,
    severity: row.severity,
    tlp: row.tlp as Tlp,
    techniques: row.techniques,
    alertCount: row.alert_count,
    openedAt: row.opened_at,
    updatedAt: row.updated_at,
    dueAt: row.due_at,
    respondedAt: row.responded_at,
    breachedAt: row.breached_at,
    closedAt: row.closed_at,
  }
}

/**
 * Lets one worker of an organization correlate at a time, until its transaction ends. Two at once would each miss the case
 * the other is about to open, and one incident would have two.
 */
export async function correlateAlone(tx: TenantTx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('redoubt.correlate ' || ${tx.organizationId}::text, 0))`.execute(
    tx.db,
  )
}
