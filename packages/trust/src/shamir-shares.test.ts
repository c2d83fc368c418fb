import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Secret } from './secret.ts'
import { combineShares, readShare, type ShareSet, splitIntoShares } from './shamir-shares.ts'
import { TrustError } from './trust-error.ts'

const codeOf = async (use: () => unknown) => {
  try {
    await use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof TrustError ? error.code : error
  }
}
const typed = (shares: readonly Secret<string>[]) => shares.map((share) => readShare(share.reveal()))
const numbers = fc
  .tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 0, max: 4 }))
  .map(([threshold, spare]) => ({ threshold, count: threshold + spare }))
const shuffled = <T>(list: readonly T[], order: readonly number[]) =>
  list
    .map((each, at) => ({ each, key: order[at] ?? 0 }))
    .sort((a, b) => a.key - b.key || 0)
    .map(({ each }) => each)
const order = fc.array(fc.nat(), { minLength: 13, maxLength: 13 })
const secretBytes = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('k of n shares', () => {
  test('any k of them restore the secret, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(secretBytes, numbers, order, async (secret, kOfN, keys) => {
        const { set, shares } = await splitIntoShares(secret, kOfN)
        expect(shares).toHaveLength(kOfN.count)
        const some = shuffled(typed(shares), keys).slice(0, kOfN.threshold)
        expect(await combineShares(set, some)).toEqual(Buffer.from(secret))
        expect(await combineShares(set, typed(shares))).toEqual(Buffer.from(secret))
      }),
    )
  })

  test('any k-1 of them do not, not even when the set claims a lower k', async () => {
    await fc.assert(
      fc.asyncProperty(secretBytes, numbers, order, async (secret, { threshold, count }, keys) => {
        const { set, shares } = await splitIntoShares(secret, { threshold, count })
        const few = shuffled(typed(shares), keys).slice(0, threshold - 1)
        expect(await codeOf(() => combineShares(set, few))).toBe('shares_too_few')
        const lowered = { ...set, threshold: threshold - 1 }
        const relabelled = few.map((share) => ({ ...share, threshold: threshold - 1 }))
        if (few.length >= 2) expect(await codeOf(() => combineShares(lowered, relabelled))).toBe('shares_wrong')
      }),
    )
  })

  test('any altered character is refused, whatever stands there instead', async () => {
    const { shares } = await splitIntoShares(randomBytes(32), { threshold: 3, count: 5 })
    const characters = '0123456789abcdefghijklmnopqrstuvwxyz-'
    const meant = (text: string) => text.replaceAll('o', '0').replaceAll(/[il]/g, '1')
    for (const share of shares) {
      const text = share.reveal()
      for (let at = 0; at < text.length; at++)
        for (const character of characters) {
          const altered = text.slice(0, at) + character + text.slice(at + 1)
          if (meant(altered) === meant(text)) continue
          const code = await codeOf(() => readShare(altered))
          if (code !== 'share_checksum' && code !== 'share_malformed') expect({ altered, code }).toBeNull()
        }
    }
  })

  test('two characters typed in each other’s place are refused', async () => {
    const { shares } = await splitIntoShares(randomBytes(32), { threshold: 2, count: 2 })
    const text = shares[0]?.reveal() ?? ''
    for (let at = 0; at + 1 < text.length; at++) {
      if (text[at] === text[at + 1]) continue
      const swapped = text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2)
      expect(await codeOf(() => readShare(swapped))).toMatch(/^share_(checksum|malformed)$/)
    }
  })

  test('case, spaces and look-alike letters do not matter', async () => {
    const secret = randomBytes(32)
    const { set, shares } = await splitIntoShares(secret, { threshold: 2, count: 2 })
    const typedBadly = shares.map((share) => {
      const [prefix, id, kOfN, index, payload, sum] = share.reveal().split('-')
      const loose = (text = '') =>
        text
          .replaceAll('0', 'O')
          .replaceAll('1', 'l')
          .replaceAll(/(.{4})/g, '$1 ')
      return ` ${prefix?.toUpperCase()}-${loose(id)}-${kOfN}-${index}-${loose(payload)}-${loose(sum)}\n`
    })
    expect(await combineShares(set, typedBadly.map(readShare))).toEqual(secret)
  })

  test('a share of another set, a repeated one and one too few are each told as such', async () => {
    const secret = randomBytes(32)
    const { set, shares } = await splitIntoShares(secret, { threshold: 2, count: 3 })
    const other = await splitIntoShares(secret, { threshold: 2, count: 3 })
    const [one, two] = typed(shares)
    const [foreign] = typed(other.shares)
    if (!one || !two || !foreign) throw new Error('no shares')
    expect(await codeOf(() => combineShares(set, [one, foreign]))).toBe('share_other_set')
    expect(await codeOf(() => combineShares(set, [one, one]))).toBe('share_repeated')
    expect(await codeOf(() => combineShares(set, [one, { ...one, index: 2 }]))).toBe('shares_wrong')
    await expect(combineShares(set, [two])).rejects.toThrow('1 of 2 shares: 1 more missing')
    expect(await codeOf(() => readShare('rdshare1-'))).toBe('share_malformed')
    expect(await codeOf(() => readShare(`${shares[0]?.reveal()}-more`))).toBe('share_malformed')
  })

  test('a forged share with a right checksum is found by the verifier, alone or among enough true ones', async () => {
    const { set, shares } = await splitIntoShares(randomBytes(32), { threshold: 2, count: 3 })
    const [one, two, three] = typed(shares)
    if (!one || !two || !three) throw new Error('no shares')
    const payload = Uint8Array.from(two.payload.reveal())
    payload[0] = (payload[0] ?? 0) ^ 1
    const forged = { ...two, payload: new Secret(payload) }
    expect(await codeOf(() => combineShares(set, [one, forged]))).toBe('shares_wrong')
    expect(await codeOf(() => combineShares(set, [one, forged, three]))).toBe('shares_wrong')
  })

  test('a verifier of another set or of other numbers is not taken for this one', async () => {
    const secret = randomBytes(32)
    const { set, shares } = await splitIntoShares(secret, { threshold: 2, count: 3 })
    const other = await splitIntoShares(secret, { threshold: 2, count: 3 })
    const carried: ShareSet = { ...set, verifier: other.set.verifier }
    expect(await codeOf(() => combineShares(carried, typed(shares)))).toBe('shares_wrong')
  })

  test('numbers that make no sense are refused', async () => {
    for (const [threshold, count] of [
      [1, 3],
      [4, 3],
      [2, 33],
      [2.5, 3],
      [0, 0],
    ] as const)
      expect(await codeOf(() => splitIntoShares(randomBytes(32), { threshold, count }))).toBe('share_numbers')
    expect(await codeOf(() => splitIntoShares(randomBytes(16), { threshold: 2, count: 3 }))).toBe('key_invalid')
  })

  test('a share shows in no log', async () => {
    const { shares } = await splitIntoShares(randomBytes(32), { threshold: 2, count: 2 })
    expect(JSON.stringify(shares)).toBe('["[secret]","[secret]"]')
    expect(JSON.stringify(typed(shares))).not.toMatch(/payload":\{"0"/)
  })
})
