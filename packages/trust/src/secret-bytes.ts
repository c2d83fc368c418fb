import { Secret } from './secret.ts'
import { TrustError } from './trust-error.ts'

/**
 * Key bytes that can be taken out of memory again (KEY-1): {@link drop} overwrites them, and `using` drops at the end of
 * a block. Shown everywhere as `[secret]`.
 */
export class SecretBytes extends Secret<Buffer> {
  #dropped = false

  /** Takes the bytes over: they are copied, and the caller's are overwritten. */
  constructor(bytes: Uint8Array) {
    // Memory of its own, outside of the JavaScript heap: a pooled buffer shares its memory with strangers, and what lies
    // in the heap is moved by the collector, which leaves copies behind.
    const own = Buffer.from(new ArrayBuffer(bytes.length))
    own.set(bytes)
    bytes.fill(0)
    super(own)
  }

  /** The bytes themselves, not a copy: they are zeros once this is dropped. Throws `key_dropped` after that. */
  override reveal(): Buffer {
    if (this.#dropped) throw new TrustError('key_dropped', 'the key was dropped from memory; ask for it again')
    return super.reveal()
  }

  /** Overwrites the bytes; a second time does nothing. */
  drop(): void {
    super.reveal().fill(0)
    this.#dropped = true
  }

  [Symbol.dispose](): void {
    this.drop()
  }
}
