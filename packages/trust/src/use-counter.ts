import { TrustError } from './trust-error.ts'

/*
 * How often a key may seal. With random nonces of 96 bits two of them meet with a chance of 2^-32 after 2^32 uses, which
 * is where NIST SP 800-38D §8.3 sets the end; one repeated nonce gives away the key of the tags.
 */

const ROTATE_AT_USES = 2 ** 31
const MOST_USES = 2 ** 32
const BLOCK_USES = 65_536

/** Whether a key with this many uses is due for rotation: at 2^31, so that the other half lasts until it is done. */
export const needsRotation = (uses: number): boolean => uses >= ROTATE_AT_USES

/**
 * Counts the uses of one key version. It reserves them in blocks, in a count that outlives the process and is shared by
 * all of them: a crash forgets what was reserved and not taken, so that the count is never less than the uses.
 */
export class UseCounter {
  readonly #reserve: (uses: number) => Promise<number>
  #left = 0
  #reserved = 0
  #reserving: Promise<void> | undefined

  /** @param reserve adds to the lasting count and answers what it is then; when it fails, so does the use */
  constructor(reserve: (uses: number) => Promise<number>) {
    this.#reserve = reserve
  }

  /** The lasting count as it was at the last reservation: what {@link needsRotation} wants. */
  get uses(): number {
    return this.#reserved
  }

  /**
   * Waits until `uses` are covered by the lasting count; seal only after that. Throws `key_exhausted` at 2^32 uses, and
   * what the reservation throws.
   */
  async take(uses = 1): Promise<void> {
    if (!Number.isSafeInteger(uses) || uses < 0) throw new RangeError('a number of uses is a whole number')
    while (this.#left < uses) {
      // Those who come meanwhile wait for the same reservation.
      this.#reserving ??= this.#reserveMore(uses - this.#left).finally(() => {
        this.#reserving = undefined
      })
      await this.#reserving
    }
    this.#left -= uses
  }

  async #reserveMore(missing: number): Promise<void> {
    const block = Math.ceil(missing / BLOCK_USES) * BLOCK_USES
    this.#reserved = await this.#reserve(block)
    // Not `>`: a count that is no number is no permission either.
    if (!(this.#reserved <= MOST_USES))
      throw new TrustError('key_exhausted', 'this key has sealed 2^32 values; seal with its next version')
    this.#left += block
  }
}
