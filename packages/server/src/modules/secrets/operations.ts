import type { contract, SecretSummary } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import { askKeeper } from '../../platform/keeper-administration.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers } from '../../platform/operation.ts'
import { healthOf, referredSecrets } from './rules.ts'

/**
 * Secrets by name (SEC-3). A value comes in with `set` and goes on to the keeper; it is in no answer, no audit event, no
 * error and no log. The store is not the database: what it did stays done when the commit of its audit event fails, and
 * the caller is then told of a failure.
 */
export function secretOperations({ keeper, config }: Kernel): Handlers<typeof contract.secrets> {
  const referred = referredSecrets(config)
  return {
    async list(ctx) {
      const stored = await askKeeper(keeper, 'secret.list', { prefix: '' })
      const there = new Set(stored.map(({ path }) => path))
      const items: SecretSummary[] = stored.map(({ path, version, writtenAt, managed }) => ({
        path,
        version,
        writtenAt: writtenAt.toISOString(),
        health: healthOf({ writtenAt, managed }, ctx.now),
        managed,
        settings: referred.get(path) ?? [],
      }))
      for (const [path, settings] of referred)
        if (!there.has(path))
          items.push({ path, version: 0, writtenAt: null, health: 'missing', managed: false, settings })
      return { items: items.toSorted((a, b) => (a.path < b.path ? -1 : 1)), next: null }
    },

    async set(ctx, { path, value, expectedVersion }) {
      const { version } = await askKeeper(keeper, 'secret.write', { path, value, expectedVersion })
      ctx.record({ action: 'secret.set', target: { kind: 'secret', id: path }, facts: { version } })
      ctx.live('keys')
      return { version }
    },

    async remove(ctx, { path }) {
      const { removed } = await askKeeper(keeper, 'secret.remove', { path })
      if (!removed) throw new AppError('not_found', `There is no secret ${path}.`)
      ctx.record({ action: 'secret.removed', target: { kind: 'secret', id: path } })
      ctx.live('keys')
      return { done: true }
    },
  }
}
