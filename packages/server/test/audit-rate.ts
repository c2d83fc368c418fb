import type { OrganizationId } from '@redoubt/contract'
import { auditFileLines, verifyAuditFile } from '@redoubt/trust'
import { sealOrganization } from '../src/modules/audit/index.ts'
import { logOrigin, logVerifier } from '../src/modules/audit/rules.ts'
import { newestCheckpoint, readLog } from '../src/modules/audit/store.ts'
import type { Database } from '../src/platform/database.ts'
import type { Kernel } from '../src/platform/kernel.ts'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { work } from '../src/platform/work.ts'

/**
 * Events per second through the audit log of an organization that has none yet: appended, from the transaction that
 * records them (100 each) to the signed checkpoint over them; verified, from the lines of an exported file.
 * @param worker the database of the worker's role
 */
export async function measureAuditRates(
  kernel: Kernel,
  worker: Database,
  organizationId: OrganizationId,
  count = 20_000,
): Promise<{ auditAppendPerSecond: number; auditVerifyPerSecond: number }> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  const appending = performance.now()
  for (let from = 0; from < count; from += 100) {
    await work(worker, { organizationId, actor, clock: kernel.clock, requestId: null }, async (unit) => {
      for (let number = from; number < Math.min(from + 100, count); number++) {
        unit.record({ action: 'case.opened', target: { kind: 'case', id: `case-${number}` }, facts: { number } })
      }
    })
  }
  const sealed = await sealOrganization(kernel, worker, organizationId)
  const appended = performance.now() - appending
  if (sealed !== count) throw new Error(`${sealed} of ${count} audit events were sealed`)

  const { log, notes } = await inTenant(worker, organizationId, { service: 'worker' }, async (tx) => {
    const notes: string[] = []
    for (let above = 0; above < count; above += 1000) {
      const checkpoint = await newestCheckpoint(tx, { above, upTo: above + 1000 })
      if (checkpoint) notes.push(checkpoint.note)
    }
    return { log: await readLog(tx, 0, count), notes }
  })
  const verifier = await logVerifier(organizationId, kernel.installation.auditKey)
  const header = { organizationId, origin: logOrigin(organizationId), verifier, exportedAt: kernel.clock.now() }
  const lines = await Array.fromAsync(auditFileLines(header, log, notes))
  const verifying = performance.now()
  const result = await verifyAuditFile(stream(lines), { trustedVerifier: verifier })
  const verified = performance.now() - verifying
  if (!result.ok || result.events !== count) throw new Error('the audit log of the bench does not verify')
  return { auditAppendPerSecond: (count / appended) * 1000, auditVerifyPerSecond: (count / verified) * 1000 }
}

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
