import { randomUUIDv7 } from 'node:crypto'
import type { SourceId } from '@redoubt/contract'
import { sql } from 'kysely'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import type { DoorSource } from './ingestion/source-door.ts'
import { healthSourceSlug } from './rules.ts'

/** Of two workers that look for an open alert at once, the second sees what the first opened. */
export async function lockSubject(tx: TenantTx, subject: string): Promise<void> {
  const name = `redoubt.health/${tx.organizationId}/${subject}`
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx.db)
}

/** The platform's own source in an organization, made when it is first needed. */
export async function healthSource(tx: TenantTx, now: Date): Promise<Pick<DoorSource, 'id' | 'tlp'>> {
  const find = () =>
    tx.db
      .selectFrom('sources')
      .select('id')
      .where('organization_id', '=', tx.organizationId)
      .where('slug', '=', healthSourceSlug)
      .executeTakeFirst()
  const tlp = 'AMBER'
  const found = await find()
  if (found) return { id: found.id as SourceId, tlp }
  await tx.db
    .insertInto('sources')
    .values({
      organization_id: tx.organizationId,
      id: randomUUIDv7(),
      ...{ name: 'system.health', slug: healthSourceSlug, type: 'generic', tlp },
      created_at: now,
      last_event_at: now,
    })
    .onConflict((conflict) => conflict.columns(['organization_id', 'slug']).doNothing())
    .execute()
  const made = await find()
  if (!made) throw new Error('the source of the platform itself could not be made')
  return { id: made.id as SourceId, tlp }
}

/** The newest alert about a subject that somebody still has to deal with: in the inbox, or in a case that is open. */
export function openHealthAlert(
  tx: TenantTx,
  sourceId: string,
  subject: string,
): Promise<{ id: string; dedupKey: Buffer } | undefined> {
  return tx.db
    .selectFrom('alerts as a')
    .leftJoin('cases as c', (join) =>
      join.onRef('c.organization_id', '=', 'a.organization_id').onRef('c.id', '=', 'a.case_id'),
    )
    .select(['a.id', 'a.dedup_key as dedupKey'])
    .where('a.organization_id', '=', tx.organizationId)
    .where('a.source_id', '=', sourceId)
    .where('a.source_ref', '=', subject)
    .where('a.state', '<>', 'dismissed')
    .where((eb) => eb.or([eb('a.case_id', 'is', null), eb('c.closed_at', 'is', null)]))
    .orderBy('a.id', 'desc')
    .limit(1)
    .executeTakeFirst()
}
