import type { OrganizationId } from '@redoubt/contract'
import type { Database } from '../../platform/database.ts'
import { describe } from '../../platform/http.ts'
import type { Kernel, Stop } from '../../platform/kernel.ts'
import { inSystem, inTenant } from '../../platform/tenant-tx.ts'
import { RECEIPT_MS } from './ingestion/delivery.ts'

const SWEEP_MS = 600_000

/** Removes receipts that no sender will ask for again, one tenant at a time. @returns how many */
export async function sweepReceipts(kernel: Kernel, database: Database): Promise<number> {
  const before = new Date(kernel.clock.now().getTime() - RECEIPT_MS)
  const tenants = await inSystem(database, 'sweep', (tx) =>
    tx.db.selectFrom('ingest_receipts').select('organization_id as id').distinct().where('at', '<=', before).execute(),
  )
  let removed = 0
  for (const { id } of tenants) {
    removed += await inTenant(database, id as OrganizationId, { service: 'worker' }, async (tx) => {
      const { numDeletedRows } = await tx.db
        .deleteFrom('ingest_receipts')
        .where('organization_id', '=', tx.organizationId)
        .where('at', '<=', before)
        .executeTakeFirst()
      return Number(numDeletedRows)
    })
  }
  return removed
}

/** Sweeps every ten minutes until stopped; stopping waits for a sweep in hand. */
export function startReceiptSweep(kernel: Kernel, database: Database): Stop {
  let running: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    running = running
      .then(() => sweepReceipts(kernel, database))
      .catch((error: unknown) =>
        kernel.log.error({ err: describe(error) }, 'receipts were not swept and will be in ten minutes'),
      )
  }, SWEEP_MS).unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}
