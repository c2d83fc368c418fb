import type { OrganizationId, RunnerId } from '@redoubt/contract'
import { importJwks, readKeyId, TrustError, verifyRunnerToken } from '@redoubt/trust'
import { AppError } from '../../../platform/app-error.ts'
import type { Database } from '../../../platform/database.ts'
import type { Guards } from '../../../platform/dispatch.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { inSystem, inTenant } from '../../../platform/tenant-tx.ts'
import { findRunnerByKey, touchRunner } from './store.ts'

const touchEveryMs = 30_000

/**
 * Proves which runner calls: a token of at most a minute, signed with the key it enrolled, over the very bytes of the body.
 * Repeated within its minute it carries the same report, which changes nothing. Every failure reads the same.
 */
export function runnerGuard(kernel: Kernel, database: Database): Guards['runner'] {
  return async ({ credentials }) => {
    if (credentials.kind !== 'runner') throw new AppError('unauthenticated', 'This is for runners: sign the request.')
    const now = kernel.clock.now()
    try {
      const keyId = readKeyId(credentials.token)
      const runner = await inSystem(database, 'runner', (tx) => findRunnerByKey(tx, keyId))
      if (!runner) throw unauthenticated()
      const { id: runnerId, organizationId, name } = runner
      const keys = importJwks({ keys: [runner.publicKey] })
      verifyRunnerToken(credentials.token, { runnerId, organizationId, body: credentials.body, now, keys })
      const seen = runner.lastSeenAt?.getTime() ?? 0
      if (now.getTime() - seen >= touchEveryMs) {
        await inTenant(database, organizationId as OrganizationId, { service: 'runner' }, (tx) =>
          touchRunner(tx, runnerId, now),
        )
      }
      return { organizationId: organizationId as OrganizationId, runnerId: runnerId as RunnerId, name }
    } catch (error) {
      if (error instanceof TrustError) throw unauthenticated(error)
      throw error
    }
  }
}

const unauthenticated = (cause?: unknown) =>
  new AppError(
    'unauthenticated',
    'This is no runner of ours, or not any more: it was revoked, or has to be enrolled.',
    {
      cause,
    },
  )
