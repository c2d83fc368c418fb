import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { TrustError } from './trust-error.ts'

/*
 * AES-256-GCM (NIST SP 800-38D) with a random nonce, as every sealed form of this package has it:
 *
 *   header ‖ nonce of 12 bytes ‖ ciphertext ‖ tag of 16 bytes
 *
 * The header is the form's own; what it says must come back in the associated data, or be checked before.
 */

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
// Not left to the slicing below alone: without it Node takes a tag of four bytes, which can be guessed.
const options = { authTagLength: TAG_BYTES }

/** One key seals at most 2^32 values with random nonces (§8.3). Throws `key_invalid`. */
export function sealAesGcm(
  key: Uint8Array,
  header: Uint8Array,
  associatedData: Uint8Array,
  plaintext: string | Uint8Array,
): Buffer {
  requireKey(key)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, options)
  cipher.setAAD(associatedData)
  const ciphertext = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
  // In this mode the end adds nothing but the tag.
  cipher.final()
  return Buffer.concat([header, nonce, ciphertext, cipher.getAuthTag()])
}

/** Throws `sealed_data` when anything differs from what was sealed, and `key_invalid`. */
export function openAesGcm(
  key: Uint8Array,
  sealed: Uint8Array,
  headerBytes: number,
  associatedData: Uint8Array,
): Buffer {
  requireKey(key)
  const start = headerBytes + NONCE_BYTES
  if (sealed.length < start + TAG_BYTES) throw new TrustError('sealed_data', 'the sealed data is cut short')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(headerBytes, start), options)
  decipher.setAAD(associatedData)
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plaintext = decipher.update(sealed.subarray(start, -TAG_BYTES))
  try {
    // Only this verifies the tag: until then the plaintext is the sender's choice.
    decipher.final()
  } catch (cause) {
    plaintext.fill(0)
    throw new TrustError('sealed_data', 'the sealed data was altered, or belongs to another key or place', { cause })
  }
  return plaintext
}

function requireKey(key: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new TrustError('key_invalid', 'a sealing key has 32 bytes')
}
