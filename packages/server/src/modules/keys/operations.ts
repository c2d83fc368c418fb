import type { contract, OrganizationId } from '@redoubt/contract'
import { dataClasses, NIL_ORGANIZATION } from '@redoubt/trust'
import { z } from 'zod'
import { AppError } from '../../platform/app-error.ts'
import { askKeeper } from '../../platform/keeper-administration.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers } from '../../platform/operation.ts'
import { type DataKeyPlace, listDataKeys, listKeyJobs } from './status-store.ts'

/** The installation's keys: their states, who fetched them, and their rotation by hand (KEY-4, KEY-6). */
export function keyOperations({ keeper, signing }: Kernel): Handlers<typeof contract.keys> {
  return {
    async status(ctx) {
      const { master, store, keys } = await askKeeper(keeper, 'keys.status', {})
      return {
        master,
        store,
        keys: keys.map(({ key, versions, nextRotationAt }) => ({
          key,
          versions: versions.map(({ kid, createdAt, activeAt, endsAt, ...version }) => ({
            ...version,
            keyId: kid,
            createdAt: createdAt.toISOString(),
            activeAt: activeAt.toISOString(),
            endsAt: endsAt?.toISOString() ?? null,
          })),
          nextRotationAt: nextRotationAt.toISOString(),
        })),
        jobs: (await listKeyJobs(ctx.tx)).map(({ organizationId, organizationName, startedAt, endedAt, ...job }) => ({
          ...job,
          organization: organizationOf(organizationId, organizationName),
          startedAt: startedAt.toISOString(),
          endedAt: endedAt?.toISOString() ?? null,
        })),
      }
    },

    async signing() {
      const items = Object.values(signing).map((keys) => {
        const { use, kid, createdAt, ageMs: _, ...health } = keys.health()
        return { ...health, key: use, keyId: kid, createdAt: createdAt.toISOString() }
      })
      return { items, answeredBy: keeper.service }
    },

    async dataKeys({ tx }, { cursor, limit }) {
      const rows = await listDataKeys(tx, cursor === undefined ? undefined : placeOf(cursor), limit + 1)
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map(({ organizationId, organizationName, oldestAt, newestAt, ...line }) => ({
          ...line,
          organization: organizationOf(organizationId, organizationName),
          oldestAt: oldestAt.toISOString(),
          newestAt: newestAt.toISOString(),
        })),
        next: rows.length > limit && last ? `${last.organizationId}.${last.dataClass}` : null,
      }
    },

    async usage() {
      const { since, uses } = await askKeeper(keeper, 'keys.usage', {})
      return {
        since: since.toISOString(),
        items: uses.map(({ lastAt, ...use }) => ({ ...use, lastAt: lastAt.toISOString() })),
      }
    },

    async rotate(ctx, { key }) {
      // Data keys lie in the database, in every organization's rows: the worker turns them.
      if (key === 'data') await ctx.enqueue('keys.rotate-data', {}, { key: 'keys.rotate-data' })
      else await askKeeper(keeper, 'keys.rotate', { key })
      ctx.record({ action: 'key.rotated', target: { kind: 'key', id: key } })
      ctx.live('keys')
      return { done: true }
    },
  }
}

const organizationOf = (id: string, name: string | null) =>
  id === NIL_ORGANIZATION ? null : { id: id as OrganizationId, name }

const Place = z.tuple([z.guid(), z.enum(dataClasses)])

/** @throws AppError bad_request for a cursor that no page has given out */
function placeOf(cursor: string): DataKeyPlace {
  const place = Place.safeParse(cursor.split('.'))
  if (!place.success)
    throw new AppError('bad_request', 'The cursor is not one of ours: pass `next` of the page before, unchanged.', {
      fields: [{ path: 'cursor', message: 'must be `next` of the page before' }],
    })
  const [organizationId, dataClass] = place.data
  return { organizationId, dataClass }
}
