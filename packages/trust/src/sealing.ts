import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { concatBytes, utf8 } from './bytes.ts'
import { TrustError } from './trust-error.ts'

/*
 * Small secrets at rest under AES-256-GCM (NIST SP 800-38D): version 1 ‖ nonce of 12 bytes ‖ ciphertext ‖ tag of 16.
 * The associated data names the one place the value belongs to, such as `organization|table|column|row`: moved to
 * another row, or to another tenant, it does not open.
 */

const VERSION = 1
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Seals `plaintext` with a fresh random nonce; one key seals at most 2^32 values (SP 800-38D §8.3). Throws `key_invalid`. */
export function seal(key: Uint8Array, plaintext: Uint8Array, associatedData: string): Uint8Array {
  requireKey(key)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(utf8(associatedData))
  return concatBytes(Uint8Array.of(VERSION), nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/** Opens what {@link seal} made with the same key and associated data. Throws `sealed_data` or `key_invalid`. */
export function openSealed(key: Uint8Array, sealed: Uint8Array, associatedData: string | Uint8Array): Uint8Array {
  requireKey(key)
  if (sealed.length < 1 + NONCE_BYTES + TAG_BYTES || sealed[0] !== VERSION)
    throw new TrustError('sealed_data', 'this is not sealed data of version 1')
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  // Without the fixed length Node takes a tag of four bytes, which can be guessed.
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(typeof associatedData === 'string' ? utf8(associatedData) : associatedData)
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  try {
    return concatBytes(decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final())
  } catch (cause) {
    throw new TrustError('sealed_data', 'the sealed data was altered, or belongs to another key or place', { cause })
  }
}

function requireKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new TrustError('key_invalid', 'a sealing key has 32 bytes')
}
