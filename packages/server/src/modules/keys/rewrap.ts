import { NIL_ORGANIZATION } from '@redoubt/trust'
import { holdKeks } from '../../platform/data-keys.ts'
import type { Database } from '../../platform/database.ts'
import { describe } from '../../platform/http.ts'
import { KeeperRefusal } from '../../platform/keeper-protocol.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { countWrappedBelow, inScope, readWrappedBelow, replaceWrapped } from './key-store.ts'
import { addProgress, beginProgress, endProgress } from './progress-store.ts'

export type Rewrapped = { readonly kek: number; readonly done: number; readonly damaged: number }

/**
 * Wraps every data key by the KEK that is active, one organization after the other, and has the older KEKs destroyed. The
 * keys stay what they are, so nobody who holds one notices. Killed at any point it goes on with what is left.
 * @returns null when there was nothing to wrap
 */
export async function rewrap(
  { keeper, clock, log }: Pick<Kernel, 'keeper' | 'clock' | 'log'>,
  database: Database,
): Promise<Rewrapped | null> {
  const { version: kek } = await keeper.call('kek.active', {})
  const owners = await inSystem(database, 'sweep', (tx) => countWrappedBelow(tx, kek))
  const left = owners.reduce((sum, { keys }) => sum + keys, 0)
  const shown = <T>(use: Parameters<typeof inScope<T>>[2]) => inScope(database, NIL_ORGANIZATION, use)
  const work = { kind: 'rewrap', organizationId: NIL_ORGANIZATION, dataClass: null, version: kek } as const
  const id = left === 0 ? null : await shown((db) => beginProgress(db, work, left, clock.now()))

  let done = 0
  let damaged = 0
  for (const { organizationId } of owners) {
    const step = { done: 0, damaged: 0 }
    // A few keys per organization and class: no need for smaller batches than an organization.
    await inScope(database, organizationId, async (db) => {
      for (const { wrapped, ...key } of await readWrappedBelow(db, organizationId, kek)) {
        try {
          const fresh = await keeper.call('data-key.rewrap', { ...key, wrapped: wrapped.toString('base64') })
          const after = { kek: fresh.kek, wrapped: Buffer.from(fresh.wrapped, 'base64') }
          if (await replaceWrapped(db, { ...key, wrapped }, after)) step.done++
        } catch (error) {
          // Altered, or wrapped for another place: it stays, and with it the KEK, until a person has looked at it.
          if (!(error instanceof KeeperRefusal) || !['invalid', 'not_found'].includes(error.code)) throw error
          step.damaged++
          log.error(
            { organizationId, class: key.dataClass, version: key.version, err: describe(error) },
            'not rewrapped',
          )
        }
      }
    })
    if (id !== null) await shown((db) => addProgress(db, id, step.done, step.damaged))
    done += step.done
    damaged += step.damaged
  }

  await inSystem(database, 'sweep', async (tx) => {
    await holdKeks(tx.db)
    if ((await countWrappedBelow(tx, kek)).length === 0) await keeper.call('kek.retire', { below: kek })
    else if (damaged === 0) throw new Error('a data key was made under an older KEK meanwhile')
  })
  if (id !== null) await shown((db) => endProgress(db, id, damaged === 0 ? 'done' : 'failed', clock.now()))
  return id === null ? null : { kek, done, damaged }
}
