import { HASH_LENGTH } from './merkle-proof.ts'
import { TrustError } from './trust-error.ts'

/** Leaf hashes in order in one piece of memory: 32 bytes each, where separate arrays would take four times as much. */
export class LeafQueue {
  #bytes = new Uint8Array(1024 * HASH_LENGTH)
  #length = 0

  push(leaf: Uint8Array): void {
    const end = this.#length * HASH_LENGTH
    if (end === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes.set(leaf, end)
    this.#length += 1
  }

  at(index: number): Uint8Array {
    if (index < 0 || index >= this.#length) throw new TrustError('tree_invalid', `no leaf hash is queued at ${index}`)
    return this.#bytes.slice(index * HASH_LENGTH, (index + 1) * HASH_LENGTH)
  }

  /** Removes the first `count`. */
  drop(count: number): void {
    this.#bytes.copyWithin(0, count * HASH_LENGTH, this.#length * HASH_LENGTH)
    this.#length -= count
  }
}
