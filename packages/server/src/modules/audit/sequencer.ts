import type { OrganizationId } from '@redoubt/contract'
import { append, signCheckpoint } from '@redoubt/trust'
import type { Database } from '../../platform/database.ts'
import { describe } from '../../platform/http.ts'
import type { Kernel, Stop } from '../../platform/kernel.ts'
import type { LiveFeed } from '../../platform/live.ts'
import type { SigningKeys } from '../../platform/signing-keys.ts'
import { inSystem, inTenant } from '../../platform/tenant-tx.ts'
import { announce } from '../../platform/work.ts'
import { logVerifiers, signerOf } from './log-keys.ts'
import { logOrigin, sealEvent } from './rules.ts'
import { insertSealed, lockLog, newestCheckpoint, nodesOf, organizationsToSeal, takeUnsealed } from './store.ts'

/** Events per transaction, and so the most that lie between two checkpoints. */
export const batchSize = 1000
/** How long a notice waits for others, so that a burst shares one checkpoint; far below the second that is promised. */
const gatherMs = 100
/** Finds what no notice told of: events of a time when this service was down or its feed interrupted. */
const sweepMs = 10_000

/**
 * Seals every organization's new events within a second of their commit, until stopped. Any number of workers may run
 * one. Throws when the database cannot be reached at the start; later failures are logged and tried again.
 */
export async function startSequencer(kernel: Kernel, database: Database, live: LiveFeed): Promise<Stop> {
  const { log } = kernel
  const waiting = new Set<OrganizationId>()
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> | undefined

  function wake(organizationId: OrganizationId): void {
    waiting.add(organizationId)
    if (stopped || timer || round) return
    timer = setTimeout(() => {
      timer = undefined
      round = sealWaiting().finally(() => {
        round = undefined
        for (const id of waiting) wake(id)
      })
    }, gatherMs)
  }

  /** One batch for each that waits: a busy tenant does not hold up the others. */
  async function sealWaiting(): Promise<void> {
    const now = [...waiting]
    waiting.clear()
    for (const organizationId of now) {
      try {
        const sealed = await sealBatch(kernel, database, organizationId)
        if (sealed === 'busy' || sealed === batchSize) waiting.add(organizationId)
      } catch (error) {
        log.error({ organizationId, err: describe(error) }, 'sealing the audit log failed and will be tried again')
      }
    }
  }

  async function sweep(): Promise<void> {
    for (const organizationId of await inSystem(database, 'sweep', organizationsToSeal)) wake(organizationId)
  }
  const sweepAgain = () =>
    sweep().catch((error) => log.error({ err: describe(error) }, 'looking for unsealed audit events failed'))

  const unsubscribe = [
    live.onNotice(({ organizationId, topics }) => {
      if (topics.includes('audit')) wake(organizationId as OrganizationId)
    }),
    live.onReconnected(sweepAgain),
  ]
  const sweeping = setInterval(sweepAgain, sweepMs)
  const listenNoMore = () => {
    stopped = true
    clearInterval(sweeping)
    clearTimeout(timer)
    for (const off of unsubscribe) off()
  }
  try {
    await sweep()
  } catch (error) {
    listenNoMore()
    throw error
  }
  return async () => {
    listenNoMore()
    await round
    // What the last jobs and requests recorded; a longer backlog waits for the next start.
    await sweepAgain()
    await sealWaiting()
  }
}

/**
 * Seals all that waits in one organization.
 * @returns how many events were sealed; another sequencer may be sealing the rest
 */
export async function sealOrganization(
  kernel: Kernel,
  database: Database,
  organizationId: OrganizationId,
): Promise<number> {
  let total = 0
  for (;;) {
    const sealed = await sealBatch(kernel, database, organizationId)
    if (sealed === 'busy' || sealed === 0) return total
    total += sealed
  }
}

/**
 * Seals a batch, with the newest key: a checkpoint of an older one behind one of its successor is refused by every
 * verifier. When the head is by a key that is not known here, another worker may have been told of a rotation earlier, so
 * the keeper is asked; what it does not know either was not put there by the platform, and stays for verifiers to find.
 */
async function sealBatch(kernel: Kernel, database: Database, organizationId: OrganizationId): Promise<number | 'busy'> {
  const sealed = await sealOnce(kernel, database, organizationId, isOfKnownKey)
  if (sealed !== 'unknown-key') return sealed
  await kernel.signing.checkpoint.refresh()
  const again = await sealOnce(kernel, database, organizationId, async () => true)
  return again === 'unknown-key' ? 'busy' : again
}

type MayFollow = (keys: SigningKeys, organizationId: string, note: string) => Promise<boolean>

const isOfKnownKey: MayFollow = async (keys, organizationId, note) =>
  signerOf(note, await logVerifiers(organizationId, keys.history())) >= 0

/**
 * Gives the next events their places, in one transaction: a crash at any point leaves the log as it was. Events keep
 * the order of their ids within a batch; one that commits late takes a later place, and its `at` tells when it was.
 */
function sealOnce(
  kernel: Kernel,
  database: Database,
  organizationId: OrganizationId,
  mayFollow: MayFollow,
): Promise<number | 'busy' | 'unknown-key'> {
  const { checkpoint } = kernel.signing
  return inTenant(database, organizationId, { service: 'worker' }, async (tx) => {
    // Two that took the same rows would take turns, and the key on places refuses a second leaf in one. The lock is so
    // that a sequencer that hangs on one log does not hold up the others' work on the rest.
    if (!(await lockLog(tx))) return 'busy'
    const head = await newestCheckpoint(tx)
    if (head && !(await mayFollow(checkpoint, organizationId, head.note))) return 'unknown-key'
    const events = await takeUnsealed(tx, batchSize)
    if (events.length === 0) return 0
    const size = head?.size ?? 0
    const sealed = events.map((event, at) => ({ ...sealEvent(organizationId, event, size + at), eventId: event.id }))
    const tree = await append(
      size,
      sealed.map((event) => event.leaf),
      nodesOf(tx),
    )
    const at = kernel.clock.now()
    const note = await signCheckpoint(
      { origin: logOrigin(organizationId), size: tree.size, root: tree.root },
      checkpoint.active(),
    )
    await insertSealed(tx, sealed, tree.nodes, { size: tree.size, note, at })
    await announce(tx.db, organizationId, ['audit'])
    kernel.metrics.unsealed.set(at.getTime() / 1000)
    return events.length
  })
}
