import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'
import { z } from 'zod'
import { TrustError } from './trust-error.ts'

/*
 * Signature keys as JWKs (RFC 7517, RFC 8037). A key id is always the RFC 7638 thumbprint of the public key, so that it
 * cannot be claimed by another key.
 */

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const PublicShape = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinate, y: coordinate }),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: coordinate }),
])
const PrivateShape = z.object({ d: coordinate })
const ClaimShape = z.object({ kid: z.string().optional(), alg: z.string().optional() })
/** What a published key may be used for, if it says so: anything but verifying is refused (RFC 7517 §4.2, §4.3). */
const UseShape = z.object({
  use: z.literal('sig').optional(),
  key_ops: z
    .array(z.string())
    .refine((operations) => operations.includes('verify'))
    .optional(),
})

/** ES256 is ECDSA on P-256 with SHA-256 (RFC 7518 §3.4); Ed25519 is RFC 8032 under its RFC 9864 name. */
export type SigningAlgorithm = 'ES256' | 'Ed25519'
export type PublicJwk = z.output<typeof PublicShape> & {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly use: 'sig'
}
export type PrivateJwk = PublicJwk & { readonly d: string }
export type Jwks = { readonly keys: readonly PublicJwk[] }

export type VerifyingKey = {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  readonly publicKey: KeyObject
  readonly jwk: PublicJwk
}
export type SigningKey = VerifyingKey & { readonly privateKey: KeyObject }
/** Where a verifier looks up a key by its id. */
export type KeySet = { find(kid: string): VerifyingKey | undefined }

/** A new key pair from the system's random source. */
export function generateSigningKey(algorithm: SigningAlgorithm): SigningKey {
  const { privateKey } =
    algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  return importSigningKey(privateKey.export({ format: 'jwk' }))
}

/**
 * Reads a private JWK. Throws `key_invalid` when it is not a P-256 or Ed25519 key, when its public half is not the one
 * of the private half, or when it carries a `kid` other than its thumbprint.
 */
export function importSigningKey(jwk: unknown): SigningKey {
  const { d } = parse(PrivateShape, jwk, 'a private key needs d')
  const verifying = importVerifyingKey(jwk)
  const { kid: _kid, alg: _alg, use: _use, ...shape } = verifying.jwk
  // The engine compares the halves: a foreign public half would publish a key that verifies nothing.
  const privateKey = keyObject(() => createPrivateKey({ key: { ...shape, d }, format: 'jwk' }))
  return { ...verifying, privateKey }
}

/** Reads a public JWK, ignoring a private half. Throws `key_invalid` as {@link importSigningKey} does. */
export function importVerifyingKey(jwk: unknown): VerifyingKey {
  const shape = parse(PublicShape, jwk, 'only EC P-256 and OKP Ed25519 keys are supported')
  parse(UseShape, jwk, 'the key is not meant for signatures')
  const algorithm: SigningAlgorithm = shape.kty === 'EC' ? 'ES256' : 'Ed25519'
  const claimed = parse(ClaimShape, jwk, 'kid and alg are texts')
  const kid = thumbprint(shape)
  if (claimed.kid !== undefined && claimed.kid !== kid)
    throw new TrustError('key_invalid', 'kid is not the RFC 7638 thumbprint of the key')
  // `EdDSA` is the older name of the same algorithm (RFC 8037).
  if (claimed.alg !== undefined && claimed.alg !== algorithm && !(algorithm === 'Ed25519' && claimed.alg === 'EdDSA'))
    throw new TrustError('key_invalid', `alg must be ${algorithm} for this key`)
  const publicKey = keyObject(() => createPublicKey({ key: shape, format: 'jwk' }))
  return { kid, algorithm, publicKey, jwk: { ...shape, kid, alg: algorithm, use: 'sig' } }
}

/** The private JWK, to be kept in the secret store. */
export function exportSigningKey(key: SigningKey): PrivateJwk {
  const { d } = parse(PrivateShape, key.privateKey.export({ format: 'jwk' }), 'the key cannot be exported')
  return { ...key.jwk, d }
}

/** RFC 7638: base64url SHA-256 of the required members in lexical order. */
export function thumbprint(jwk: z.output<typeof PublicShape>): string {
  const members =
    jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { crv: jwk.crv, kty: jwk.kty, x: jwk.x }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** Signs bytes: ES256 as the 64 bytes r || s of RFC 7518 §3.4, Ed25519 as RFC 8032. */
export function createSignature(key: SigningKey, message: Uint8Array): Buffer {
  return key.algorithm === 'ES256'
    ? signBytes('sha256', message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
    : signBytes(null, message, key.privateKey)
}

/** Whether the signature (64 bytes in both algorithms) covers the message. Never throws on hostile signatures. */
export function verifySignature(key: VerifyingKey, message: Uint8Array, signature: Uint8Array): boolean {
  return key.algorithm === 'ES256'
    ? verifyBytes('sha256', message, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, signature)
    : verifyBytes(null, message, key.publicKey, signature)
}

/** One key that signs, and all keys whose signatures still count. Rotation makes a new keyring. */
export class Keyring implements KeySet {
  readonly active: SigningKey
  readonly #keys: ReadonlyMap<string, VerifyingKey>

  constructor(active: SigningKey, verifying: readonly VerifyingKey[] = []) {
    this.active = active
    this.#keys = new Map([active, ...verifying].map((key) => [key.kid, key]))
  }

  find(kid: string): VerifyingKey | undefined {
    return this.#keys.get(kid)
  }

  /** The public keys alone, the active one first (RFC 7517 §5). */
  jwks(): Jwks {
    return { keys: [...this.#keys.values()].map((key) => key.jwk) }
  }
}

/**
 * The usable keys of a published JWKS; keys of other kinds are passed over (RFC 7517 §5). Throws `key_invalid` when it
 * is no JWKS, when no key is usable, or when it contains a private key, which is then no longer one.
 */
export function importJwks(jwks: unknown): KeySet {
  const { keys } = parse(z.object({ keys: z.array(z.looseObject({})).max(100) }), jwks, 'a JWKS has a list "keys"')
  if (keys.some((key) => 'd' in key)) throw new TrustError('key_invalid', 'the JWKS publishes a private key')
  const usable = new Map<string, VerifyingKey>()
  for (const jwk of keys) {
    if (!PublicShape.safeParse(jwk).success || !UseShape.safeParse(jwk).success) continue
    const key = importVerifyingKey(jwk)
    usable.set(key.kid, key)
  }
  if (usable.size === 0) throw new TrustError('key_invalid', 'the JWKS has no P-256 or Ed25519 signature key')
  return { find: (kid) => usable.get(kid) }
}

function parse<T extends z.ZodType>(shape: T, value: unknown, message: string): z.output<T> {
  const result = shape.safeParse(value)
  if (!result.success) throw new TrustError('key_invalid', message)
  return result.data
}

function keyObject(make: () => KeyObject): KeyObject {
  try {
    return make()
  } catch (cause) {
    throw new TrustError('key_invalid', 'the key is not a point of its curve, or its halves do not belong together', {
      cause,
    })
  }
}
