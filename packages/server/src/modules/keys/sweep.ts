import type { OrganizationId } from '@redoubt/contract'
import { NIL_ORGANIZATION } from '@redoubt/trust'
import type { Database } from '../../platform/database.ts'
import { describe } from '../../platform/http.ts'
import type { Kernel, Stop } from '../../platform/kernel.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { type Tasks, work } from '../../platform/work.ts'
import { recordIn, rotateDataKeys } from './jobs.ts'
import { destroyEnded, inScope, listLines, operatorOrganization, reopenVersions, type StoredLine } from './key-store.ts'
import { reencryptionOf, rotatedClasses } from './rotation.ts'
import { countAllOlder, olderValues } from './value-store.ts'

const sweepMs = 300_000

type Parts = Pick<Kernel, 'fields' | 'keeper' | 'clock' | 'log'>

/**
 * Sees what the keys need: rotates what is due, puts on the queue what is to be wrapped or encrypted anew, also what a
 * killed worker left, and destroys what has ended. Safe to repeat at any time, and by several workers at once.
 */
export async function sweepKeys(kernel: Parts, database: Database): Promise<void> {
  const now = kernel.clock.now()
  const operator = await inSystem(database, 'sweep', operatorOrganization)
  // Before the set-up there are no values, and nobody's log to tell of a rotation.
  if (operator === null) return

  await rotateDataKeys(kernel, database, operator)
  for (const line of await inSystem(database, 'sweep', listLines)) {
    const isInstallation = line.organizationId === NIL_ORGANIZATION
    const log = isInstallation ? operator : (line.organizationId as OrganizationId)
    await destroy(kernel, database, line, log)
    if (!rotatedClasses.includes(line.dataClass) || !reencryptionOf(line.versions, now)) continue
    const scope = isInstallation ? 'installation' : 'organization'
    const { dataClass } = line
    await enqueue(kernel, database, log, 'keys.reencrypt', { scope, dataClass }, `keys.reencrypt:${scope}:${dataClass}`)
  }
  const { keys } = await kernel.keeper.call('keys.status', {})
  if ((keys.find(({ key }) => key === 'kek')?.versions.length ?? 0) > 1)
    await enqueue(kernel, database, operator, 'keys.rewrap', {}, 'keys.rewrap')
}

/** Sweeps now, every five minutes, and after each change of the KEK, until stopped; stopping waits for one in hand. */
export function startKeySweep(kernel: Parts, database: Database): Stop {
  let running: Promise<unknown> = Promise.resolve()
  const sweep = () => {
    running = running
      .then(() => sweepKeys(kernel, database))
      .catch((error: unknown) =>
        kernel.log.error({ err: describe(error) }, 'keys were not looked after and will be in five minutes'),
      )
  }
  const off = kernel.keeper.onChange((changed) => ['kek', 'everything'].includes(changed) && sweep())
  const timer = setInterval(sweep, sweepMs).unref()
  sweep()
  return async () => {
    off()
    clearInterval(timer)
    await running
  }
}

async function destroy(
  kernel: Parts,
  database: Database,
  { organizationId, dataClass, versions }: StoredLine,
  log: OrganizationId,
): Promise<void> {
  const now = kernel.clock.now()
  const ended = versions.filter(({ endsAt }) => endsAt !== null && endsAt <= now).map(({ version }) => version)
  if (ended.length === 0) return
  const destroyed = await inScope(database, organizationId, async (db) => {
    // Looked at once more, since this cannot be taken back: a process that stood still, or an end that was set by other
    // means than ours, leaves values behind that nobody could open again.
    const named = await countAllOlder(db, olderValues(organizationId, dataClass, Math.max(...ended) + 1))
    if (named === 0) return destroyEnded(db, { organizationId, dataClass }, now)
    await reopenVersions(db, { organizationId, dataClass }, ended)
    kernel.log.error({ organizationId, class: dataClass, named }, 'values lie under a key that was to be destroyed')
    return []
  })
  if (destroyed.length === 0) return
  const scope = organizationId === NIL_ORGANIZATION ? 'installation' : 'organization'
  await recordIn(kernel, database, log, {
    action: 'data-key.destroyed',
    target: { kind: 'data-key', id: dataClass },
    facts: { scope, versions: destroyed },
  })
}

function enqueue<T extends keyof Tasks>(
  { clock }: Parts,
  database: Database,
  organizationId: OrganizationId,
  task: T,
  payload: Tasks[T],
  key: string,
): Promise<void> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  return work(database, { organizationId, actor, clock, requestId: null }, (unit) =>
    unit.enqueue(task, payload, { key }),
  )
}
