import { isIPv4, isIPv6 } from 'node:net'
import { utf8 } from './bytes.ts'
import { hkdfSha256 } from './hkdf.ts'
import { lengthPrefixed } from './length-prefixed.ts'
import { hmacSha256 } from './mac.ts'
import { SecretBytes } from './secret-bytes.ts'
import { TrustError } from './trust-error.ts'

/*
 * Equality search over sealed columns (KEY-2): beside the sealed value lies a MAC of its normal form. E-mail addresses,
 * phone numbers and IP addresses can all be guessed, so a plain hash would give them away; without the key, which is
 * another one for each organization and column, a row says nothing but which rows of this column are equal.
 */

const CONTEXT = 'redoubt.blind-index/v1'
const KEY_BYTES = 32
/**
 * Of the 32 bytes of HMAC-SHA-256. Two different values of a column meet by chance at about 2^64 rows; a longer one would
 * only make the index larger, since the strength against guessing is the key's. A match is not a proof: open the value.
 */
const INDEX_BYTES = 16

export type IndexedColumn = {
  readonly organizationId: string
  readonly table: string
  readonly column: string
}

/**
 * The key of one column's index, out of the organization's index secret of at least 32 bytes (HKDF-SHA-256). A new secret
 * means that every index of the organization is to be made anew. Throws `key_invalid`, `key_dropped`, or `encoding` for an
 * incomplete column.
 */
export function deriveIndexKey(
  indexSecret: SecretBytes,
  { organizationId, table, column }: IndexedColumn,
): SecretBytes {
  const secret = indexSecret.reveal()
  if (secret.length < KEY_BYTES) throw new TrustError('key_invalid', `an index secret has at least ${KEY_BYTES} bytes`)
  const info = lengthPrefixed([CONTEXT, organizationId, table, column])
  return new SecretBytes(hkdfSha256(secret, { info, length: KEY_BYTES }))
}

/**
 * 16 bytes that are equal for equal values. `normal` comes from {@link normalEmail}, {@link normalPhone} or
 * {@link normalIp}. Throws `index_value` when it is empty, and `key_dropped`.
 */
export function blindIndex(indexKey: SecretBytes, normal: string): Buffer {
  // All rows without a value would be found as one.
  if (normal === '' || !normal.isWellFormed()) throw new TrustError('index_value', 'an index needs a Unicode text')
  return hmacSha256(indexKey.reveal(), utf8(normal)).subarray(0, INDEX_BYTES)
}

/**
 * Lower case, as the contract's `Email` has it, and composed (Unicode NFC), as mail servers send it in either form.
 * Throws `index_value` for what has no two sides of an `@`.
 */
export function normalEmail(text: string): string {
  const normal = text.trim().normalize('NFC').toLowerCase().normalize('NFC')
  if (!/^[^\s@]+@[^\s@]+$/.test(normal)) throw new TrustError('index_value', 'not an e-mail address')
  return normal
}

/**
 * ITU-T E.164 with its plus sign, without the separators of writing. A number without a country code is refused: it means
 * another line in each country. Throws `index_value`.
 */
export function normalPhone(text: string): string {
  // "(0)" is left out when dialling from abroad, and would otherwise become part of the number.
  if (/\(\s*0\s*\)/.test(text)) throw new TrustError('index_value', 'a phone number is written without "(0)"')
  const normal = text.replace(/[\s().\-/\u2010-\u2015]/g, '')
  if (!/^\+[1-9][0-9]{6,14}$/.test(normal))
    throw new TrustError('index_value', 'a phone number starts with + and the country code, and has 7 to 15 digits')
  return normal
}

/**
 * Dotted decimal, or RFC 5952 for IPv6. An IPv4-mapped IPv6 address is the IPv4 address (RFC 4291 §2.5.5.2). Throws
 * `index_value`, also for leading zeros, which some read as octal, and zones.
 */
export function normalIp(text: string): string {
  const address = text.trim()
  if (isIPv4(address)) return address
  if (!isIPv6(address) || address.includes('%')) throw new TrustError('index_value', 'not an IP address')
  // The URL standard's serializer compresses as RFC 5952 asks.
  const normal = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(normal)
  if (!mapped) return normal
  const [high, low] = [Number.parseInt(mapped[1] as string, 16), Number.parseInt(mapped[2] as string, 16)]
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}
