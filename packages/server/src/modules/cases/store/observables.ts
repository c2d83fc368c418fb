import { sql } from 'kysely'
import type { TenantTx } from '../../../platform/tenant-tx.ts'

export type Verdict = 'unknown' | 'benign' | 'suspicious' | 'malicious'
export type ObservableRow = {
  readonly id: string
  readonly type: string
  readonly value: string
  readonly internal: boolean
  readonly verdict: Verdict
  readonly sightings: number
}
const columns = ['id', 'type', 'value', 'internal', 'verdict', 'sightings'] as const

/** The observables of a case in the order they came. */
export function listObservables(
  tx: TenantTx,
  caseId: string,
  after: string | null,
  limit: number,
): Promise<ObservableRow[]> {
  let query = tx.db
    .selectFrom('case_observables')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .orderBy('id')
    .limit(limit)
  if (after !== null) query = query.where('id', '>', after)
  return query.execute()
}

export async function findObservable(tx: TenantTx, caseId: string, id: string): Promise<ObservableRow | null> {
  const row = await tx.db
    .selectFrom('case_observables')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row ?? null
}

/** @returns those that the case did not have yet */
export function insertObservables(
  tx: TenantTx,
  caseId: string,
  found: readonly { type: string; value: string; internal: boolean }[],
): Promise<ObservableRow[]> {
  return tx.db
    .insertInto('case_observables')
    .values(
      found.map(({ type, value, internal }) => ({
        organization_id: tx.organizationId,
        case_id: caseId,
        type,
        value,
        internal,
        sightings: 0,
      })),
    )
    .onConflict((conflict) => conflict.expression(sql`organization_id, case_id, type, md5(value)`).doNothing())
    .returning(columns)
    .execute()
}

export async function setVerdict(tx: TenantTx, caseId: string, id: string, verdict: Verdict): Promise<void> {
  await tx.db
    .updateTable('case_observables')
    .set({ verdict })
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .where('id', '=', id)
    .execute()
}

/** Counts the observables of alerts that have just come to a case: each names a value once. */
export async function countSightings(tx: TenantTx, caseId: string, alertIds: readonly string[]): Promise<void> {
  await sql`
    insert into case_observables (organization_id, case_id, type, value, internal, sightings)
    select ${tx.organizationId}::uuid, ${caseId}::uuid, o.type, o.value, bool_and(o.internal), count(*)
    from alert_observables o
    where o.organization_id = ${tx.organizationId} and o.alert_id = any(${[...alertIds]}::uuid[])
    group by o.type, o.value
    on conflict (organization_id, case_id, type, md5(value))
      do update set sightings = case_observables.sightings + excluded.sightings
  `.execute(tx.db)
}

/**
 * Counts anew whatever these alerts of a case name. For alerts that came to the case before their observables were
 * known; counting anew, so that a repeated job counts nothing twice.
 */
export async function recountSightings(tx: TenantTx, caseId: string, alertIds: readonly string[]): Promise<void> {
  await sql`
    insert into case_observables (organization_id, case_id, type, value, internal, sightings)
    select ${tx.organizationId}::uuid, ${caseId}::uuid, o.type, o.value, bool_and(o.internal), count(*)
    from alerts a
    join alert_observables o on o.organization_id = a.organization_id and o.alert_id = a.id
    where a.organization_id = ${tx.organizationId} and a.case_id = ${caseId}::uuid
      and (o.type, o.value) in (select n.type, n.value from alert_observables n
        where n.organization_id = ${tx.organizationId} and n.alert_id = any(${[...alertIds]}::uuid[]))
    group by o.type, o.value
    on conflict (organization_id, case_id, type, md5(value)) do update set sightings = excluded.sightings
  `.execute(tx.db)
}

/** Moves all observables of a case into another: sightings add up, the graver verdict stands. */
export async function moveObservables(tx: TenantTx, from: string, into: string): Promise<void> {
  await sql`
    insert into case_observables (organization_id, case_id, type, value, internal, verdict, sightings)
    select organization_id, ${into}::uuid, type, value, internal, verdict, sightings
    from case_observables where organization_id = ${tx.organizationId} and case_id = ${from}::uuid
    on conflict (organization_id, case_id, type, md5(value)) do update set
      sightings = case_observables.sightings + excluded.sightings,
      internal = case_observables.internal and excluded.internal,
      verdict = case when array_position(array['unknown', 'benign', 'suspicious', 'malicious'], excluded.verdict)
                        > array_position(array['unknown', 'benign', 'suspicious', 'malicious'], case_observables.verdict)
                     then excluded.verdict else case_observables.verdict end
  `.execute(tx.db)
  await tx.db
    .deleteFrom('case_observables')
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', from)
    .execute()
}
