import { createHmac, createPublicKey, randomUUID } from 'node:crypto'
import { createSignature, type PublicJwk, type SigningKey } from '@redoubt/trust'

/** What a compact JWS says of itself, made without any of the checks that rightful signing makes. */
export type Claims = Readonly<Record<string, unknown>>

const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Any header and claims, signed with any ES256 key. */
export function es256(header: Claims, claims: Claims, key: SigningKey): string {
  const signed = `${segment({ alg: 'ES256', ...header })}.${segment(claims)}`
  return `${signed}.${Buffer.from(createSignature(key, Buffer.from(signed))).toString('base64url')}`
}

/** CVE-2015-9235: the token says that it needs no signature. */
export const unsigned = (header: Claims, claims: Claims): string =>
  `${segment({ ...header, alg: 'none' })}.${segment(claims)}.`

/** CVE-2016-5431: HMAC with the public key, which everybody has, as the secret. */
export function hmacWithPublicKey(header: Claims, claims: Claims, jwk: Readonly<Record<string, string>>): string {
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  const signed = `${segment({ ...header, alg: 'HS256' })}.${segment(claims)}`
  return `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`
}

/** The claims of a token, unverified. */
export const claimsOf = (token: string): Claims => part(token, 1)
export const headerOf = (token: string): Claims => part(token, 0)

/** The token with other claims under the signature it had. */
export const withClaims = (token: string, change: Claims): string => {
  const [head, , tail] = token.split('.')
  return `${head}.${segment({ ...claimsOf(token), ...change })}.${tail}`
}

/** A fresh `jti`, and times that are good now. */
export const fresh = (seconds: number, now = Date.now()): Claims => {
  const iat = Math.floor(now / 1000)
  return { iat, exp: iat + seconds, jti: randomUUID() }
}

export const publicHalf = ({ kty, crv, x, ...rest }: PublicJwk): Readonly<Record<string, string>> => ({
  kty,
  crv,
  x,
  ...('y' in rest ? { y: rest.y } : {}),
})

function part(token: string, at: number): Claims {
  return JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString('utf8')) as Claims
}
