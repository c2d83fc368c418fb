import { describe, expect, test } from 'vitest'
import {
  createOpaqueToken,
  formatEnrolmentToken,
  parseEnrolmentToken,
  pinnedAuthority,
  readRoots,
  rootPin,
  type TrustErrorCode,
} from '../src/index.ts'
import { newAuthority, trustDomain } from './certificate-fixture.ts'

const now = new Date()
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })
const [ours, coming, strange] = (await Promise.all([1, 2, 3].map(() => newAuthority(now)))).map(
  ({ certificatePem }) => certificatePem,
) as [string, string, string]
const pinOf = (pem: string) => readRoots([pem]).map(rootPin)
const token = createOpaqueToken('run')

describe('an enrolment token', () => {
  test('carries the token and a pin of every root of the moment', () => {
    const text = formatEnrolmentToken(token, readRoots([ours, coming]))
    expect(parseEnrolmentToken(text)).toEqual({ token, pins: [...pinOf(ours), ...pinOf(coming)] })
  })

  test.each([
    ['without a pin', token],
    ['with a pin cut off', `${token}~${'A'.repeat(42)}`],
    ['with nothing but pins', `~${'A'.repeat(43)}`],
    ['with more pins than anybody has roots', `${token}${`~${'A'.repeat(43)}`.repeat(5)}`],
    ['with a line behind it', `${token}~${'A'.repeat(43)}\nX-Evil: 1`],
  ])('%s is refused', (_name, text) => {
    expect(() => parseEnrolmentToken(text)).toThrow(refusal('enrolment_token'))
  })

  test('is not made without a root', () => {
    expect(() => formatEnrolmentToken(token, [])).toThrow(refusal('enrolment_token'))
  })
})

describe('roots that somebody presents', () => {
  test('are believed as far as they are pinned, and no further', () => {
    expect(pinnedAuthority([strange, ours], pinOf(ours))).toEqual({ trustDomain, rootsPem: [ours] })
  })

  test('are refused when none is pinned, and when they are no roots', async () => {
    expect(() => pinnedAuthority([strange], pinOf(ours))).toThrow(refusal('enrolment_pin'))
    expect(() => pinnedAuthority([], pinOf(ours))).toThrow(refusal('certificate_authority'))
    const elsewhere = (await newAuthority(now, 'other.test')).certificatePem
    expect(() => pinnedAuthority([ours, elsewhere], [...pinOf(ours), ...pinOf(elsewhere)])).toThrow(
      refusal('enrolment_pin'),
    )
  })
})
