import type { OrganizationId } from '@redoubt/contract'
import type { Refusal } from '../keeper/keeper.ts'
import { operatorOrganization } from '../modules/identity/index.ts'
import type { Database } from '../platform/database.ts'
import { describe } from '../platform/http.ts'
import type { Kernel } from '../platform/kernel.ts'
import { RateLimit } from '../platform/rate-limit.ts'
import { inSystem } from '../platform/tenant-tx.ts'
import { type AuditRecord, work } from '../platform/work.ts'

/** A refusal of a caller that may not have proved who it is. */
export type WireRefusal = Omit<Refusal, 'service'> & { readonly service: Refusal['service'] | null }

const mostWaiting = 1000
/** Refusals of one service, or of all who proved nothing, that are written down one by one in a minute. */
const mostRefusals = 100

/**
 * Writes down in the operator's log whom the keeper refused (ALM-1) and what this machine's operator did, one after the
 * other. Before the platform is set up there is no log. The log is kept for ever and strangers can cause refusals, so a
 * flood of them is counted in one event.
 */
export function keeperTrail(kernel: Pick<Kernel, 'clock' | 'log'>, database: Database) {
  const waiting: AuditRecord[] = []
  let dropped = 0
  const refusals = new RateLimit({ limit: mostRefusals, windowMs: 60_000, clock: kernel.clock })
  let writing: Promise<void> = Promise.resolve()

  async function write(): Promise<void> {
    const batch = waiting.splice(0, 100)
    if (batch.length === 0) return
    const organizationId = (await inSystem(database, 'authenticate', operatorOrganization)) as OrganizationId | null
    if (organizationId === null) return
    const uncounted = dropped
    dropped = 0
    const actor = { kind: 'service', id: 'keeper', name: 'keeper' } as const
    const scope = { organizationId, actor, clock: kernel.clock, requestId: null }
    if (uncounted > 0) batch.push({ action: 'service.refused', outcome: 'denied', facts: { more: uncounted } })
    const written = (events: readonly AuditRecord[]) =>
      work(database, scope, async ({ record }) => {
        for (const event of events) record(event)
      })
    try {
      await written(batch)
    } catch {
      // One that the log does not take must not take the others along: who is refused could hide what else is refused.
      for (const event of batch) await written([event]).catch(lost)
    }
  }

  function lost(error: unknown): void {
    kernel.log.error({ err: describe(error) }, 'an event of the keeper could not be written to the audit log')
  }

  function add(event: AuditRecord): void {
    if (waiting.length >= mostWaiting) dropped += 1
    else waiting.push(event)
    writing = writing.then(write).catch(lost)
  }

  return {
    refused({ service, ...facts }: WireRefusal): void {
      const id = service ?? 'unknown'
      try {
        refusals.take(id, 'refusals a minute')
      } catch {
        dropped += 1
        return
      }
      add({ action: 'service.refused', target: { kind: 'service', id }, outcome: 'denied', facts })
    },
    /** Something the operator did through the socket of this machine. */
    acted: add,
    /** Resolves when all is written. */
    settled: () => writing,
  }
}
