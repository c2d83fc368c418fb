import { type AlertFilter, type AlertState, severities } from '@redoubt/contract'
import { sql } from 'kysely'
import type { z } from 'zod'
import { AppError } from '../../platform/app-error.ts'
import { binaryArray } from '../../platform/binary-array.ts'
import type { Keyset } from '../../platform/cursor.ts'
import { severityRank } from '../../platform/severity.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import { responseDueAt } from './rules.ts'

/** Alerts that one page of a search looks at; where fewer match than a page holds, `next` goes on from there. */
const SEARCHED_A_PAGE = 20_000
const MAX_WORDS = 8

export type SummaryRow = Awaited<ReturnType<typeof listAlerts>>['rows'][number]
export type AlertRow = Awaited<ReturnType<typeof readAlert>>

const summaryColumns = [
  'a.id',
  'a.title',
  'a.severity',
  'a.state',
  'a.tlp',
  'a.source_id',
  's.name as source_name',
  's.type as source_type',
  'a.count',
  'a.first_seen_at',
  'a.last_seen_at',
  'a.due_at',
  'a.assignee_id',
  'u.name as assignee_name',
  'a.case_id',
  'a.entities',
] as const

function fromAlerts(tx: TenantTx) {
  return tx.db
    .selectFrom('alerts as a')
    .innerJoin('sources as s', (join) =>
      join.onRef('s.organization_id', '=', 'a.organization_id').onRef('s.id', '=', 'a.source_id'),
    )
    .leftJoin('users as u', 'u.id', 'a.assignee_id')
    .where('a.organization_id', '=', tx.organizationId)
}

/** A page of alerts, last seen first. @returns the keyset to go on from, or null at the end */
export async function listAlerts(
  tx: TenantTx,
  filter: z.output<typeof AlertFilter>,
  after: Keyset | null,
  limit: number,
) {
  const edge = filter.search === undefined ? null : await searchEdge(tx, after)
  let query = fromAlerts(tx).select(summaryColumns)
  if (after) query = query.where(sql<boolean>`(a.last_seen_at, a.id) < (${after.at}::timestamptz, ${after.id}::uuid)`)
  if (edge) query = query.where(sql<boolean>`(a.last_seen_at, a.id) >= (${edge.at}::timestamptz, ${edge.id}::uuid)`)
  const { state, severity, sourceId, assigneeId, unassigned, caseId, search, observable } = filter
  if (state) query = query.where('a.state', 'in', state)
  if (severity) query = query.where('a.severity', 'in', severity.map(severityRank))
  if (sourceId) query = query.where('a.source_id', '=', sourceId)
  if (assigneeId) query = query.where('a.assignee_id', '=', assigneeId)
  if (unassigned) query = query.where('a.assignee_id', 'is', null)
  if (caseId) query = query.where('a.case_id', '=', caseId)
  for (const word of wordsOf(search ?? '')) query = query.where('a.title', 'ilike', `%${word}%`)
  if (observable !== undefined) {
    query = query.where('a.id', 'in', (select) =>
      select
        .selectFrom('alert_observables as o')
        .select('o.alert_id')
        .where('o.organization_id', '=', tx.organizationId)
        // The index is on the digest: a value may be longer than an index entry.
        .where(sql<boolean>`md5(o.value) = md5(${observable})`)
        .where('o.value', '=', observable),
    )
  }
  const rows = await query
    .orderBy('a.last_seen_at', 'desc')
    .orderBy('a.id', 'desc')
    .limit(limit + 1)
    .execute()
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const next = rows.length > limit && last ? { at: last.last_seen_at, id: last.id } : edge
  return { rows: page, next }
}

/** The last alert that one page of a search looks at, or null when it can look at all that are left. */
async function searchEdge(tx: TenantTx, after: Keyset | null): Promise<Keyset | null> {
  let query = tx.db
    .selectFrom('alerts as a')
    .select(['a.last_seen_at as at', 'a.id'])
    .where('a.organization_id', '=', tx.organizationId)
  if (after) query = query.where(sql<boolean>`(a.last_seen_at, a.id) < (${after.at}::timestamptz, ${after.id}::uuid)`)
  const edge = await query
    .orderBy('a.last_seen_at', 'desc')
    .orderBy('a.id', 'desc')
    .offset(SEARCHED_A_PAGE - 1)
    .limit(1)
    .executeTakeFirst()
  return edge ?? null
}

/** Words for LIKE, with its wildcards taken at their word. */
function wordsOf(search: string): string[] {
  return search
    .split(/\s+/)
    .filter((word) => word !== '')
    .slice(0, MAX_WORDS)
    .map((word) => word.replaceAll(/[\\%_]/g, '\\$&'))
}

/** @throws AppError not_found */
export async function readAlert(tx: TenantTx, id: string) {
  const row = await fromAlerts(tx)
    .select(summaryColumns)
    .select([
      'a.description',
      'a.source_ref',
      'a.occurred_at',
      'a.techniques',
      'a.finding',
      'a.raw',
      'a.latest_raw',
      'a.dismissed_because',
    ])
    .where('a.id', '=', id)
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', 'There is no such alert.')
  const observables = await tx.db
    .selectFrom('alert_observables')
    .select(['type', 'value', 'role', 'internal'])
    .where('organization_id', '=', tx.organizationId)
    .where('alert_id', '=', id)
    .orderBy('type')
    .orderBy('value')
    .execute()
  return { ...row, observables }
}

/** How many of these alerts this transaction may see. */
export async function visibleAmong(tx: TenantTx, ids: readonly string[]): Promise<number> {
  const { count } = await tx.db
    .selectFrom('alerts')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('organization_id', '=', tx.organizationId)
    .where('id', 'in', ids)
    .executeTakeFirstOrThrow()
  return count
}

/** Moves those of the alerts that are in a state to move from. @returns their ids */
export async function moveAlerts(
  tx: TenantTx,
  ids: readonly string[],
  step: { readonly from: readonly AlertState[]; readonly to: AlertState },
  { now, reason }: { readonly now: Date; readonly reason: string | null },
): Promise<string[]> {
  const due = binaryArray.timestamptz(severities.map((severity) => responseDueAt(severity, now)))
  const { rows } = await sql<{ id: string }>`
    with ${held(tx, ids)}
    update alerts a set
      state = ${step.to},
      dismissed_because = ${reason}::text,
      acknowledged_at = case when ${step.to} = 'new' then null else coalesce(a.acknowledged_at, ${now}) end,
      -- What is new again has its response time again.
      due_at = case when ${step.to} = 'new' then (${due}::timestamptz[])[a.severity + 1] else a.due_at end
    from held
    where a.organization_id = ${tx.organizationId} and a.id = held.id and a.state = any(${step.from}::text[])
    returning a.id`.execute(tx.db)
  return rows.map(({ id }) => id)
}

/** @returns ids of the alerts whose assignee changed */
export async function assignAlerts(tx: TenantTx, ids: readonly string[], assigneeId: string | null): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with ${held(tx, ids)}
    update alerts a set assignee_id = ${assigneeId}::uuid
    from held
    where a.organization_id = ${tx.organizationId} and a.id = held.id and a.assignee_id is distinct from ${assigneeId}::uuid
    returning a.id`.execute(tx.db)
  return rows.map(({ id }) => id)
}

/** Locks alerts in the order in which ingestion locks them, so that the two never wait for each other in a circle. */
function held(tx: TenantTx, ids: readonly string[]) {
  return sql`held as (
      select id from alerts
      where organization_id = ${tx.organizationId} and id = any(${ids}::uuid[])
      order by source_id, dedup_key for update)`
}

export async function isMember(tx: TenantTx, userId: string): Promise<boolean> {
  const row = await tx.db
    .selectFrom('memberships')
    .select('user_id')
    .where('organization_id', '=', tx.organizationId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row !== undefined
}
