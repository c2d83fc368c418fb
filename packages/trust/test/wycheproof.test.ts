import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { verifyCompactJws } from '../src/compact-jws.ts'
import { verifyEd25519 } from '../src/ed25519.ts'
import {
  hkdfSha256,
  type KeySet,
  openField,
  openSealed,
  SecretBytes,
  verifyHmacSha256,
  verifySignature,
} from '../src/index.ts'
import { lengthPrefixed } from '../src/length-prefixed.ts'
import { importVerifyingKey, type VerifyingKey } from '../src/signing-key.ts'
import { TrustError, type TrustErrorCode } from '../src/trust-error.ts'
import { readVectors, vectorsAbsent } from './outside-data.ts'

/* Each verdict is the one of our own entry points, and a floor is asserted for each, so that an empty file cannot pass. */

type Vector = { tcId: number; comment: string; result: 'valid' | 'invalid' | 'acceptable' }
type File<G, T> = { testGroups: (G & { tests: (T & Vector)[] })[] }

const read = <G, T>(name: string): File<G, T> =>
  JSON.parse(readVectors(`wycheproof/${name}_test.json`).toString('utf8'))
const hex = (text: string) => Uint8Array.fromHex(text)
const without = (jwk: object, ...members: string[]) =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => !members.includes(name)))
const label = ({ tcId, comment }: Vector) => `${tcId} ${comment}`

/** Whether it was accepted. A crash is not a refusal: only the package's own error with one of these codes counts. */
function accepts(use: () => unknown, ...refusals: readonly TrustErrorCode[]): boolean {
  try {
    use()
    return true
  } catch (error) {
    if (error instanceof TrustError && refusals.includes(error.code)) return false
    throw error
  }
}

/** Verdicts against the expected ones, and how many there were of each. */
class Verdicts {
  readonly #wrong: string[] = []
  readonly #count = { accepted: 0, refused: 0 }

  add(vector: Vector, accepted: boolean, expected: boolean): void {
    if (accepted !== expected) this.#wrong.push(label(vector))
    this.#count[accepted ? 'accepted' : 'refused'] += 1
  }

  expectAtLeast(accepted: number, refused: number): void {
    expect(this.#wrong).toEqual([])
    expect(this.#count.accepted).toBeGreaterThanOrEqual(accepted)
    expect(this.#count.refused).toBeGreaterThanOrEqual(refused)
  }
}

describe.skipIf(vectorsAbsent)('Wycheproof', () => {
  type EcGroup = { publicKey: { wx: string; wy: string } }
  const coordinate = (number: string) =>
    hex(number.slice(-64).padStart(64, '0')).toBase64({ alphabet: 'base64url', omitPadding: true })
  const p256 = ({ publicKey: { wx, wy } }: EcGroup) =>
    importVerifyingKey({ kty: 'EC', crv: 'P-256', x: coordinate(wx), y: coordinate(wy) })

  test('ECDSA P-256 in P1363 form: every verdict is the expected one', () => {
    const verdicts = new Verdicts()
    for (const group of read<EcGroup, { msg: string; sig: string }>('ecdsa_secp256r1_sha256_p1363').testGroups)
      for (const vector of group.tests)
        verdicts.add(vector, verifySignature(p256(group), hex(vector.msg), hex(vector.sig)), vector.result === 'valid')
    verdicts.expectAtLeast(170, 85)
  })

  test('ECDSA P-256 in DER form: none is accepted, so that a signature has one spelling', () => {
    const verdicts = new Verdicts()
    for (const group of read<EcGroup, { msg: string; sig: string }>('ecdsa_secp256r1_sha256').testGroups)
      for (const vector of group.tests)
        verdicts.add(vector, verifySignature(p256(group), hex(vector.msg), hex(vector.sig)), false)
    verdicts.expectAtLeast(0, 480)
  })

  test('RSA: none is accepted, since its keys are not even imported', () => {
    const verdicts = new Verdicts()
    const base64url = (bytes: string) => Buffer.from(bytes, 'hex').toString('base64url')
    for (const { publicKey, tests } of read<{ publicKey: { modulus: string; publicExponent: string } }, object>(
      'rsa_signature_2048_sha256',
    ).testGroups) {
      const jwk = { kty: 'RSA', n: base64url(publicKey.modulus), e: base64url(publicKey.publicExponent) }
      for (const vector of tests)
        verdicts.add(
          vector,
          accepts(() => importVerifyingKey(jwk), 'key_invalid'),
          false,
        )
    }
    verdicts.expectAtLeast(0, 250)
  })

  test('Ed25519: every verdict is the expected one, by Node and by WebCrypto', async () => {
    const [byNode, byWebCrypto] = [new Verdicts(), new Verdicts()]
    const { testGroups } = read<{ publicKeyJwk: object; publicKey: { pk: string } }, { msg: string; sig: string }>(
      'ed25519',
    )
    for (const group of testGroups) {
      const key = importVerifyingKey(without(group.publicKeyJwk, 'kid'))
      for (const vector of group.tests) {
        const [message, signature] = [hex(vector.msg), hex(vector.sig)]
        const expected = vector.result === 'valid'
        byNode.add(vector, verifySignature(key, message, signature), expected)
        byWebCrypto.add(vector, await verifyEd25519(hex(group.publicKey.pk), message, signature), expected)
      }
    }
    for (const verdicts of [byNode, byWebCrypto]) verdicts.expectAtLeast(85, 60)
  })

  test('HMAC-SHA-256: every full tag has the expected verdict, every truncated one is refused', () => {
    const verdicts = new Verdicts()
    const { testGroups } = read<{ tagSize: number }, { key: string; msg: string; tag: string }>('hmac_sha256')
    for (const { tagSize, tests } of testGroups)
      for (const vector of tests)
        verdicts.add(
          vector,
          verifyHmacSha256(hex(vector.key), hex(vector.msg), hex(vector.tag)),
          vector.result === 'valid' && tagSize === 256,
        )
    verdicts.expectAtLeast(30, 140)
  })

  test('HKDF-SHA-256: every valid key comes out, and a longer one than there is is refused', () => {
    const verdicts = new Verdicts()
    const { testGroups } = read<object, { ikm: string; salt: string; info: string; size: number; okm: string }>(
      'hkdf_sha256',
    )
    for (const { tests } of testGroups)
      for (const vector of tests) {
        const derive = () =>
          hkdfSha256(hex(vector.ikm), { salt: hex(vector.salt), info: hex(vector.info), length: vector.size })
        verdicts.add(
          vector,
          accepts(derive, 'key_invalid') && derive().toHex() === vector.okm,
          vector.result === 'valid',
        )
      }
    verdicts.expectAtLeast(80, 3)
  })

  type AeadGroup = { keySize: number; ivSize: number; tagSize: number }
  type AeadTest = { key: string; iv: string; aad: string; msg: string; ct: string; tag: string }
  /** The only sizes that a sealed form has. */
  const isOurs = ({ keySize, ivSize, tagSize }: AeadGroup) => keySize === 256 && ivSize === 96 && tagSize === 128

  test('AES-GCM in the sealed form: every verdict of its sizes is the expected one, and other sizes are refused', () => {
    const verdicts = new Verdicts()
    for (const group of read<AeadGroup, AeadTest>('aes_gcm').testGroups)
      for (const vector of group.tests) {
        const sealed = hex(`01${vector.iv}${vector.ct}${vector.tag}`)
        const open = () => openSealed(hex(vector.key), sealed, hex(vector.aad))
        const opened = accepts(open, 'sealed_data', 'key_invalid') && open().toHex() === vector.msg
        verdicts.add(vector, opened, isOurs(group) && vector.result === 'valid')
      }
    verdicts.expectAtLeast(35, 240)
  })

  test('AES-GCM as a field: with the key, nonce and message of each vector, and its damage, every verdict is right', () => {
    const verdicts = new Verdicts()
    const place = { organizationId: 'organization', table: 'table', column: 'column', row: 'row' }
    const associatedData = lengthPrefixed(['redoubt.field/v1', 'pii', 'organization', 'table', 'column', 'row', '1'])
    for (const group of read<AeadGroup, AeadTest>('aes_gcm').testGroups)
      for (const vector of group.tests) {
        // What the vector did to ciphertext and tag is done to those of the same message in its place.
        const body = isOurs(group)
          ? exclusiveOr(
              exclusiveOr(sealBare(vector, associatedData), sealBare(vector, hex(vector.aad))),
              hex(vector.ct + vector.tag),
            )
          : hex(vector.ct + vector.tag)
        const sealed = Buffer.concat([hex('0100000001'), hex(vector.iv), body])
        const key = () => new SecretBytes(hex(vector.key))
        const open = () =>
          openField(
            (version) => ({ organizationId: 'organization', dataClass: 'pii', version, key: key() }),
            place,
            sealed,
          )
        const opened = accepts(open, 'sealed_data', 'key_invalid') && open().toHex() === vector.msg
        verdicts.add(vector, opened, isOurs(group) && vector.result === 'valid')
      }
    verdicts.expectAtLeast(35, 240)
  })

  test('JSON Web Signature: ES256 has the expected verdicts and no other algorithm is ever accepted', () => {
    const verdicts = new Verdicts()
    const { testGroups } = read<{ public?: object; private?: object }, { jws: unknown }>('json_web_signature')
    for (const group of testGroups) {
      const jwk = (group.public ?? group.private ?? {}) as { kty?: string; crv?: string; kid?: string }
      for (const vector of group.tests) {
        let actual = false
        try {
          verifyCompactJws(vector.jws as string, keySetOf(jwk), undefined)
          actual = true
        } catch (error) {
          if (!(error instanceof TrustError)) throw error
        }
        verdicts.add(vector, actual, vector.result === 'valid' && jwk.crv === 'P-256')
      }
    }
    verdicts.expectAtLeast(1, 380)
  })
})

/** Ciphertext and tag of a vector's message. */
function sealBare(vector: { key: string; iv: string; msg: string }, associatedData: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', hex(vector.key), hex(vector.iv)).setAAD(associatedData)
  return Buffer.concat([cipher.update(hex(vector.msg)), cipher.final(), cipher.getAuthTag()])
}

const exclusiveOr = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, at) => byte ^ (b[at] ?? 0))

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
