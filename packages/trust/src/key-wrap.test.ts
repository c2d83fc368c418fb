import fc from 'fast-check'
import { expect, test } from 'vitest'
import { unwrapKey, wrapKey } from './key-wrap.ts'
import { TrustError } from './trust-error.ts'

const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(' ', ''))
const codeOf = (use: () => unknown) => {
  try {
    use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof TrustError ? error.code : error
  }
}
const kek = hex('000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F')

// RFC 3394 §4.3, §4.5, §4.6: those with a 256-bit key-encryption key.
test.each([
  ['§4.3, 128 bits', '00112233445566778899AABBCCDDEEFF', '64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7'],
  [
    '§4.5, 192 bits',
    '00112233445566778899AABBCCDDEEFF0001020304050607',
    'A8F9BC1612C68B3F F6E6F4FBE30E71E4 769C8B80A32CB895 8CD5D17D6B254DA1',
  ],
  [
    '§4.6, 256 bits',
    '00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F',
    '28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21',
  ],
])('the vector of RFC 3394 %s wraps and unwraps', (_, key, wrapped) => {
  expect(wrapKey(kek, hex(key))).toEqual(hex(wrapped))
  expect(unwrapKey(kek, hex(wrapped))).toEqual(hex(key))
})

test('a key unwraps under the key that wrapped it, and under no other', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(bytes(32), bytes(32), bytes(32), (one, other, key) => {
      const wrapped = wrapKey(one, key)
      expect(unwrapKey(one, wrapped)).toEqual(key)
      fc.pre(!one.every((byte, at) => byte === other[at]))
      expect(codeOf(() => unwrapKey(other, wrapped))).toBe('wrapped_key')
    }),
  )
})

test('no single altered or missing byte of a wrapped key goes unnoticed', () => {
  const wrapped = wrapKey(kek, kek)
  for (const at of wrapped.keys()) {
    const altered = Uint8Array.from(wrapped)
    altered[at] = (altered[at] ?? 0) ^ 1
    expect(codeOf(() => unwrapKey(kek, altered))).toBe('wrapped_key')
    expect(codeOf(() => unwrapKey(kek, wrapped.subarray(0, at)))).toBe('wrapped_key')
  }
  expect(codeOf(() => unwrapKey(kek, Uint8Array.from([...wrapped, ...new Uint8Array(8)])))).toBe('wrapped_key')
})

test('keys of another length are refused rather than padded', () => {
  expect(codeOf(() => wrapKey(kek, new Uint8Array(8)))).toBe('key_invalid')
  expect(codeOf(() => wrapKey(kek, new Uint8Array(33)))).toBe('key_invalid')
  expect(codeOf(() => wrapKey(new Uint8Array(16), kek))).toBe('key_invalid')
  expect(codeOf(() => unwrapKey(new Uint8Array(16), wrapKey(kek, kek)))).toBe('key_invalid')
})
