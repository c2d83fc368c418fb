import type { Timers } from '@redoubt/trust'

/*
 * What Vault lends for a time, such as a token.
 *
 *   held ── two thirds of its time ──▶ renewed ──▶ held
 *   held ── renewal refused, or granted for less than half as long ──▶ replaced ──▶ held
 *   held ── no answer ──▶ asked again after a twelfth of its time, at most a minute
 */

// A timer of Node counts to 24 days and fires at once beyond.
const LATEST_RENEWAL_MS = 24 * 3_600_000
const LEAST_RETRY_MS = 1_000
const MOST_RETRY_MS = 60_000

export type Lending = {
  /** @returns for how many milliseconds, or null when Vault refuses. @throws when it does not answer */
  renew(): Promise<number | null>
  /** Takes a new one in its place. @returns for how many milliseconds, 0 for ever. @throws when there is none */
  replace(): Promise<number>
}

export class VaultLease {
  readonly #timers: Timers
  readonly #lending: Lending
  #fullMs = 0
  #cancel: () => void = () => undefined
  #stopped = false

  constructor(timers: Timers, lending: Lending) {
    this.#timers = timers
    this.#lending = lending
  }

  /** Holds something new. @param ms how long it was lent for; 0 is for ever, and then nothing is done */
  hold(ms: number): void {
    this.#cancel()
    this.#fullMs = ms
    this.#renewAfter(ms)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #renewAfter(ms: number): void {
    if (ms > 0) this.#in(Math.min((ms * 2) / 3, LATEST_RENEWAL_MS), () => this.#renew())
  }

  async #renew(): Promise<void> {
    const grantedMs = await this.#lending.renew()
    // Near its longest life a lease is renewed for ever shorter times.
    if (grantedMs !== null && grantedMs >= this.#fullMs / 2) this.#renewAfter(grantedMs)
    else this.hold(await this.#lending.replace())
  }

  #in(ms: number, work: () => Promise<void>): void {
    this.#cancel()
    if (this.#stopped) return
    const retryMs = Math.min(Math.max(this.#fullMs / 12, LEAST_RETRY_MS), MOST_RETRY_MS)
    this.#cancel = this.#timers.after(ms, () => {
      work().catch(() => this.#in(retryMs, () => this.#renew()))
    })
  }
}
