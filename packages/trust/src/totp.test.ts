import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Secret } from './secret.ts'
import { hotp, totpStep, verifyTotp } from './totp.ts'

const secret = new Secret(new Uint8Array(20).fill(5))
const now = new Date(1_800_000_015_000)
const step = totpStep(now)
const codeAt = (distance: number) => hotp(secret, step + distance)
const verify = (code: string, lastAcceptedStep: number | null = null) =>
  verifyTotp(secret, code, { now, lastAcceptedStep })

describe('a one-time code', () => {
  test('is accepted for its own step and one on either side, and for none further away', () => {
    expect([-2, -1, 0, 1, 2].map((distance) => verify(codeAt(distance)))).toEqual([
      null,
      step - 1,
      step,
      step + 1,
      null,
    ])
  })

  test('is accepted once: neither it nor an older one opens anything after it', () => {
    expect(verify(codeAt(0), step)).toBeNull()
    expect(verify(codeAt(-1), step)).toBeNull()
    expect(verify(codeAt(1), step)).toBe(step + 1)
  })

  test('of any sequence of attempts, each accepted step is later than the one before', () => {
    const attempts = fc.array(fc.record({ passesMs: fc.nat(40_000), distance: fc.integer({ min: -2, max: 2 }) }))
    fc.assert(
      fc.property(attempts, (attempts) => {
        let ms = now.getTime()
        let last: number | null = null
        for (const { passesMs, distance } of attempts) {
          ms += passesMs
          const at = new Date(ms)
          const accepted = verifyTotp(secret, hotp(secret, totpStep(at) + distance), {
            now: at,
            lastAcceptedStep: last,
          })
          if (accepted === null) continue
          if (last !== null) expect(accepted).toBeGreaterThan(last)
          last = accepted
        }
      }),
    )
  })

  test('is exactly its digits: no shorter, longer, empty or other spelling is accepted', () => {
    const code = codeAt(0)
    const spellings = [
      '',
      code.slice(1),
      `0${code}`,
      `${code} `,
      ` ${code}`,
      String.fromCodePoint(0xff10) + code.slice(1),
    ]
    for (const spelling of spellings) expect(verify(spelling), spelling).toBeNull()
  })

  test('of another secret, form or algorithm is not accepted', () => {
    expect(verify(hotp(new Secret(new Uint8Array(20).fill(6)), step))).toBeNull()
    expect(verify(hotp(secret, step, { digits: 8 }))).toBeNull()
    expect(verify(hotp(secret, step, { algorithm: 'SHA256' }))).toBeNull()
  })

  test('is not made from a secret that can be guessed', () => {
    const short = new Secret(new Uint8Array(15))
    expect(() => hotp(short, 0)).toThrow(expect.objectContaining({ code: 'totp_secret' }))
    expect(() => verifyTotp(short, '000000', { now, lastAcceptedStep: null })).toThrow(
      expect.objectContaining({ code: 'totp_secret' }),
    )
  })
})
