import {
  acceptedVersions,
  activeVersion,
  importSigningKey,
  importVerifyingKey,
  type Jwks,
  type KeySet,
  type KeyVersion,
  type SigningKey,
  systemTimers,
  type Timers,
  type VerifyingKey,
} from '@redoubt/trust'
import { AppError, StartError } from './app-error.ts'
import type { Clock } from './clock.ts'
import type { KeeperClient, SigningUse, SigningVersion } from './keeper-protocol.ts'
import {
  askAgainMs,
  heardForMs,
  isOverAge,
  knownTime,
  lateMs,
  refreshEveryMs,
  retryEveryMs,
  type SigningKeyState,
  signingKeyState,
} from './signing-key-state.ts'

type Held = KeyVersion & {
  readonly verifying: VerifyingKey
  readonly signing: SigningKey | null
  /** By which the version before named this one; of a checkpoint key alone. */
  readonly succession: string | null
}

/** How a signing key stands in this service, for readiness, metrics and alerts. */
export type SigningKeyHealth = {
  readonly use: SigningUse
  readonly state: SigningKeyState
  /** Also while the state says DEGRADED. */
  readonly isAway: boolean
  readonly isOverAge: boolean
  /** The version that signs now. */
  readonly version: number
  readonly kid: string
  readonly createdAt: Date
  readonly ageMs: number
}

export type SigningKeysOptions = {
  readonly clock: Clock
  /** KEY_MAX_AGE: the age from which a key that was not rotated is DEGRADED. */
  readonly maxAgeMs: number
  readonly timers?: Timers
}

/**
 * One signing key with all its versions, in this service's memory: no request asks the keeper (KEY-5). Its states are
 * those of signing-key-state.ts.
 */
export class SigningKeys implements KeySet {
  readonly use: SigningUse
  readonly #keeper: KeeperClient
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #maxAgeMs: number
  readonly #listeners = new Set<(health: SigningKeyHealth) => void>()
  readonly #off: () => void
  #line: readonly Held[] = []
  /** Accepted beyond their end because of an outage. */
  #late: readonly { readonly verifying: VerifyingKey; readonly until: Date }[] = []
  #heardAt = new Date(0)
  #askedAt = new Date(0)
  #isAway = false
  #closed = false
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | null = null
  #cancel = () => {}

  private constructor(keeper: KeeperClient, use: SigningUse, options: SigningKeysOptions) {
    const { clock, maxAgeMs, timers = systemTimers } = options
    this.use = use
    this.#keeper = keeper
    this.#clock = clock
    this.#timers = timers
    this.#maxAgeMs = maxAgeMs
    this.#off = keeper.onChange((changed) => {
      if (changed === `signing:${use}` || changed === 'everything') this.refresh().catch(() => undefined)
      // Said again and again while it lasts.
      else if (changed === 'unreachable') this.#askUnlessAsked(retryEveryMs)
    })
  }

  /** INIT. @throws StartError when the keeper does not give the key: a service does not start without it */
  static async fetch(keeper: KeeperClient, use: SigningUse, options: SigningKeysOptions): Promise<SigningKeys> {
    const keys = new SigningKeys(keeper, use, options)
    try {
      await keys.refresh()
    } catch (cause) {
      keys.close()
      const why = cause instanceof Error ? cause.message : 'it gave no reason'
      throw new StartError(
        `${keeper.service} cannot start without its ${use} key, which the keeper did not give: ${why}`,
        {
          cause,
        },
      )
    }
    return keys
  }

  /**
   * Asks the keeper now. What fails is asked again by itself.
   * @throws KeeperRefusal, AppError `unavailable`
   */
  refresh(): Promise<void> {
    // A question under way may have been answered before the change that this one is about; one that waits was not.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = null
        this.#running = this.#ask()
        return this.#running
      })
    return this.#next
  }

  /** For a key id that is not known: asks the keeper unless it was asked a moment ago. Never throws. */
  async lookAgain(): Promise<void> {
    await this.#askUnlessAsked(askAgainMs)
  }

  /** The key that signs now. @throws AppError `unavailable` in a service that may not sign with it */
  active(): SigningKey {
    const signing = this.#signs()?.signing
    if (!signing) throw new AppError('unavailable', 'This service has no key to sign with now.', { retryAfter: 5 })
    return signing
  }

  /** The public half of the key that signs now, for any service. @throws AppError `unavailable` before there is one */
  current(): VerifyingKey {
    const signs = this.#signs()
    if (!signs) throw new AppError('unavailable', 'There is no key yet; try again in a few seconds.', { retryAfter: 5 })
    return signs.verifying
  }

  find(kid: string): VerifyingKey | undefined {
    this.#askWhenStale()
    return this.#accepted().find((verifying) => verifying.kid === kid)
  }

  /** Every key whose signatures count now or are about to, newest first (RFC 7517 §5). */
  jwks(): Jwks {
    this.#askWhenStale()
    return { keys: this.#accepted().map(({ jwk }) => jwk) }
  }

  /** All versions, oldest first, each with the statement by which the one before named it. */
  history(): readonly { readonly verifying: VerifyingKey; readonly succession: string | null }[] {
    return this.#line.toSorted((a, b) => a.version - b.version)
  }

  state(): SigningKeyState {
    return signingKeyState(this.#facts())
  }

  /** @throws AppError `unavailable` before there is a key */
  health(): SigningKeyHealth {
    const signs = this.#signs()
    if (!signs) throw new AppError('unavailable', 'There is no key yet; try again in a few seconds.')
    const facts = this.#facts()
    const { version, createdAt, verifying } = signs
    return {
      use: this.use,
      state: signingKeyState(facts),
      isAway: facts.isAway,
      isOverAge: isOverAge(facts),
      ...{ version, createdAt, kid: verifying.kid },
      ageMs: facts.now.getTime() - createdAt.getTime(),
    }
  }

  /** Calls back with the key's health whenever it was looked at: after each question to the keeper. */
  onHealth(listener: (health: SigningKeyHealth) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#closed = true
    this.#off()
    this.#cancel()
    this.#listeners.clear()
  }

  async #ask(): Promise<void> {
    this.#cancel()
    const at = this.#clock.now()
    this.#askedAt = at
    try {
      this.#take((await this.#keeper.call('signing.line', { use: this.use })).map(heldOf), at)
      this.#isAway = false
    } catch (error) {
      this.#isAway = true
      throw error
    } finally {
      if (!this.#closed) {
        this.#cancel = this.#timers.after(this.#untilNextMs(), () => this.refresh().catch(() => undefined))
        if (this.#line.length > 0) for (const tell of this.#listeners) tell(this.health())
      }
    }
  }

  #take(line: readonly Held[], at: Date): void {
    const isGap = this.#line.length > 0 && at.getTime() - this.#heardAt.getTime() > heardForMs
    // Time catches up at once here, and later in other services: what they still sign with must not be refused meanwhile.
    if (isGap) {
      const until = new Date(at.getTime() + lateMs)
      const inForce = acceptedVersions(this.#line, knownTime(this.#heardAt, at))
      const still = this.#late.filter((late) => at < late.until)
      this.#late = [...still, ...inForce.map(({ verifying }) => ({ verifying, until }))]
    }
    this.#line = line
    this.#heardAt = at
  }

  /** Until the next question, also at the moment at which a version begins or ends. */
  #untilNextMs(): number {
    if (this.#isAway) return retryEveryMs
    const now = this.#clock.now().getTime()
    const turns = this.#line.flatMap(({ activeAt, endsAt }) => [activeAt, ...(endsAt === null ? [] : [endsAt])])
    const ahead = turns.map((turn) => turn.getTime() - now).filter((ms) => ms > 0)
    return Math.min(refreshEveryMs, ...ahead)
  }

  /** A machine that slept finds here that its timers did too. */
  #askWhenStale(): void {
    if (this.#clock.now().getTime() - this.#heardAt.getTime() > heardForMs) void this.#askUnlessAsked(retryEveryMs)
  }

  /** Whatever requests bring, there is at most one question in `ms`; one under way is waited for. */
  #askUnlessAsked(ms: number): Promise<void> {
    const sinceMs = Math.abs(this.#clock.now().getTime() - this.#askedAt.getTime())
    return (sinceMs < ms ? this.#running : this.refresh()).catch(() => undefined)
  }

  #signs(): Held | null {
    this.#askWhenStale()
    return activeVersion(this.#line, this.#known())
  }

  /** The moment at which the line is judged. */
  #known(): Date {
    // A checkpoint key has no lead and its predecessor's private half is gone: the newest signs, whatever the clock says.
    if (this.use === 'checkpoint') return new Date(8.64e15)
    return knownTime(this.#heardAt, this.#clock.now())
  }

  #accepted(): readonly VerifyingKey[] {
    const known = this.#known()
    const now = this.#clock.now()
    const line = acceptedVersions(this.#line, known).toSorted((a, b) => b.version - a.version)
    const late = this.#late.filter(
      ({ verifying, until }) => now < until && !line.some((version) => version.verifying.kid === verifying.kid),
    )
    return [...line, ...late].map(({ verifying }) => verifying)
  }

  #facts() {
    const now = this.#clock.now()
    return { line: this.#line, known: this.#known(), now, isAway: this.#isAway, maxAgeMs: this.#maxAgeMs }
  }
}

const heldOf = ({ publicJwk, privateJwk, ...version }: SigningVersion): Held => ({
  ...version,
  verifying: importVerifyingKey(publicJwk),
  signing: privateJwk === null ? null : importSigningKey(privateJwk),
})
