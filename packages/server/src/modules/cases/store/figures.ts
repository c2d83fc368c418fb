import { sql } from 'kysely'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import { type CaseRow, caseRowOf, caseRows } from './cases.ts'

/** Open cases by phase and severity, over the newest 50 000 of them: what a person acts on, in bounded time. */
export async function countOpen(
  tx: TenantTx,
): Promise<{ phase: string; severity: number; count: number; breached: number }[]> {
  const { rows } = await sql<{ phase: string; severity: number; count: number; breached: number }>`
    select phase, severity, count(*) as count, count(*) filter (where breached_at is not null) as breached
    from (select phase, severity, breached_at from cases
          where organization_id = ${tx.organizationId} and closed_at is null order by id desc limit 50000) newest
    group by phase, severity order by phase, severity
  `.execute(tx.db)
  return rows
}

/** Open cases without a first response, the most pressing first. */
export async function listUnanswered(tx: TenantTx, limit: number): Promise<CaseRow[]> {
  const rows = await caseRows(tx)
    .where('c.responded_at', 'is', null)
    .where('c.closed_at', 'is', null)
    .where('c.due_at', 'is not', null)
    .orderBy('c.due_at')
    .orderBy('c.id')
    .limit(limit)
    .execute()
  return rows.map(caseRowOf)
}

/** First responses of cases opened since then, newest first. */
export async function listResponses(tx: TenantTx, since: Date, limit: number) {
  const rows = await tx.db
    .selectFrom('cases')
    .select(['severity', 'opened_at', 'responded_at', 'due_at'])
    .where('organization_id', '=', tx.organizationId)
    .where('opened_at', '>=', since)
    .where('responded_at', 'is not', null)
    .orderBy('opened_at', 'desc')
    .limit(limit)
    .execute()
  return rows.flatMap((row) =>
    row.responded_at
      ? [{ severity: row.severity, openedAt: row.opened_at, respondedAt: row.responded_at, dueAt: row.due_at }]
      : [],
  )
}

/**
 * Visible cases that share outside observables with this one, most shared first. Looks at the 200 most sighted observables
 * of the case, and at 200 cases for each: one that more cases name says nothing about kinship.
 */
export async function listSimilar(
  tx: TenantTx,
  id: string,
  limit: number,
): Promise<{ case: CaseRow; shared: string[] }[]> {
  const { rows } = await sql<{ case_id: string; shared: string[] }>`
    select other.case_id, (array_agg(own.value order by own.sightings desc, own.value))[1:20] as shared
    from (select type, value, sightings from case_observables
          where organization_id = ${tx.organizationId} and case_id = ${id}::uuid and not internal
          order by sightings desc, id limit 200) own
    cross join lateral (
      select o.case_id from case_observables o
      where o.organization_id = ${tx.organizationId} and md5(o.value) = md5(own.value) and o.type = own.type
        and o.value = own.value and o.case_id <> ${id}::uuid
      limit 200) other
    group by other.case_id order by count(*) desc, other.case_id desc limit ${limit}
  `.execute(tx.db)
  if (rows.length === 0) return []
  const cases = await caseRows(tx)
    .where(
      'c.id',
      'in',
      rows.map((row) => row.case_id),
    )
    .execute()
  const byId = new Map(cases.map((row) => [row.id, caseRowOf(row)]))
  return rows.flatMap(({ case_id, shared }) => {
    const found = byId.get(case_id)
    return found ? [{ case: found, shared }] : []
  })
}
