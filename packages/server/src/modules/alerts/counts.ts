import { severities } from '@redoubt/contract'
import { sql } from 'kysely'
import type { TenantTx } from '../../platform/tenant-tx.ts'

/** A screen says "1 000+" beyond this; counting on would read the whole table. */
export const COUNT_CAP = 1000

/** How many alerts of each open state and severity there are, each up to the cap. */
export async function countOpen(tx: TenantTx): Promise<{ state: string; severity: number; count: number }[]> {
  const { rows } = await sql<{ state: string; severity: number; count: number }>`
    select s.state, v.severity, c.count
    from unnest(array['new', 'acknowledged']) as s (state)
    cross join generate_series(0, ${severities.length - 1}::int) as v (severity)
    cross join lateral (
      select count(*) as count from (
        select from alerts a
        where a.organization_id = ${tx.organizationId} and a.state in ('new', 'acknowledged')
          and a.state = s.state and a.severity = v.severity::smallint
        limit ${COUNT_CAP}) as counted) as c`.execute(tx.db)
  return rows
}

/** Alerts first seen since then, per hour and severity, oldest first; hours without any are left out. */
export async function countPerHour(
  tx: TenantTx,
  since: Date,
): Promise<{ at: Date; severity: number; count: number }[]> {
  // What was first seen since then was last seen since then: the second condition is what the index serves.
  const { rows } = await sql<{ at: Date; severity: number; count: number }>`
    select date_trunc('hour', a.first_seen_at, 'UTC') as at, a.severity, count(*) as count
    from alerts a
    where a.organization_id = ${tx.organizationId} and a.first_seen_at >= ${since} and a.last_seen_at >= ${since}
    group by 1, 2 order by 1, 2`.execute(tx.db)
  return rows
}

/** Alerts first seen in each of the last 24 hours by source, as the count of full hours before `now`. */
export async function countBySource(
  tx: TenantTx,
  now: Date,
): Promise<{ sourceId: string; hoursAgo: number; count: number }[]> {
  const since = new Date(now.getTime() - 24 * 3_600_000)
  const { rows } = await sql<{ sourceId: string; hoursAgo: number; count: number }>`
    select a.source_id as "sourceId",
           greatest(0, floor(extract(epoch from ${now}::timestamptz - a.first_seen_at) / 3600))::int as "hoursAgo", count(*) as count
    from alerts a
    where a.organization_id = ${tx.organizationId} and a.first_seen_at > ${since} and a.last_seen_at > ${since}
    group by 1, 2`.execute(tx.db)
  return rows
}
