import type { IngestReceipt } from '@redoubt/contract'
import { severities } from '@redoubt/contract'
import { sql } from 'kysely'
import { binaryArray } from '../../../platform/binary-array.ts'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import { responseDueAt } from '../rules.ts'
import type { BatchRow } from './batch.ts'
import type { Delivery } from './delivery.ts'
import type { DoorSource } from './source-door.ts'

type StoredReceipt = Omit<IngestReceipt, 'replayed'> & { readonly body: string }

/**
 * Makes this transaction the one that takes a delivery. A second one for the same delivery waits here until the first
 * has committed, and is then told no; or takes over, if the first was rolled back.
 */
export async function claimDelivery(tx: TenantTx, source: DoorSource, delivery: Delivery, now: Date): Promise<boolean> {
  const outdated = new Date(now.getTime() - delivery.rememberedMs)
  const { rows } = await sql`
    insert into ingest_receipts (organization_id, source_id, key, receipt, at)
    values (${tx.organizationId}, ${source.id}, ${delivery.key}, '{}', ${now})
    on conflict (organization_id, source_id, key) do update set at = excluded.at where ingest_receipts.at <= ${outdated}
    returning at`.execute(tx.db)
  return rows.length > 0
}

export async function readReceipt(tx: TenantTx, source: DoorSource, delivery: Delivery): Promise<StoredReceipt> {
  const { receipt } = await tx.db
    .selectFrom('ingest_receipts')
    .select('receipt')
    .where('organization_id', '=', tx.organizationId)
    .where('source_id', '=', source.id)
    .where('key', '=', delivery.key)
    .executeTakeFirstOrThrow()
  return receipt as StoredReceipt
}

export async function writeReceipt(
  tx: TenantTx,
  source: DoorSource,
  delivery: Delivery,
  receipt: Omit<IngestReceipt, 'replayed'>,
): Promise<void> {
  await tx.db
    .updateTable('ingest_receipts')
    .set({ receipt: JSON.stringify({ ...receipt, body: delivery.body } satisfies StoredReceipt) })
    .where('organization_id', '=', tx.organizationId)
    .where('source_id', '=', source.id)
    .where('key', '=', delivery.key)
    .execute()
}

/** Inserts alerts, or counts them where they are known, in the order given. @returns ids of the new ones */
export async function foldAlerts(
  tx: TenantTx,
  source: Pick<DoorSource, 'id' | 'tlp'>,
  rows: readonly BatchRow[],
  now: Date,
): Promise<string[]> {
  const due = severities.map((severity) => responseDueAt(severity, now))
  const columns = sql.join([
    sql`${binaryArray.bytea(rows.map((row) => Buffer.from(row.dedupKey, 'latin1')))}::bytea[]`,
    sql`${binaryArray.text(rows.map((row) => row.title))}::text[]`,
    sql`${binaryArray.text(rows.map((row) => row.description))}::text[]`,
    sql`${binaryArray.int2(rows.map((row) => row.severity))}::int2[]`,
    sql`${binaryArray.int4(rows.map((row) => row.count))}::int4[]`,
    sql`${binaryArray.timestamptz(rows.map((row) => row.occurredAt))}::timestamptz[]`,
    sql`${binaryArray.text(rows.map((row) => row.sourceRef))}::text[]`,
    sql`${binaryArray.jsonb(rows.map((row) => jsonbText(row.finding)))}::jsonb[]`,
    sql`${binaryArray.text(rows.map((row) => row.raw))}::text[]`,
    sql`${binaryArray.text(rows.map((row) => row.latestRaw))}::text[]`,
    sql`${binaryArray.text(rows.map((row) => row.techniques.join(',')))}::text[]`,
    sql`${rows.map((row) => row.telemetry)}::boolean[]`,
  ])
  const { rows: answers } = await sql<{ ids: string[] | null }>`
    with taken as (
      insert into alerts (organization_id, source_id, tlp, first_seen_at, last_seen_at, due_at, dedup_key, title,
                          description, severity, count, occurred_at, source_ref, finding, raw, latest_raw, techniques, state, dismissed_because)
      select ${tx.organizationId}::uuid, ${source.id}::uuid, ${source.tlp}::text, ${now}::timestamptz, ${now}::timestamptz,
             (${binaryArray.timestamptz(due)}::timestamptz[])[e.severity + 1], e.dedup_key, e.title, e.description,
             e.severity, e.count, e.occurred_at, e.source_ref, e.finding, e.raw, e.latest_raw,
             string_to_array(e.techniques, ','),
             case when e.telemetry then 'dismissed' else 'new' end, case when e.telemetry then ${telemetry}::text end
      from unnest(${columns}) as e (dedup_key, title, description, severity, count, occurred_at, source_ref, finding,
                                    raw, latest_raw, techniques, telemetry)
      on conflict (organization_id, source_id, dedup_key) do update set
        count = least(alerts.count::bigint + excluded.count, 2147483647)::int,
        last_seen_at = greatest(alerts.last_seen_at, excluded.last_seen_at),
        severity = greatest(alerts.severity, excluded.severity),
        due_at = case when excluded.severity > alerts.severity and alerts.state = 'new'
                      then least(alerts.due_at, excluded.due_at) else alerts.due_at end,
        latest_raw = nullif(coalesce(excluded.latest_raw, excluded.raw), alerts.raw)
      -- A row that this statement made has no xmax; one that it changed has this transaction's.
      returning id, xmax = 0 as created
    )
    select json_agg(id) filter (where created) as ids from taken`.execute(tx.db)
  return answers[0]?.ids ?? []
}

/**
 * Notes when a source was last heard of, at most every ten seconds: written with each batch, this one row would make
 * all batches of a source wait for each other's commit.
 */
export async function touchSource(tx: TenantTx, source: DoorSource, now: Date): Promise<void> {
  const before = new Date(now.getTime() - 10_000)
  await tx.db
    .updateTable('sources')
    .set({ last_event_at: now })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', source.id)
    .where((eb) => eb.or([eb('last_event_at', 'is', null), eb('last_event_at', '<=', before)]))
    .execute()
}

// What a vendor sends beside its alerts is not lost and not in the way: it can be found, and reopened, but nobody waits on it.
const telemetry = 'Telemetry, not an alert'

const unstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g

/**
 * JSON that jsonb takes. It refuses `\u0000` and lone surrogates, the only ones that JSON.stringify escapes; one event
 * that slipped through would make its whole batch fail for ever.
 */
export function jsonbText(value: object): string {
  const text = JSON.stringify(value)
  return text.includes('\\u') ? text.replace(unstorable, '$1\ufffd') : text
}
