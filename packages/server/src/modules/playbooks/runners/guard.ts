import type { Machine, OrganizationId, RunnerId } from '@redoubt/contract'
import { formatSpiffeId, importJwks, readKeyId, type SpiffeId, TrustError, verifyRunnerToken } from '@redoubt/trust'
import { AppError } from '../../../platform/app-error.ts'
import type { Database } from '../../../platform/database.ts'
import type { Guards } from '../../../platform/dispatch.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { inSystem, inTenant } from '../../../platform/tenant-tx.ts'
import { runnerSpiffeId } from './rules.ts'
import { findRunnerByKey, touchRunner } from './store.ts'

const touchEveryMs = 30_000

/**
 * Proves which runner calls: a token of at most a minute, signed with the key it enrolled, over the very bytes of the body.
 * Repeated within its minute it carries the same report, which changes nothing. Every failure reads the same. Beside the
 * token stands the certificate of the connection: neither of the two goes with somebody else's other one.
 */
export function runnerGuard(kernel: Kernel, database: Database): Guards['runner'] {
  return async ({ credentials, certificate }, as) => {
    if (credentials.kind !== 'runner') throw new AppError('unauthenticated', 'This is for runners: sign the request.')
    const now = kernel.clock.now()
    try {
      const keyId = readKeyId(credentials.token)
      const runner = await inSystem(database, 'runner', (tx) => findRunnerByKey(tx, keyId))
      if (!runner) throw unauthenticated()
      const { id: runnerId, organizationId, name } = runner
      const keys = importJwks({ keys: [runner.publicKey] })
      verifyRunnerToken(credentials.token, { runnerId, organizationId, body: credentials.body, now, keys })
      requireCertificate(kernel, certificate ?? null, { organizationId, runnerId }, as)
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

/**
 * The certificate must be the runner's own. One that is missing or has ended is borne where a new one is asked for; one of
 * somebody else never. What is refused here has proved its token, so it may be told why.
 */
function requireCertificate(
  { certificate: own, config }: Kernel,
  shown: SpiffeId | null,
  { organizationId, runnerId }: { organizationId: string; runnerId: string },
  as: Machine,
): void {
  const expected = formatSpiffeId(runnerSpiffeId(config.trustDomain, organizationId, runnerId))
  // Taken out of trust by hand, without having been revoked: it gets no new certificate either.
  if (own.rules().denied('', expected)) throw unauthenticated()
  if (shown === null) {
    if (as === 'uncertified-runner') return
    throw new AppError('forbidden', 'The connection shows no certificate of this runner that holds: renew it.')
  }
  if (formatSpiffeId(shown) !== expected)
    throw new AppError('forbidden', 'The certificate of the connection is not the one of this runner.')
}

const unauthenticated = (cause?: unknown) =>
  new AppError(
    'unauthenticated',
    'This is no runner of ours, or not any more: it was revoked, or has to be enrolled.',
    {
      cause,
    },
  )
