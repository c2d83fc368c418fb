import type { OrganizationId } from '@redoubt/contract'
import { type DataClass, NIL_ORGANIZATION } from '@redoubt/trust'
import { insertDataKey } from '../../platform/data-keys.ts'
import type { Database } from '../../platform/database.ts'
import type { TaskHandlers } from '../../platform/jobs.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { type AuditRecord, work } from '../../platform/work.ts'
import { inScope, listLines, type StoredLine } from './key-store.ts'
import { reencrypt } from './reencrypt.ts'
import { rewrap } from './rewrap.ts'
import { isDue, nextVersion, rotatedClasses } from './rotation.ts'

type Parts = Pick<Kernel, 'fields' | 'keeper' | 'clock' | 'log'>

/**
 * The tasks of the queue that rotate and end data keys. `organizationId` of a job is whose log it is recorded in: for what
 * belongs to the installation, the operator's.
 */
export function keyTasks(kernel: Parts, database: Database) {
  return {
    async 'keys.rotate-data'({ organizationId }) {
      await rotateDataKeys(kernel, database, organizationId, () => true)
    },

    async 'keys.reencrypt'({ organizationId, scope, dataClass }) {
      const owner = scope === 'installation' ? NIL_ORGANIZATION : organizationId
      const result = await reencrypt(kernel, database, { organizationId: owner, dataClass })
      if (result === null) return
      await recordIn(kernel, database, organizationId, {
        action: 'data-key.reencrypted',
        target: { kind: 'data-key', id: dataClass },
        outcome: result.damaged === 0 ? 'allowed' : 'failed',
        facts: { scope, ...result },
      })
    },

    async 'keys.rewrap'({ organizationId }) {
      const result = await rewrap(kernel, database)
      if (result === null) return
      await recordIn(kernel, database, organizationId, {
        action: 'kek.rewrapped',
        outcome: result.damaged === 0 ? 'allowed' : 'failed',
        facts: result,
      })
    },
  } satisfies TaskHandlers
}

/**
 * Gives every data key that `wants` one its next version.
 * @param operatorId whose log tells of the installation's own keys
 */
export async function rotateDataKeys(
  kernel: Parts,
  database: Database,
  operatorId: OrganizationId,
  wants: (line: StoredLine, now: Date) => boolean = ({ versions }, now) => isDue(versions, now),
): Promise<void> {
  const now = kernel.clock.now()
  const lines = await inSystem(database, 'sweep', listLines)
  for (const line of lines) {
    // One that is published and does not seal yet answers it already; also when a job is tried again.
    const isPending = line.versions.some(({ activeAt }) => activeAt > now)
    if (!rotatedClasses.includes(line.dataClass) || isPending || !wants(line, now)) continue
    await rotateOne(kernel, database, operatorId, line, now)
  }
}

async function rotateOne(
  kernel: Parts,
  database: Database,
  operatorId: OrganizationId,
  { organizationId, dataClass, versions }: StoredLine,
  now: Date,
): Promise<void> {
  const { version, ...times } = nextVersion(versions, now)
  // Of two workers that rotate at once, the first one's version counts.
  await inScope(database, organizationId, (db) =>
    insertDataKey(db, kernel.keeper, { organizationId, dataClass: dataClass as DataClass, version }, times),
  )
  const isInstallation = organizationId === NIL_ORGANIZATION
  await recordIn(kernel, database, isInstallation ? operatorId : (organizationId as OrganizationId), {
    action: 'data-key.rotated',
    target: { kind: 'data-key', id: dataClass },
    facts: { scope: isInstallation ? 'installation' : 'organization', version },
  })
}

export function recordIn(
  { clock }: Pick<Kernel, 'clock'>,
  database: Database,
  organizationId: OrganizationId,
  event: AuditRecord,
): Promise<string> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  return work(database, { organizationId, actor, clock, requestId: null }, async (unit) => unit.record(event))
}
