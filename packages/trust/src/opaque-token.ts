import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { equalInConstantTime } from './mac.ts'
import { TrustError } from './trust-error.ts'

/*
 * Random tokens that are looked up by hash: `rdt_<kind>_<43 base62 of 32 random bytes><6 base62 of CRC-32>`. The prefix
 * and the checksum let secret scanners find a leaked one without false alarms; they add no security.
 */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SECRET_DIGITS = 43
const CHECKSUM_DIGITS = 6

/** A new token with 256 bits from the system's random source. `kind` has 2 to 12 lower-case letters. */
export function createOpaqueToken(kind: string): string {
  requireKind(kind)
  const body = `rdt_${kind}_${base62(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_DIGITS)}`
  return body + checksum(body)
}

/** Refuses a token of another kind, length or checksum before any lookup. Throws `opaque_token`. */
export function requireOpaqueToken(token: string, kind: string): void {
  requireKind(kind)
  const body = token.slice(0, -CHECKSUM_DIGITS)
  const isOfKind = new RegExp(`^rdt_${kind}_[0-9A-Za-z]{${SECRET_DIGITS}}$`).test(body)
  if (!isOfKind || token.slice(-CHECKSUM_DIGITS) !== checksum(body))
    throw new TrustError('opaque_token', `this is not a complete rdt_${kind}_ token; copy it again in full`)
}

/** What is stored in place of a token: SHA-256, hexadecimal. 256 random bits need no salt and no slow hash. */
export const hashToken = (token: string): string => createHash('sha256').update(token, 'utf8').digest('hex')

/** Whether a token is the one whose {@link hashToken} was stored; compared in constant time. */
export const matchesTokenHash = (token: string, storedHash: string): boolean =>
  equalInConstantTime(Buffer.from(hashToken(token)), Buffer.from(storedHash))

function requireKind(kind: string): void {
  if (!/^[a-z]{2,12}$/.test(kind)) throw new TrustError('opaque_token', 'a kind has 2 to 12 lower-case letters')
}

const checksum = (body: string): string => base62(BigInt(crc32(body)), CHECKSUM_DIGITS)

function base62(value: bigint, digits: number): string {
  let text = ''
  for (let rest = value; text.length < digits; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text
  return text
}
