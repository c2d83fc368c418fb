import { expect, test } from 'vitest'
import { openSealed, seal } from './sealing.ts'
import { TrustError } from './trust-error.ts'

const key = new Uint8Array(32).fill(7)
const secret = new TextEncoder().encode('whsec_example')
const place = 'organization|sources|webhook_secret|source'
const codeOf = (use: () => unknown) => {
  try {
    use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof TrustError ? error.code : error
  }
}

test('what was sealed opens with the same key and place', () => {
  expect(Uint8Array.from(openSealed(key, seal(key, secret, place), place))).toEqual(secret)
})

test('sealing the same value twice gives two different texts: each has a nonce of its own', () => {
  expect(seal(key, secret, place)).not.toEqual(seal(key, secret, place))
})

test('a sealed value that was moved to another place does not open', () => {
  const sealed = seal(key, secret, place)
  expect(codeOf(() => openSealed(key, sealed, 'organization|sources|webhook_secret|other'))).toBe('sealed_data')
})

test('another key does not open it', () => {
  const sealed = seal(key, secret, place)
  expect(codeOf(() => openSealed(new Uint8Array(32).fill(8), sealed, place))).toBe('sealed_data')
})

test('no single altered, added or missing byte goes unnoticed', () => {
  const sealed = seal(key, secret, place)
  for (const at of sealed.keys()) {
    const altered = Uint8Array.from(sealed)
    altered[at] = (altered[at] ?? 0) ^ 1
    expect(codeOf(() => openSealed(key, altered, place))).toBe('sealed_data')
    expect(codeOf(() => openSealed(key, sealed.subarray(0, at), place))).toBe('sealed_data')
  }
  expect(codeOf(() => openSealed(key, Uint8Array.from([...sealed, 0]), place))).toBe('sealed_data')
})

test('a key of another length is refused rather than used', () => {
  expect(codeOf(() => seal(new Uint8Array(16), secret, place))).toBe('key_invalid')
  expect(codeOf(() => openSealed(new Uint8Array(16), seal(key, secret, place), place))).toBe('key_invalid')
})
