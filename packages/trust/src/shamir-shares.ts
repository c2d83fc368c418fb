import { hkdfSync, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { combine, split } from 'shamir-secret-sharing'
import { decodeBase64Url, encodeBase64Url, utf8 } from './bytes.ts'
import { decodeCrockford, encodeCrockford, normalCrockford } from './crockford.ts'
import { equalInConstantTime } from './mac.ts'
import { Secret } from './secret.ts'
import { TrustError } from './trust-error.ts'

/*
 * A secret of 32 bytes in k-of-n shares (Shamir, over GF(2^8)) that people keep on paper:
 *
 *   rdshare1-<set, 8>-<k>of<n>-<index>-<payload, 53>-<checksum, 7>
 *
 * in Crockford's base 32, which has no letter that looks like a digit. The set's id keeps shares of different secrets
 * apart; the checksum (CRC-32, so every single wrong character is found) tells a typo from a wrong share and adds no
 * security. What the shares make together is checked against the set's verifier: Shamir's method itself answers any wrong
 * combination with a wrong secret.
 */

const SECRET_BYTES = 32
const SET_BYTES = 5
// One coordinate follows the secret's bytes.
const PAYLOAD_BYTES = SECRET_BYTES + 1
const MOST_SHARES = 32
const FORM = /^rdshare1-([0-9a-z]{8})-(\d{1,2})of(\d{1,2})-(\d{1,2})-([0-9a-z]{53})-([0-9a-z]{7})$/

/** What is kept of a set of shares. None of it opens anything. */
export type ShareSet = {
  readonly id: string
  /** How many shares restore the secret (k). */
  readonly threshold: number
  /** How many there are (n). */
  readonly count: number
  /** HKDF of the secret, bound to id, k and n; base64url. Safe to show: the secret has 256 random bits. */
  readonly verifier: string
}

/** One share as it was typed, checked for typos only. */
export type Share = {
  readonly set: string
  readonly threshold: number
  readonly count: number
  /** From 1 to `count`: which paper it is. */
  readonly index: number
  readonly payload: Secret<Uint8Array>
}

/**
 * Splits 32 random bytes into shares. @throws TrustError `share_numbers`, `key_invalid`
 * @param threshold 2 to `count`. @param count at most 32
 */
export async function splitIntoShares(
  secret: Uint8Array,
  { threshold, count }: Pick<ShareSet, 'threshold' | 'count'>,
): Promise<{ readonly set: ShareSet; readonly shares: readonly Secret<string>[] }> {
  if (secret.length !== SECRET_BYTES) throw new TrustError('key_invalid', 'a secret in shares has 32 bytes')
  const whole = Number.isInteger(threshold) && Number.isInteger(count)
  if (!whole || threshold < 2 || threshold > count || count > MOST_SHARES)
    throw new TrustError(
      'share_numbers',
      `${threshold} of ${count} shares is not possible: choose 2 to ${MOST_SHARES} shares, and from 2 to all of them to restore`,
    )
  const id = encodeCrockford(randomBytes(SET_BYTES))
  // The library takes a plain Uint8Array only, not a Buffer.
  const copy = Uint8Array.from(secret)
  const payloads = await split(copy, count, threshold)
  copy.fill(0)
  const set = { id, threshold, count, verifier: encodeBase64Url(verifierOf(secret, { id, threshold, count })) }
  const shares = payloads.map((payload, at) => {
    const body = `rdshare1-${id}-${threshold}of${count}-${at + 1}-${encodeCrockford(payload)}`
    payload.fill(0)
    return new Secret(`${body}-${checksum(body)}`)
  })
  return { set, shares }
}

/**
 * Reads one share as a person types it: case, spaces and the look-alikes O, I and L do not matter.
 * @throws TrustError `share_malformed` when it is no share, `share_checksum` when there is a typo in it
 */
export function readShare(text: string): Share {
  const compact = text.replaceAll(/\s/g, '').toLowerCase()
  const [prefix = '', id = '', numbers = '', index = '', payload = '', sum = '', ...more] = compact.split('-')
  const body = [prefix, normalCrockford(id), numbers, index, normalCrockford(payload)].join('-')
  const match = more.length > 0 ? null : FORM.exec(`${body}-${normalCrockford(sum)}`)
  if (!match)
    throw new TrustError('share_malformed', 'this is not a share: it starts with rdshare1- and has six parts; type all')
  if (match[6] !== checksum(body))
    throw new TrustError('share_checksum', 'there is a typo in this share: compare it with the paper, letter by letter')
  const bytes = decodeCrockford(match[5] ?? '', PAYLOAD_BYTES)
  return {
    set: match[1] ?? '',
    threshold: Number(match[2]),
    count: Number(match[3]),
    index: Number(match[4]),
    payload: new Secret(bytes),
  }
}

/**
 * Restores the secret from as many shares of the set as it takes, or more. The caller zeroes the result after use.
 * @throws TrustError `share_other_set`, `share_repeated`, `shares_too_few`, `shares_wrong`
 */
export async function combineShares(set: ShareSet, shares: readonly Share[]): Promise<Buffer> {
  const seen = new Set<number>()
  for (const share of shares) {
    if (share.set !== set.id || share.threshold !== set.threshold || share.count !== set.count)
      throw new TrustError('share_other_set', `share ${share.index} belongs to set ${share.set}, not to ${set.id}`)
    if (seen.has(share.index))
      throw new TrustError('share_repeated', `share ${share.index} was given twice: each counts once`)
    seen.add(share.index)
  }
  if (shares.length < set.threshold)
    throw new TrustError(
      'shares_too_few',
      `${shares.length} of ${set.threshold} shares: ${missing(set, shares)} missing`,
    )
  const wrong = new TrustError('shares_wrong', 'these shares do not make the secret: one of them was forged or damaged')
  const coordinates = new Set(shares.map(({ payload }) => payload.reveal().at(-1)))
  if (coordinates.size !== shares.length || coordinates.has(0)) throw wrong
  const combined = await combine(shares.map(({ payload }) => Uint8Array.from(payload.reveal())))
  const secret = Buffer.from(combined.buffer, combined.byteOffset, combined.byteLength)
  if (!equalInConstantTime(verifierOf(secret, set), decodeBase64Url(set.verifier))) {
    secret.fill(0)
    throw wrong
  }
  return secret
}

const missing = (set: ShareSet, shares: readonly Share[]) => `${set.threshold - shares.length} more`

// RFC 5869. Bound to the set, so that a verifier cannot be carried to another set or to other numbers.
const verifierOf = (secret: Uint8Array, { id, threshold, count }: Omit<ShareSet, 'verifier'>): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, utf8(id), utf8(`redoubt/shares/v1 ${threshold}of${count}`), 32))

function checksum(body: string): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return encodeCrockford(sum)
}
