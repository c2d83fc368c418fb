import type { AdapterType, AlertState, Tlp } from '@redoubt/contract'
import { sql } from 'kysely'
import { binaryArray } from '../../platform/binary-array.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import type { OcsfFinding } from './adapters/normalized-alert.ts'
import type { EnrichedAlert } from './enrichment.ts'

export type UnenrichedRow = {
  readonly id: string
  readonly sourceId: string
  readonly sourceType: AdapterType
  readonly title: string
  readonly severity: number
  readonly tlp: Tlp
  readonly state: AlertState
  readonly caseId: string | null
  readonly firstSeenAt: Date
  readonly lastSeenAt: Date
  readonly occurredAt: Date | null
  readonly finding: OcsfFinding
  readonly techniques: string[]
  readonly raw: string
}

/** Those of the alerts that are not enriched yet, held until the end of the transaction, in ingestion's order. */
export async function holdUnenriched(tx: TenantTx, ids: readonly string[]): Promise<UnenrichedRow[]> {
  const { rows } = await sql<UnenrichedRow>`
    select a.id, a.source_id as "sourceId", s.type as "sourceType", a.title, a.severity, a.tlp, a.state,
           a.case_id as "caseId", a.first_seen_at as "firstSeenAt", a.last_seen_at as "lastSeenAt",
           a.occurred_at as "occurredAt", a.finding, a.techniques, a.raw
    from alerts a join sources s on s.organization_id = a.organization_id and s.id = a.source_id
    where a.organization_id = ${tx.organizationId} and a.id = any(${ids}::uuid[]) and a.enriched_at is null
    order by a.source_id, a.dedup_key
    for update of a`.execute(tx.db)
  return rows
}

export async function insertObservables(tx: TenantTx, alerts: readonly EnrichedAlert[]): Promise<void> {
  const rows = alerts.flatMap(({ id, observables }) => observables.map((observable) => ({ id, ...observable })))
  if (rows.length === 0) return
  await sql`
    insert into alert_observables (organization_id, alert_id, type, value, role, internal)
    select ${tx.organizationId}::uuid, o.alert_id, o.type, o.value, o.role, o.internal = 1
    from unnest(
      ${binaryArray.uuid(rows.map(({ id }) => id))}::uuid[],
      ${binaryArray.text(rows.map(({ type }) => type))}::text[],
      ${binaryArray.text(rows.map(({ value }) => value))}::text[],
      ${binaryArray.text(rows.map(({ role }) => role ?? null))}::text[],
      ${binaryArray.int2(rows.map(({ internal }) => (internal ? 1 : 0)))}::int2[]
    ) as o (alert_id, type, value, role, internal)
    on conflict do nothing`.execute(tx.db)
}

export async function markEnriched(
  tx: TenantTx,
  alerts: readonly {
    readonly id: string
    readonly techniques: readonly string[]
    readonly entities: readonly string[]
  }[],
  now: Date,
): Promise<void> {
  const jsonTexts = (lists: readonly (readonly string[])[]) =>
    binaryArray.jsonb(lists.map((list) => JSON.stringify(list)))
  await sql`
    update alerts a set
      techniques = array(select jsonb_array_elements_text(e.techniques)),
      entities = array(select jsonb_array_elements_text(e.entities)),
      enriched_at = ${now}
    from unnest(
      ${binaryArray.uuid(alerts.map(({ id }) => id))}::uuid[],
      ${jsonTexts(alerts.map(({ techniques }) => techniques))}::jsonb[],
      ${jsonTexts(alerts.map(({ entities }) => entities))}::jsonb[]
    ) as e (id, techniques, entities)
    where a.organization_id = ${tx.organizationId} and a.id = e.id`.execute(tx.db)
}
