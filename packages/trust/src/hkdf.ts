import { hkdfSync } from 'node:crypto'
import { TrustError } from './trust-error.ts'

const HASH_BYTES = 32
const MAX_BLOCKS = 255
const MAX_INFO_BYTES = 1024

export type HkdfUse = {
  /** Not secret; empty unless given (RFC 5869 §3.1). */
  readonly salt?: Uint8Array
  /** What the derived key is for: two uses never share one (§3.2). At most 1 024 bytes. */
  readonly info: Uint8Array
  /** Bytes, at most 8 160. */
  readonly length: number
}

/** HKDF-SHA-256 (RFC 5869): a key for one use out of a secret. Throws `key_invalid` for a length or info it does not have. */
export function hkdfSha256(secret: Uint8Array, { salt = new Uint8Array(), info, length }: HkdfUse): Uint8Array {
  if (!Number.isInteger(length) || length < 1 || length > MAX_BLOCKS * HASH_BYTES)
    throw new TrustError('key_invalid', `HKDF-SHA-256 derives 1 to ${MAX_BLOCKS * HASH_BYTES} bytes`)
  if (info.length > MAX_INFO_BYTES)
    throw new TrustError('key_invalid', `the info of a derived key has at most ${MAX_INFO_BYTES} bytes`)
  return new Uint8Array(hkdfSync('sha256', secret, salt, info, length))
}
