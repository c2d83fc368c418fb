import { randomBytes } from 'node:crypto'
import { contentDigest, verifyContentDigest } from './content-digest.ts'
import {
  CLOCK_AHEAD_MS,
  DEFAULT_WINDOW_MS,
  malformed,
  readSignature,
  requireNonce,
  requireWindow,
  type ServiceKey,
  type SignatureFields,
  signatureFields,
  signatureMac,
  signatureParams,
  signatureProfile,
  singleField,
} from './http-signature.ts'
import { equalInConstantTime } from './mac.ts'
import type { NonceAnswer, NonceStore } from './nonce-store.ts'
import type { Secret } from './secret.ts'
import { parseServiceKeyId } from './service-key-id.ts'
import { type FieldValues, signatureBase } from './signature-base.ts'
import { TrustError } from './trust-error.ts'

/*
 * Requests between services, signed by RFC 9421 under the profile of http-signature.ts. Nothing but method, authority,
 * path, query and body is covered: a receiver must not act upon any other header.
 */

const profile = signatureProfile('("@method" "@authority" "@path" "@query" "content-digest")', 'redoubt-service', true)

/** Where a request goes, exactly as on the wire: `authority` in lower case, `query` empty or with its `?`. */
export type ServiceTarget = {
  readonly method: string
  readonly authority: string
  readonly path: string
  readonly query: string
}
/**
 * A request that arrived. `authority` is the name this server was told to answer for, never the message's own Host: a
 * request to one replica or service would else be accepted by every other one. `body` is what was received, undecoded.
 */
export type ServiceRequest = ServiceTarget & { readonly headers: FieldValues; readonly body: Uint8Array }
export type SignedFields = SignatureFields & { readonly 'content-digest': string }

/** Where a verifier finds the key of an id, now; none when it is unknown, ended, or not allowed here. */
export type ServiceKeys = (keyid: string) => Secret<Uint8Array> | undefined | Promise<Secret<Uint8Array> | undefined>

/** A request that is what its sender sent, and was not seen before. */
export type VerifiedServiceRequest = {
  readonly keyid: string
  readonly service: string
  readonly nonce: string
  readonly created: Date
}

/** A nonce for one request: 128 random bits. */
export const createServiceNonce = (): string => randomBytes(16).toString('base64url')

/**
 * The header fields to send with a request. Throws `http_signature_malformed` when the target, key id or nonce does not
 * have its form, `key_invalid` when the key has not 32 bytes.
 */
export function signServiceRequest(
  request: ServiceTarget & {
    readonly body: Uint8Array
    readonly key: ServiceKey
    readonly now: Date
    readonly nonce: string
  },
): SignedFields {
  requireTarget(request)
  requireNonce(request.nonce)
  const { keyid, secret } = request.key
  parseServiceKeyId(keyid)
  const created = Math.floor(request.now.getTime() / 1000)
  const params = signatureParams(profile, { created, keyid, nonce: request.nonce })
  const digest = contentDigest(request.body)
  const base = signatureBase(profile.components, params, { ...request, headers: { 'content-digest': digest } })
  return { 'content-digest': digest, ...signatureFields(params, signatureMac(secret, base)) }
}

/**
 * Verifies a request before anything else looks at it. `windowMs` is how old it may be (60 s unless given); it may be
 * from 5 s ahead. Throws `http_signature_malformed`, `_components`, `_window`, `_key_unknown`, `_mac`, `_digest`,
 * `_replay` or `_nonces_full`.
 */
export async function verifyServiceRequest(
  request: ServiceRequest,
  options: {
    readonly keys: ServiceKeys
    readonly nonces: NonceStore
    readonly now: Date
    readonly windowMs?: number
  },
): Promise<VerifiedServiceRequest> {
  const { now, windowMs = DEFAULT_WINDOW_MS } = options
  requireTarget(request)
  const digest = singleField(request.headers, 'content-digest')
  const { keyid, nonce, created, params, mac } = readSignature(profile, request.headers)
  requireWindow(created, now, windowMs)
  const base = signatureBase(profile.components, params, request)
  const secret = await findKey(options.keys, keyid)
  if (!equalInConstantTime(signatureMac(secret, base), mac))
    throw new TrustError('http_signature_mac', `the signature is not one of ${keyid} over this request`)
  verifyContentDigest(digest, request.body)
  // Last: a stranger cannot fill the store, and an altered copy cannot use up the nonce of the true one.
  const expiresAt = new Date(created * 1000 + windowMs + CLOCK_AHEAD_MS)
  await takeNonce(options.nonces, keyid, nonce, expiresAt, now)
  return { keyid, service: parseServiceKeyId(keyid).service, nonce, created: new Date(created * 1000) }
}

/**
 * One spelling for each part, as RFC 9421 §2.2 would normalize it: what is not in normal form is refused, not mended.
 * An empty query and a bare `?` are signed alike, so only the first exists. Throws `http_signature_malformed`.
 */
export function requireTarget({ method, authority, path, query }: ServiceTarget): void {
  if (!/^[A-Z]{1,16}$/.test(method)) throw malformed('the method must be upper-case letters')
  if (!/^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?$/.test(authority))
    throw malformed('the authority must be a lower-case host, with its port if it is not the default one')
  if (!/^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(path))
    throw malformed('the path must begin with / and hold neither blanks, ? nor #')
  if (!/^(?:\?[\x21\x22\x24-\x7e]+)?$/.test(query))
    throw malformed('the query must be empty, or ? and at least one character, without blanks or #')
}

async function findKey(keys: ServiceKeys, keyid: string): Promise<Secret<Uint8Array>> {
  let secret: Secret<Uint8Array> | undefined
  try {
    secret = await keys(keyid)
  } catch (cause) {
    throw new TrustError('http_signature_key_unknown', `the key ${keyid} could not be looked up`, { cause })
  }
  if (secret === undefined) throw new TrustError('http_signature_key_unknown', `there is no key ${keyid} here`)
  return secret
}

/** Only `fresh` lets a request through: a store that is full, broken or says something else does not. */
async function takeNonce(nonces: NonceStore, keyid: string, nonce: string, expiresAt: Date, now: Date): Promise<void> {
  let answer: NonceAnswer
  try {
    answer = await nonces.take(keyid, nonce, expiresAt, now)
  } catch (cause) {
    throw new TrustError('http_signature_nonces_full', 'the nonce store cannot be reached', { cause })
  }
  if (answer === 'seen')
    throw new TrustError('http_signature_replay', `a request of ${keyid} with this nonce came before`)
  if (answer !== 'fresh') throw new TrustError('http_signature_nonces_full', 'the nonce store can remember no more')
}
