import {
  CertificateHolder,
  type CertificateState,
  createCertificateRequest,
  keepRenewed,
  systemTimers,
  type Timers,
} from '@redoubt/trust'
import type { Clock } from './clock.ts'
import { describe } from './http.ts'
import type { KeeperClient, ServiceIdentity } from './keeper-protocol.ts'
import type { Stop } from './kernel.ts'
import type { Log } from './log.ts'

/** How often a service says that it is there, and asks for the deny-list. */
const reportEveryMs = 30_000

/** Who is not to be believed, as the keeper last said. */
export class DenyList {
  #subjects: ReadonlySet<string> = new Set()

  replace(subjects: readonly string[]): void {
    this.#subjects = new Set(subjects)
  }

  readonly has = (serial: string, spiffeId: string): boolean =>
    this.#subjects.has(serial) || this.#subjects.has(spiffeId)
}

/** A service's means to prove itself and to judge others; without a certificate until {@link keepIdentity} has one. */
export type Credentials = { readonly holder: CertificateHolder; readonly denyList: DenyList }

/** @param rootsPem whom to believe at first */
export function newCredentials(
  service: ServiceIdentity,
  trustDomain: string,
  rootsPem: readonly string[],
  clock: Clock,
): Credentials {
  const denyList = new DenyList()
  const spiffeId = { trustDomain, kind: 'service', name: service } as const
  return { holder: new CertificateHolder({ spiffeId, rootsPem, clock, denied: denyList.has }), denyList }
}

export type ServiceIdentityParts = {
  readonly keeper: KeeperClient
  readonly credentials: Credentials
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  readonly timers?: Timers
  readonly onState?: (state: CertificateState) => void
}

/**
 * Gets the service its certificate and keeps it renewed at half life, with the roots and the deny-list of the moment;
 * reports to the keeper that the service is there.
 * @throws KeeperRefusal, AppError when the first certificate cannot be had
 */
export async function keepIdentity(parts: ServiceIdentityParts): Promise<Stop> {
  const { keeper, clock, log, version, timers = systemTimers } = parts
  const { holder, denyList } = parts.credentials
  const refresh = async () => {
    const { rootsPem, denied } = await keeper.call('identity.trust', {})
    denyList.replace(denied)
    holder.replaceRoots(rootsPem)
  }
  await refresh()
  const certify = async () => {
    const { requestPem, privateKeyPem } = createCertificateRequest()
    const { certificatePem, rootsPem } = await keeper.call('identity.certify', { requestPem })
    return { certificatePem, privateKeyPem, rootsPem }
  }
  const renewal = keepRenewed({
    holder,
    clock,
    timers,
    renew: certify,
    random: Math.random,
    onState: (state) => parts.onState?.(state),
    onFailure: (error) => {
      // Without a first one nothing starts, and whoever starts it is told why.
      if (holder.held) log.warn({ service: keeper.service, err: describe(error) }, 'its certificate is not renewed yet')
    },
  })
  await renewal.renewNow().catch((error) => {
    renewal.stop()
    throw error
  })

  const startedAt = clock.now().toISOString()
  const report = () => keeper.call('identity.report', { version, startedAt })
  await report()
  const quietly = (work: () => Promise<unknown>) =>
    work().catch((error) => log.debug({ service: keeper.service, err: describe(error) }, 'the keeper is away'))
  const off = keeper.onChange((changed) => {
    if (changed === 'trust' || changed === 'everything') void quietly(refresh)
  })
  let stopped = false
  const again = (): (() => void) =>
    timers.after(reportEveryMs, () => {
      if (stopped) return
      void quietly(report)
      cancel = again()
    })
  let cancel = again()
  return async () => {
    stopped = true
    cancel()
    off()
    renewal.stop()
  }
}
