import { calculateJwkThumbprint, exportJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  createSignature,
  exportSigningKey,
  generateSigningKey,
  importJwks,
  importSigningKey,
  importVerifyingKey,
  Keyring,
  thumbprint,
  verifySignature,
} from './signing-key.ts'

const invalid = expect.objectContaining({ name: 'TrustError', code: 'key_invalid' })
const message = Buffer.from('message')

describe.each(['ES256', 'Ed25519'] as const)('%s keys', (algorithm) => {
  const key = generateSigningKey(algorithm)

  test('are named by the RFC 7638 thumbprint', async () => {
    expect(key.kid).toBe(await calculateJwkThumbprint(await exportJWK(key.publicKey)))
    expect(key.jwk).toMatchObject({ kid: key.kid, alg: algorithm, use: 'sig' })
  })

  test('survive export and import', () => {
    const again = importSigningKey(JSON.parse(JSON.stringify(exportSigningKey(key))))
    expect(again.kid).toBe(key.kid)
    expect(verifySignature(importVerifyingKey(key.jwk), message, createSignature(again, message))).toBe(true)
  })

  test('sign with 64 bytes, and no other message, key or length verifies', () => {
    const signature = createSignature(key, message)
    expect(signature).toHaveLength(64)
    expect(verifySignature(key, message, signature)).toBe(true)
    expect(verifySignature(key, Buffer.from('other'), signature)).toBe(false)
    expect(verifySignature(generateSigningKey(algorithm), message, signature)).toBe(false)
    expect(verifySignature(generateSigningKey(algorithm === 'ES256' ? 'Ed25519' : 'ES256'), message, signature)).toBe(
      false,
    )
    for (const length of [0, 63]) expect(verifySignature(key, message, signature.subarray(0, length))).toBe(false)
    expect(verifySignature(key, message, Buffer.concat([signature, Buffer.of(0)]))).toBe(false)
  })

  test('are refused when the two halves do not belong together', () => {
    const other = exportSigningKey(generateSigningKey(algorithm))
    const { kid: _kid, ...mine } = exportSigningKey(key)
    expect(() => importSigningKey({ ...mine, d: other.d })).toThrow(invalid)
  })

  test('are refused under a name, algorithm or use that is not theirs', () => {
    for (const wrong of [
      { kid: 'mine' },
      { kid: 5 },
      { alg: null },
      { alg: 'HS256' },
      { use: 'enc' },
      { key_ops: ['encrypt'] },
      { crv: 'P-384' },
      { x: 'short' },
    ])
      expect(() => importVerifyingKey({ ...key.jwk, ...wrong }), JSON.stringify(wrong)).toThrow(invalid)
    expect(() => importSigningKey(key.jwk)).toThrow(invalid)
  })
})

test('the RFC 8037 appendix A.3 key has the published thumbprint', () => {
  const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
  expect(thumbprint({ kty: 'OKP', crv: 'Ed25519', x })).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})

test('a point that is not on the curve is no key', () => {
  const { jwk } = generateSigningKey('ES256')
  if (jwk.kty !== 'EC') throw new Error('an ES256 key is an EC key')
  const { kid: _kid, ...unnamed } = jwk
  expect(() => importVerifyingKey({ ...unnamed, y: jwk.x })).toThrow(invalid)
})

describe('a keyring', () => {
  const [active, older, stranger] = [
    generateSigningKey('ES256'),
    generateSigningKey('ES256'),
    generateSigningKey('ES256'),
  ]
  const keyring = new Keyring(active, [older])

  test('finds the active key and those that still verify, and no other', () => {
    expect(keyring.find(active.kid)).toBe(active)
    expect(keyring.find(older.kid)).toBe(older)
    expect(keyring.find(stranger.kid)).toBeUndefined()
  })

  test('publishes no private member, the active key first', () => {
    const { keys } = keyring.jwks()
    expect(keys.map(({ kid }) => kid)).toEqual([active.kid, older.kid])
    expect(JSON.stringify(keys)).not.toContain('"d"')
  })

  test('is read back from what it publishes, other kinds of keys set aside', () => {
    const rsa = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'rsa' }
    const read = importJwks({ keys: [rsa, ...keyring.jwks().keys, { ...stranger.jwk, use: 'enc' }] })
    expect(read.find(older.kid)?.jwk).toEqual(older.jwk)
    expect(read.find('rsa')).toBeUndefined()
    expect(read.find(stranger.kid)).toBeUndefined()
  })

  test('is not read from a list that leaks a private key, names a key falsely, or is empty', () => {
    expect(() => importJwks({ keys: [exportSigningKey(active)] })).toThrow(invalid)
    expect(() => importJwks({ keys: [{ ...active.jwk, kid: older.kid }] })).toThrow(invalid)
    for (const nothing of [{ keys: [] }, {}, null, 'keys']) expect(() => importJwks(nothing)).toThrow(invalid)
  })
})
