import { openAesGcm, sealAesGcm } from './aes-gcm.ts'
import { utf8 } from './bytes.ts'
import { TrustError } from './trust-error.ts'

/*
 * Small secrets at rest under one key that the caller holds: version 1 ‖ nonce of 12 bytes ‖ ciphertext ‖ tag of 16.
 * The associated data names the one place the value belongs to, such as `organization|table|column|row`: moved to
 * another row, or to another tenant, it does not open. Columns under the key hierarchy: `field-sealing.ts`.
 */

const VERSION = 1
const header = Uint8Array.of(VERSION)

/** Seals `plaintext` with a fresh random nonce; one key seals at most 2^32 values (SP 800-38D §8.3). Throws `key_invalid`. */
export function seal(key: Uint8Array, plaintext: Uint8Array, associatedData: string): Buffer {
  return sealAesGcm(key, header, utf8(associatedData), plaintext)
}

/** Opens what {@link seal} made with the same key and associated data. Throws `sealed_data` or `key_invalid`. */
export function openSealed(key: Uint8Array, sealed: Uint8Array, associatedData: string | Uint8Array): Buffer {
  if (sealed[0] !== VERSION) throw new TrustError('sealed_data', 'this is not sealed data of version 1')
  const place = typeof associatedData === 'string' ? utf8(associatedData) : associatedData
  return openAesGcm(key, sealed, header.length, place)
}
