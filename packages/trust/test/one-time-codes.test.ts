import { describe, expect, test } from 'vitest'
import { hotp, Secret, totpStep, verifyTotp } from '../src/index.ts'
import { readVectors, vectorsAbsent } from './outside-data.ts'

type Algorithm = 'SHA1' | 'SHA256' | 'SHA512'
type Vectors = {
  hotp_rfc4226: { secret_ascii: string; values: { counter: number; otp: string }[] }
  totp_rfc6238: { seeds_ascii: Record<Algorithm, string>; values: { time: number; alg: Algorithm; totp: string }[] }
}
const read = (): Vectors => JSON.parse(readVectors('hotp_totp_rfc.json').toString('utf8'))
const secretOf = (ascii: string) => new Secret(Buffer.from(ascii, 'ascii'))

describe.skipIf(vectorsAbsent)('the vectors of the one-time code RFCs', () => {
  test('HOTP: every code of RFC 4226, appendix D, and none of another counter', () => {
    const { secret_ascii, values } = read().hotp_rfc4226
    expect(values.length).toBeGreaterThanOrEqual(10)
    for (const { counter, otp } of values) {
      expect(hotp(secretOf(secret_ascii), counter), String(counter)).toBe(otp)
      expect(hotp(secretOf(secret_ascii), counter + 1)).not.toBe(otp)
    }
  })

  test('TOTP: every code of RFC 6238, appendix B, is accepted at its time, once, and not after its window', () => {
    const { seeds_ascii, values } = read().totp_rfc6238
    expect(values.length).toBeGreaterThanOrEqual(18)
    for (const { time, alg, totp } of values) {
      const secret = secretOf(seeds_ascii[alg])
      const verify = (seconds: number, lastAcceptedStep: number | null) =>
        verifyTotp(secret, totp, { algorithm: alg, digits: 8, now: new Date(seconds * 1000), lastAcceptedStep })
      const step = totpStep(new Date(time * 1000))
      expect(verify(time, null), `${alg} at ${time}`).toBe(step)
      expect(verify(time, step), `${alg} at ${time}, again`).toBeNull()
      expect(verify(time + 90, null), `${alg} at ${time}, late`).toBeNull()
    }
  })

  test('TOTP: no code is accepted under another algorithm, and no altered one at all', () => {
    const { seeds_ascii, values } = read().totp_rfc6238
    for (const { time, alg, totp } of values) {
      const secret = secretOf(seeds_ascii[alg])
      const at = { digits: 8, now: new Date(time * 1000), lastAcceptedStep: null } as const
      for (const algorithm of ['SHA1', 'SHA256', 'SHA512'] as const)
        if (algorithm !== alg) expect(verifyTotp(secret, totp, { ...at, algorithm })).toBeNull()
      for (let digit = 0; digit < totp.length; digit++) {
        const other = String((Number(totp[digit]) + 1) % 10)
        const altered = totp.slice(0, digit) + other + totp.slice(digit + 1)
        expect(verifyTotp(secret, altered, { ...at, algorithm: alg })).toBeNull()
      }
    }
  })
})
