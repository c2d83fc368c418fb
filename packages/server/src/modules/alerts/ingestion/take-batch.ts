import type { IngestReceipt } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Database } from '../../../platform/database.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { type Work, work } from '../../../platform/work.ts'
import type { Batch } from './batch.ts'
import type { Delivery } from './delivery.ts'
import type { DoorSource } from './source-door.ts'
import { claimDelivery, foldAlerts, readReceipt, touchSource, writeReceipt } from './store.ts'

const ROWS_A_STATEMENT = 1000
const ALERTS_A_JOB = 500
const ATTEMPTS = 3

/**
 * Takes a batch once, in one transaction: its alerts, their enrichment jobs, the audit event and the receipt. When this
 * returns, all of it is committed. The same delivery again gets the same receipt and changes nothing.
 * @throws AppError unprocessable when the delivery's id was used for another body
 */
export async function takeBatch(
  { kernel, database, requestId }: { readonly kernel: Kernel; readonly database: Database; readonly requestId: string },
  source: DoorSource,
  delivery: Delivery,
  batch: Batch,
): Promise<IngestReceipt> {
  const actor = { kind: 'service', id: 'ingestion', name: 'ingestion' } as const
  const scope = { organizationId: source.organizationId, actor, clock: kernel.clock, requestId }
  for (let attempt = 1; ; attempt += 1) {
    try {
      const receipt = await work(database, scope, (unit) => takeOnce(unit, source, delivery, batch))
      if (!receipt.replayed) count(kernel, source, receipt)
      return receipt
    } catch (error) {
      if (!(attempt < ATTEMPTS && isDeadlock(error))) throw error
    }
  }
}

async function takeOnce(unit: Work, source: DoorSource, delivery: Delivery, batch: Batch): Promise<IngestReceipt> {
  const { tx, now } = unit
  if (!(await claimDelivery(tx, source, delivery, now))) return replay(unit, source, delivery)

  // Sent together: the server works on one statement while the next is on its way.
  const [ids] = await Promise.all([
    Promise.all(chunks(batch.rows, ROWS_A_STATEMENT).map((rows) => foldAlerts(tx, source, rows, now))),
    touchSource(tx, source, now),
  ])
  const created = ids.flat()
  const { accepted, rejected } = batch
  const receipt = { accepted, created: created.length, folded: accepted - created.length, rejected }
  for (const alertIds of chunks(created, ALERTS_A_JOB)) await unit.enqueue('alerts.enrich', { alertIds })
  if (accepted > 0) {
    unit.record({
      action: 'alerts.ingested',
      target: { kind: 'source', id: source.id },
      facts: { accepted, created: created.length, folded: receipt.folded, rejected: rejected.length },
    })
    unit.live('alerts')
  }
  await writeReceipt(tx, source, delivery, receipt)
  return { ...receipt, replayed: false }
}

async function replay({ tx }: Work, source: DoorSource, delivery: Delivery): Promise<IngestReceipt> {
  const { body, ...receipt } = await readReceipt(tx, source, delivery)
  if (body !== delivery.body) {
    throw new AppError(
      'unprocessable',
      'This delivery id was used before, for another body: give each delivery an id of its own.',
    )
  }
  return { ...receipt, replayed: true }
}

function count({ metrics }: Kernel, { type }: DoorSource, { created, folded, rejected }: IngestReceipt): void {
  const results = { created, folded, rejected: rejected.length }
  for (const [result, events] of Object.entries(results)) if (events > 0) metrics.ingested.inc({ type, result }, events)
}

/** Alerts are locked in one order here and in the worker; what else may come is worth another try. */
const isDeadlock = (error: unknown): boolean => ['40P01', '40001'].includes((error as { code?: string }).code ?? '')

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size))
}
