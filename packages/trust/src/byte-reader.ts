/** Reads a stream of any slicing in pieces of a chosen size, holding no more than one piece and one slice. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array[] = []
  #length = 0
  #ended = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** How many bytes can be taken now; all that are left when {@link fill} gave fewer than it was asked for. */
  get length(): number {
    return this.#length
  }

  /** Waits until `count` bytes are held or the source has ended. Throws what the source throws. */
  async fill(count: number): Promise<void> {
    while (this.#length < count && !this.#ended) {
      const next = await this.#source.next()
      if (next.done) this.#ended = true
      else if (next.value.length > 0) {
        this.#held.push(next.value)
        this.#length += next.value.length
      }
    }
  }

  /** The next `count` bytes, or all that are held when there are fewer. */
  take(count: number): Buffer {
    const whole = this.#held.length === 1 ? (this.#held[0] as Uint8Array) : Buffer.concat(this.#held)
    const taken = whole.subarray(0, count)
    const rest = whole.subarray(taken.length)
    this.#held = rest.length > 0 ? [rest] : []
    this.#length = rest.length
    return Buffer.from(taken.buffer, taken.byteOffset, taken.length)
  }

  /** Lets the source free what it holds, when reading ends early. */
  async close(): Promise<void> {
    this.#ended = true
    await this.#source.return?.()
  }
}
