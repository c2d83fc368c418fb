import { randomUUID } from 'node:crypto'
import { type RunReport, runners } from '@redoubt/contract'
import {
  createCertificateRequest,
  importJwks,
  type KeySet,
  keepRenewed,
  type Renewal,
  type SigningKey,
  type Svid,
  signRunnerToken,
  systemTimers,
  type Timers,
} from '@redoubt/trust'
import type { Logger } from 'pino'
import type { Agent } from 'undici'
import type { ChannelCredentials } from './channel/credentials.ts'
import { CertificateRefused, ControlPlaneUnavailable, exchange, mutualAgent } from './channel/exchange.ts'
import type { Identity } from './home/home.ts'

const KEYS_MAX_AGE_MS = 5 * 60_000
/** An unknown key id makes the runner ask again, but a flood of forged tokens does not make it a flood of requests. */
const REFETCH_INTERVAL_MS = 10_000

export type ControlPlaneParts = {
  readonly base: string
  readonly identity: Identity
  readonly key: SigningKey
  readonly credentials: ChannelCredentials
  readonly clock: { now(): Date }
  readonly log: Logger
  readonly timers?: Timers
}

/**
 * The few requests an enrolled runner makes of its own accord: over mutual TLS, each signed for its very bytes. Keeps the
 * certificate of the channel renewed until closed.
 */
export class ControlPlane {
  readonly #parts: ControlPlaneParts
  readonly #renewal: Renewal
  readonly #unfollow: () => void
  #agent: Agent
  #keys: { readonly set: KeySet; readonly at: number } | undefined
  #askedAt = Number.NEGATIVE_INFINITY

  constructor(parts: ControlPlaneParts) {
    const { credentials, clock, log, timers = systemTimers } = parts
    const { holder } = credentials
    this.#parts = parts
    this.#agent = mutualAgent(holder)
    // Kept connections show the certificate they were opened with, or none: the next request opens one with the new. What
    // is under way on the old ones goes on to its end.
    this.#unfollow = holder.onChange(() => {
      const old = this.#agent
      this.#agent = mutualAgent(holder)
      old.close().catch(() => {})
    })
    this.#renewal = keepRenewed({
      ...{ holder, clock, timers, random: Math.random },
      renew: (signal) => this.#certify(signal),
      onState: (state) => {
        if (state === 'expired')
          log.error('the certificate of the channel has ended: no plan arrives, no report leaves')
      },
      onFailure: (error) => {
        const reason = error instanceof Error ? error.message : 'unknown'
        log.warn({ reason }, 'the certificate of the channel is not renewed yet')
      },
    })
  }

  async close(): Promise<void> {
    this.#renewal.stop()
    this.#unfollow()
    await this.#agent.destroy()
  }

  /** Delivers a report. Throws {@link ControlPlaneUnavailable} or ControlPlaneRefused. */
  async report(report: RunReport): Promise<void> {
    await this.#certified(() => this.#ask('POST', '/api/v1/runner/reports', report))
  }

  /**
   * The keys that sign plans, at most five minutes old, so that a withdrawn key stops counting; with them comes whom to
   * trust. For a key id that is not among them they are fetched once more. Throws {@link ControlPlaneUnavailable}.
   */
  async planKeys(kid: string): Promise<KeySet> {
    const at = this.#parts.clock.now().getTime()
    const fresh = this.#keys !== undefined && at - this.#keys.at < KEYS_MAX_AGE_MS && at >= this.#keys.at
    if (fresh && this.#keys !== undefined) {
      const known = this.#keys.set.find(kid) !== undefined
      if (known || at - this.#askedAt < REFETCH_INTERVAL_MS) return this.#keys.set
    }
    this.#askedAt = at
    const answer = await this.#certified(() => this.#ask('GET', '/api/v1/runner/trust'))
    try {
      const { planKeys, ...trust } = runners.trust.output.parse(answer)
      this.#keys = { set: importJwks(planKeys), at }
      this.#parts.credentials.learn(trust)
    } catch (cause) {
      throw new ControlPlaneUnavailable('the control plane published no usable plan keys', { cause })
    }
    return this.#keys.set
  }

  /** A new key each time; it is made here and stays here. */
  async #certify(signal: AbortSignal): Promise<Svid> {
    const { requestPem, privateKeyPem } = createCertificateRequest()
    const body = { certificateRequest: requestPem }
    const answer = runners.renew.output.parse(await this.#ask('POST', '/api/v1/runner/certificate', body, signal))
    const { certificatePem, rootsPem, denied } = answer
    this.#parts.credentials.learn({ rootsPem, denied })
    return { certificatePem, privateKeyPem, rootsPem }
  }

  /** What needs a certificate waits for one, however its own was lost: it ended, or somebody took it out of trust. */
  async #certified<T>(ask: () => Promise<T>): Promise<T> {
    const { holder } = this.#parts.credentials
    const { held } = holder
    try {
      return await ask()
    } catch (error) {
      // Unless another request has seen to it meanwhile.
      if (error instanceof CertificateRefused && holder.held === held) this.#renewal.renewNow().catch(() => {})
      throw error
    }
  }

  #ask(method: 'GET' | 'POST', path: string, value?: object, signal?: AbortSignal): Promise<unknown> {
    const { base, identity, key, clock } = this.#parts
    const { runnerId, organizationId } = identity
    const body = new TextEncoder().encode(value === undefined ? '' : JSON.stringify(value))
    const token = signRunnerToken({ runnerId, organizationId, tokenId: randomUUID(), body, now: clock.now() }, key)
    const headers = { authorization: `Runner ${token}` }
    return exchange(this.#agent, base, {
      ...{ method, path },
      ...(value === undefined ? { headers } : { headers: { ...headers, 'content-type': 'application/json' }, body }),
      ...(signal ? { signal } : {}),
    })
  }
}
