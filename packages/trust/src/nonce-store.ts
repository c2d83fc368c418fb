/** What a store says of a nonce: not seen before and now taken, seen before, or that it can remember no more. */
export type NonceAnswer = 'fresh' | 'seen' | 'full'

/**
 * Where a verifier remembers the nonces of a key until messages that carry them are too old to be accepted. Replicas of
 * one service share a store, or a message could be replayed to each of them once. `take` is atomic: of two calls with
 * the same nonce at most one is answered `fresh`. A store that cannot be reached throws; verifiers then refuse.
 */
export type NonceStore = {
  take(keyid: string, nonce: string, expiresAt: Date, now: Date): Promise<NonceAnswer>
}

/**
 * A store for one process, of at most `capacity` live nonces (about 150 bytes each). It forgets no nonce before its
 * time, so a flood makes it answer `full` and never lets a replay pass. It begins empty: a process that starts again
 * within the window needs the shared one.
 */
export class MemoryNonces implements NonceStore {
  readonly #capacity: number
  readonly #taken = new Set<string>()
  /** The entries by the second after which they have expired, so that dropping does not walk through the live ones. */
  readonly #bySecond = new Map<number, string[]>()
  #droppedUpTo = Number.NEGATIVE_INFINITY

  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError('capacity is a whole number above zero')
    this.#capacity = capacity
  }

  /** How many nonces are remembered. */
  get size(): number {
    return this.#taken.size
  }

  async take(keyid: string, nonce: string, expiresAt: Date, now: Date): Promise<NonceAnswer> {
    this.#dropExpired(Math.floor(now.getTime() / 1000))
    const expiresIn = Math.ceil(expiresAt.getTime() / 1000)
    const entry = `${keyid} ${nonce}`
    // A nonce that may have been dropped already counts as seen, or a clock that is set back would open the past again.
    // Written so that a time that is no number is never fresh.
    if (this.#taken.has(entry) || !(expiresIn > this.#droppedUpTo)) return 'seen'
    if (this.#taken.size >= this.#capacity) return 'full'
    this.#taken.add(entry)
    const second = this.#bySecond.get(expiresIn)
    if (second === undefined) this.#bySecond.set(expiresIn, [entry])
    else second.push(entry)
    return 'fresh'
  }

  #dropExpired(now: number): void {
    // Strictly before: at its last second an entry is still alive.
    const upTo = now - 1
    if (!(upTo > this.#droppedUpTo)) return
    this.#droppedUpTo = upTo
    for (const [second, entries] of this.#bySecond) {
      if (second > upTo) continue
      for (const entry of entries) this.#taken.delete(entry)
      this.#bySecond.delete(second)
    }
  }
}
