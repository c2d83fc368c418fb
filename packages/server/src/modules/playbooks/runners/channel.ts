import type { RunnerTrust } from '@redoubt/contract'
import { formatEnrolmentToken, formatSpiffeId } from '@redoubt/trust'
import { AppError } from '../../../platform/app-error.ts'
import { describe } from '../../../platform/http.ts'
import { KeeperRefusal } from '../../../platform/keeper-protocol.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { runnerSpiffeId } from './rules.ts'

type Ids = { readonly organizationId: string; readonly runnerId: string }
const attempts = 3
/** A revoked runner is given no certificate any more; the last one lives a day, and clocks differ. */
const lastCertificateMs = 25 * 3_600_000

/** What a runner is told of whom to trust, and the certificates it is given; all of it made by the keeper. */
export type RunnerChannel = {
  /** The one-time token as people carry it to the runner: with the pins of the authorities of the moment. */
  pinned(token: string): string
  /** @throws AppError bad_request for a request that does not prove its key, unavailable */
  certify(ids: Ids, requestPem: string): Promise<RunnerTrust & { certificatePem: string }>
  /** As the keeper last told: while it is away, who was trusted before still is. @throws AppError unavailable */
  trust(): Promise<RunnerTrust>
  /** Puts a revoked runner on the deny-list of every service. @returns false when the keeper could not be told */
  deny(ids: Ids, reason: string): Promise<boolean>
}

export function runnerChannel({ keeper, certificate, clock, log, config }: Kernel): RunnerChannel {
  let known: RunnerTrust | undefined
  const { trustDomain } = config

  async function trust(): Promise<RunnerTrust> {
    try {
      const { rootsPem, denied } = await keeper.call('identity.trust', {})
      // A runner meets services alone; which runners other tenants have, and lost, is not its business.
      known = { rootsPem, denied: denied.filter((subject) => !subject.startsWith(`spiffe://${trustDomain}/runner/`)) }
    } catch (error) {
      if (known === undefined) throw error
      log.warn({ err: describe(error) }, 'the keeper is away: runners are told what it said last')
    }
    return known
  }

  return {
    trust,
    pinned: (token) => formatEnrolmentToken(token, certificate.rules().roots),

    async certify(ids, requestPem) {
      try {
        const { certificatePem } = await keeper.call('runner.certify', { ...ids, requestPem })
        return { certificatePem, ...(await trust()) }
      } catch (cause) {
        if (!(cause instanceof KeeperRefusal) || cause.code !== 'invalid') throw cause
        const field = { path: 'certificateRequest', message: 'must be a PKCS#10 request of a P-256 key' }
        throw new AppError('bad_request', 'The input is not valid; `errors` says where.', { cause, fields: [field] })
      }
    },

    async deny({ organizationId, runnerId }, reason) {
      const subject = formatSpiffeId(runnerSpiffeId(trustDomain, organizationId, runnerId))
      for (let attempt = 1; ; attempt++) {
        try {
          const until = new Date(clock.now().getTime() + lastCertificateMs).toISOString()
          await keeper.call('services.deny', { subject, reason, until })
          return true
        } catch (error) {
          // Somebody else changed the list at this moment.
          const again = error instanceof KeeperRefusal && error.code === 'store_conflict' && attempt < attempts
          if (again) continue
          log.error({ subject, err: describe(error) }, 'a revoked runner could not be put on the deny-list')
          return false
        }
      }
    },
  }
}
