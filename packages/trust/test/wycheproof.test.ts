import { describe, expect, test } from 'vitest'
import { verifyCompactJws } from '../src/compact-jws.ts'
import { verifyEd25519 } from '../src/ed25519.ts'
import { type KeySet, openSealed, verifyHmacSha256, verifySignature } from '../src/index.ts'
import { importVerifyingKey, type VerifyingKey } from '../src/signing-key.ts'
import { TrustError } from '../src/trust-error.ts'
import { readVectors, vectorsAbsent } from './outside-data.ts'

type Vector = { tcId: number; comment: string; result: 'valid' | 'invalid' | 'acceptable' }
type File<G, T> = { testGroups: (G & { tests: (T & Vector)[] })[] }

const read = <G, T>(name: string): File<G, T> =>
  JSON.parse(readVectors(`wycheproof/${name}_test.json`).toString('utf8'))
const hex = (text: string) => Uint8Array.fromHex(text)
const without = (jwk: object, ...members: string[]) =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !members.includes(name)))
const label = ({ tcId, comment }: Vector) => `${tcId} ${comment}`

describe.skipIf(vectorsAbsent)('Wycheproof', () => {
  test('ECDSA P-256 in P1363 form: every verdict is the expected one', () => {
    const wrong: string[] = []
    let invalid = 0
    const { testGroups } = read<
      { publicKeyJwk?: object; publicKey: { wx: string; wy: string } },
      { msg: string; sig: string }
    >('ecdsa_secp256r1_sha256_p1363')
    const coordinate = (number: string) =>
      hex(number.slice(-64).padStart(64, '0')).toBase64({ alphabet: 'base64url', omitPadding: true })
    for (const group of testGroups) {
      const { wx, wy } = group.publicKey
      const key = importVerifyingKey({ kty: 'EC', crv: 'P-256', x: coordinate(wx), y: coordinate(wy) })
      for (const vector of group.tests) {
        if (vector.result === 'invalid') invalid += 1
        if (verifySignature(key, hex(vector.msg), hex(vector.sig)) !== (vector.result === 'valid'))
          wrong.push(label(vector))
      }
    }
    expect(wrong).toEqual([])
    expect(invalid).toBeGreaterThan(50)
  })

  test('Ed25519: every verdict is the expected one, by Node and by WebCrypto', async () => {
    const wrong: string[] = []
    const { testGroups } = read<{ publicKeyJwk: object; publicKey: { pk: string } }, { msg: string; sig: string }>(
      'ed25519',
    )
    for (const group of testGroups) {
      const key = importVerifyingKey(without(group.publicKeyJwk, 'kid'))
      for (const vector of group.tests) {
        const [message, signature] = [hex(vector.msg), hex(vector.sig)]
        const expected = vector.result === 'valid'
        if (verifySignature(key, message, signature) !== expected) wrong.push(`Node ${label(vector)}`)
        if ((await verifyEd25519(hex(group.publicKey.pk), message, signature)) !== expected)
          wrong.push(`WebCrypto ${label(vector)}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('HMAC-SHA-256: every full tag has the expected verdict, every truncated one is refused', () => {
    const wrong: string[] = []
    const { testGroups } = read<{ tagSize: number }, { key: string; msg: string; tag: string }>('hmac_sha256')
    for (const group of testGroups)
      for (const vector of group.tests) {
        const expected = vector.result === 'valid' && group.tagSize === 256
        if (verifyHmacSha256(hex(vector.key), hex(vector.msg), hex(vector.tag)) !== expected) wrong.push(label(vector))
      }
    expect(wrong).toEqual([])
  })

  test('AES-256-GCM with a 96-bit nonce: every verdict is the expected one, and what opens is the message', () => {
    const wrong: string[] = []
    let opened = 0
    let refused = 0
    const { testGroups } = read<
      { keySize: number; ivSize: number; tagSize: number },
      { key: string; iv: string; aad: string; msg: string; ct: string; tag: string }
    >('aes_gcm')
    for (const { keySize, ivSize, tagSize, tests } of testGroups) {
      // The sealed form has no other sizes.
      if (keySize !== 256 || ivSize !== 96 || tagSize !== 128) continue
      for (const vector of tests) {
        let message: string | undefined
        try {
          message = openSealed(hex(vector.key), hex(`01${vector.iv}${vector.ct}${vector.tag}`), hex(vector.aad)).toHex()
        } catch (error) {
          if (!(error instanceof TrustError && error.code === 'sealed_data')) throw error
        }
        if (message === undefined) refused += 1
        else opened += 1
        if (message !== (vector.result === 'valid' ? vector.msg : undefined)) wrong.push(label(vector))
      }
    }
    expect(wrong).toEqual([])
    expect(opened).toBeGreaterThan(30)
    expect(refused).toBeGreaterThan(20)
  })

  test('JSON Web Signature: ES256 has the expected verdicts and no other algorithm is ever accepted', () => {
    const wrong: string[] = []
    let accepted = 0
    const { testGroups } = read<{ public?: object; private?: object }, { jws: unknown }>('json_web_signature')
    for (const group of testGroups) {
      const jwk = (group.public ?? group.private ?? {}) as { kty?: string; crv?: string; kid?: string }
      for (const vector of group.tests) {
        const expected = vector.result === 'valid' && jwk.crv === 'P-256'
        let actual = false
        try {
          verifyCompactJws(vector.jws as string, keySetOf(jwk), undefined)
          actual = true
        } catch (error) {
          // A crash is not a refusal: only the package's own error counts.
          if (!(error instanceof TrustError)) throw error
        }
        if (actual !== expected) wrong.push(label(vector))
        if (actual) accepted += 1
      }
    }
    expect(wrong).toEqual([])
    expect(accepted).toBeGreaterThan(0)
  })
})

/** The vectors name their keys freely; ours are named by thumbprint, so the name is set aside for the import only. */
function keySetOf(jwk: { kid?: string; crv?: string }): KeySet {
  const key: VerifyingKey | undefined =
    jwk.crv === 'P-256' || jwk.crv === 'Ed25519' ? tryImport(without(jwk, 'kid')) : undefined
  return { find: (kid) => (kid === jwk.kid ? key : undefined) }
}

function tryImport(jwk: object): VerifyingKey | undefined {
  try {
    return importVerifyingKey(jwk)
  } catch (error) {
    if (error instanceof TrustError) return undefined
    throw error
  }
}
