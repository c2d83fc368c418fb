import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes } from './bytes.ts'
import { TrustError } from './trust-error.ts'

/*
 * AES-256 key wrap (RFC 3394, NIST SP 800-38F "KW"): wraps one key under another. It needs no nonce, so a wrapping key can
 * wrap any number of keys, and what comes back is proven by the 64-bit initial value of §2.2.3.1.
 */

const KEK_BYTES = 32
const BLOCK_BYTES = 8
const INITIAL_VALUE = new Uint8Array(BLOCK_BYTES).fill(0xa6)

/**
 * Wraps a key of 16 bytes or more, in steps of 8.
 * @returns 8 bytes more than the key. @throws TrustError `key_invalid`
 */
export function wrapKey(kek: Uint8Array, key: Uint8Array): Uint8Array {
  requireKek(kek)
  // RFC 3394 is not defined for a single block, and OpenSSL's answer to one is not interoperable.
  if (key.length < 2 * BLOCK_BYTES || key.length % BLOCK_BYTES !== 0)
    throw new TrustError('key_invalid', 'a key to be wrapped has at least 16 bytes, in steps of 8')
  const cipher = createCipheriv('id-aes256-wrap', kek, INITIAL_VALUE)
  return concatBytes(cipher.update(key), cipher.final())
}

/**
 * Unwraps what {@link wrapKey} made under the same key-encryption key. The caller zeroes the result after use.
 * @throws TrustError `wrapped_key` when it was altered or wrapped by another key, or `key_invalid`
 */
export function unwrapKey(kek: Uint8Array, wrapped: Uint8Array): Uint8Array {
  requireKek(kek)
  if (wrapped.length < 3 * BLOCK_BYTES || wrapped.length % BLOCK_BYTES !== 0)
    throw new TrustError('wrapped_key', 'a wrapped key has at least 24 bytes, in steps of 8')
  const decipher = createDecipheriv('id-aes256-wrap', kek, INITIAL_VALUE)
  let key: Buffer
  try {
    key = decipher.update(wrapped)
    decipher.final()
  } catch (cause) {
    throw new TrustError('wrapped_key', 'the wrapped key was altered, or another key wrapped it', { cause })
  }
  const own = Uint8Array.from(key)
  key.fill(0)
  return own
}

function requireKek(kek: Uint8Array): void {
  if (kek.length !== KEK_BYTES) throw new TrustError('key_invalid', 'a key-encryption key has 32 bytes')
}
