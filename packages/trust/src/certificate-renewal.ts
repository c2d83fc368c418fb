import type { CertificateHolder, HeldSvid, Svid } from './certificate-holder.ts'
import { TrustError } from './trust-error.ts'

const JITTER = 0.1
const RETRY_FIRST_MS = 30_000
/** Also how often the clock is read at least: a machine that slept or whose clock was set notices within it. */
const RETRY_MOST_MS = 15 * 60_000
const RENEW_TIMEOUT_MS = 60_000

/**
 * When a certificate is to be renewed: at half its life, give or take a tenth of that, so that services started together do
 * not ask together, and half a life is left for an authority that is away.
 * @param random from 0 to 1
 */
export function svidRenewalAt(notBefore: Date, notAfter: Date, random: number): Date {
  const half = (notAfter.getTime() - notBefore.getTime()) / 2
  return new Date(notBefore.getTime() + half * (1 - JITTER + 2 * JITTER * random))
}

/** `late`: due and refused or unanswered so far; still valid. `expired`: there is none, or it has ended. */
export type CertificateState = 'fresh' | 'late' | 'expired'

/** `after` calls `run` once, `ms` milliseconds from now, and returns how to cancel that. */
export type Timers = { after(ms: number, run: () => void): () => void }

/** The system's timers; they keep no process alive. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
}

export type RenewalOptions = {
  readonly holder: CertificateHolder
  readonly clock: { now(): Date }
  readonly timers: Timers
  /** Makes a key and a request and has it certified. The signal fires after a minute; a later answer is not used. */
  readonly renew: (signal: AbortSignal) => Promise<Svid>
  /** From 0 to 1, drawn for each renewal. */
  readonly random: () => number
  readonly onState: (state: CertificateState) => void
  /** For the log: what the attempt failed with. */
  readonly onFailure: (error: unknown) => void
}

export type Renewal = {
  /** Renews now, as after a rotation of the authority; rejects with what it fails with, and goes on trying. */
  renewNow(): Promise<HeldSvid>
  stop(): void
}

/**
 * Keeps the holder's certificate renewed until stopped. A failed renewal is repeated after 30 seconds, then after twice as
 * long each time up to 15 minutes, for ever: also after the certificate has ended, when nothing else can be done.
 */
export function keepRenewed({ holder, clock, timers, renew, random, onState, onFailure }: RenewalOptions): Renewal {
  let stopped = false
  let failures = 0
  let cancel = () => {}
  let dueAt = holder.held ? svidRenewalAt(holder.held.notBefore, holder.held.notAfter, random()) : clock.now()
  let reported: CertificateState | undefined
  let running: Promise<HeldSvid> | undefined

  function renewalOf({ notBefore, notAfter }: HeldSvid): Date {
    const planned = svidRenewalAt(notBefore, notAfter, random())
    // Under an authority about to end, half of what is left comes ever sooner.
    return new Date(Math.max(planned.getTime(), clock.now().getTime() + RETRY_FIRST_MS))
  }

  function report(): void {
    const { held } = holder
    const ended = held === null || clock.now() >= held.notAfter
    const state = ended ? 'expired' : failures > 0 ? 'late' : 'fresh'
    if (state === reported || stopped) return
    reported = state
    onState(state)
  }

  async function attempt(): Promise<HeldSvid> {
    try {
      const held = holder.replace(await inTime(renew, timers))
      failures = 0
      dueAt = renewalOf(held)
      return held
    } catch (error) {
      failures += 1
      const backoff = Math.min(RETRY_FIRST_MS * 2 ** (failures - 1), RETRY_MOST_MS)
      dueAt = new Date(clock.now().getTime() + backoff * (1 - random() / 2))
      throw error
    }
  }

  /** One at a time: two requests would race, and the older certificate could be the one that stays. */
  function renewNow(): Promise<HeldSvid> {
    running ??= attempt().finally(() => {
      running = undefined
      schedule()
    })
    return running
  }

  function schedule(): void {
    cancel()
    report()
    if (stopped) return
    const now = clock.now().getTime()
    const moments = [dueAt, holder.held?.notAfter].map((at) => (at?.getTime() ?? 0) - now).filter((ms) => ms > 0)
    cancel = timers.after(now >= dueAt.getTime() ? 0 : Math.min(...moments, RETRY_MOST_MS), wake)
  }

  function wake(): void {
    if (clock.now() < dueAt) schedule()
    else renewNow().catch(onFailure)
  }

  schedule()
  return {
    renewNow,
    stop() {
      stopped = true
      cancel()
    },
  }
}

/** Without an end, one request that is never answered would be the last. */
async function inTime(renew: RenewalOptions['renew'], timers: Timers): Promise<Svid> {
  const abort = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const cancel = timers.after(RENEW_TIMEOUT_MS, () => {
    const error = new TrustError('certificate_missing', `the authority did not answer in ${RENEW_TIMEOUT_MS} ms`)
    reject(error)
    abort.abort(error)
  })
  try {
    return await Promise.race([renew(abort.signal), promise])
  } finally {
    cancel()
  }
}
