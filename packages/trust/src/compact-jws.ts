import { z } from 'zod'
import { type Bytes, decodeBase64Url, encodeBase64Url, utf8 } from './bytes.ts'
import { createSignature, type KeySet, type SigningKey, verifySignature } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

/*
 * JWS compact serialization (RFC 7515 §7.1), ES256 alone. Every token of this platform says what it is in `typ` and is
 * only accepted as that (RFC 8725 §3.11).
 */

/** SESS-3. No token of any kind is larger. */
export const MAX_TOKEN_BYTES = 8 * 1024

/** Only these members: `jwk`, `jku`, `x5u` would let a token bring its own key, `crit` and `b64` change the rules. */
const Header = z.strictObject({ alg: z.literal('ES256'), typ: z.string().optional(), kid: z.string().min(1).max(200) })
const Algorithm = z.looseObject({ alg: z.unknown().optional() })

/** Signs claims under a token type. Throws `key_invalid` for a key other than ES256, `token_too_large` past 8 KB. */
export function signCompactJws(typ: string, claims: object, key: SigningKey): string {
  if (key.algorithm !== 'ES256') throw new TrustError('key_invalid', 'tokens are signed with ES256 keys')
  const segment = (value: object): string => encodeBase64Url(utf8(JSON.stringify(value)))
  const signed = `${segment({ alg: 'ES256', typ, kid: key.kid })}.${segment(claims)}`
  const token = `${signed}.${encodeBase64Url(createSignature(key, utf8(signed)))}`
  if (token.length > MAX_TOKEN_BYTES)
    throw new TrustError('token_too_large', `a token has at most ${MAX_TOKEN_BYTES} bytes`)
  return token
}

/**
 * The payload of a token, once its form, algorithm, type, key and signature have been checked in that order. `typ` is
 * what the header must say; undefined when it must say nothing. Throws `token_too_large`, `token_malformed`,
 * `token_algorithm`, `token_type`, `token_key_unknown` or `token_signature`.
 */
export function verifyCompactJws(token: string, keys: KeySet, typ: string | undefined): Bytes {
  const { header, payload, signature, signed } = split(token)
  // One token type presented as another: an access token as a plan, a plan as an access token.
  if (header.typ !== typ) throw new TrustError('token_type', `the token is not a ${typ ?? 'bare JWS'}`)
  const key = keys.find(header.kid)
  if (key === undefined) throw new TrustError('token_key_unknown', 'the token is signed by a key that is not known')
  // The algorithm belongs to the key, not to the token: an Ed25519 key never verifies an ES256 token.
  if (key.algorithm !== 'ES256') throw new TrustError('token_algorithm', 'the key is not an ES256 key')
  if (!verifySignature(key, signed, signature)) throw new TrustError('token_signature', 'the signature does not hold')
  return payload
}

/** The claims of a token as JSON, once {@link verifyCompactJws} has passed it. Throws also `token_claims`. */
export function openToken<T extends z.ZodType>(token: string, keys: KeySet, typ: string, claims: T): z.output<T> {
  const result = claims.safeParse(parseJson(verifyCompactJws(token, keys, typ)))
  if (result.success) return result.data
  const where = result.error.issues.map((issue) => issue.path.join('.') || issue.message).join(', ')
  throw new TrustError('token_claims', `claims missing or wrong: ${where}`)
}

/** The key id a token names, for fetching that key. Nothing has been verified. Throws as {@link verifyCompactJws}. */
export const readKeyId = (token: string): string => split(token).header.kid

type Split = { header: z.output<typeof Header>; payload: Bytes; signature: Bytes; signed: Bytes }

function split(token: string): Split {
  if (token.length > MAX_TOKEN_BYTES)
    throw new TrustError('token_too_large', `a token has at most ${MAX_TOKEN_BYTES} bytes`)
  const parts = token.split('.')
  const [head, body, tail] = parts
  if (head === undefined || body === undefined || tail === undefined || parts.length !== 3)
    throw new TrustError('token_malformed', 'a token has three parts divided by dots')
  const json = parseJson(decode(head))
  const header = Header.safeParse(json)
  if (!header.success) {
    // `none`, HS256 with the public key as secret, and every other algorithm the token would like to choose.
    const algorithm = Algorithm.safeParse(json)
    if (algorithm.success && algorithm.data.alg !== 'ES256')
      throw new TrustError('token_algorithm', 'only ES256 tokens are accepted')
    throw new TrustError('token_malformed', 'the header has alg, typ and kid, and nothing else')
  }
  return { header: header.data, payload: decode(body), signature: decode(tail), signed: utf8(`${head}.${body}`) }
}

function decode(segment: string): Bytes {
  try {
    return decodeBase64Url(segment)
  } catch (cause) {
    throw new TrustError('token_malformed', 'a part of the token is not canonical base64url', { cause })
  }
}

function parseJson(bytes: Bytes): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new TrustError('token_malformed', 'a part of the token is not JSON', { cause })
  }
}
