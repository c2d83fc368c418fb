import { contentDigest, verifyContentDigest } from './content-digest.ts'
import {
  DEFAULT_WINDOW_MS,
  malformed,
  readSignature,
  requireWindow,
  type ServiceKey,
  signatureFields,
  signatureMac,
  signatureParams,
  signatureProfile,
  singleField,
} from './http-signature.ts'
import { equalInConstantTime } from './mac.ts'
import { parseServiceKeyId } from './service-key-id.ts'
import { requireTarget, type ServiceTarget, type SignedFields } from './service-request.ts'
import { type FieldValues, signatureBase } from './signature-base.ts'
import { TrustError } from './trust-error.ts'

/*
 * Answers to the requests of service-request.ts, bound to the one request by its signature (RFC 9421 §2.4), which covers
 * its nonce, query and body. Both directions use the one key that caller and keeper share; the tags and the components
 * keep them apart, so a request cannot be sent back as an answer.
 */

const profile = signatureProfile(
  '("@status" "content-digest" "signature";req;key="redoubt" "@method";req "@authority";req "@path";req)',
  'redoubt-service-answer',
  false,
)

/** A request with the header fields it was sent with: the sender's own, or what a server has verified. */
export type SignedServiceRequest = ServiceTarget & { readonly headers: FieldValues }
/** An answer that arrived; only status and body are covered, a caller must not act upon its other headers. */
export type ServiceAnswer = { readonly status: number; readonly headers: FieldValues; readonly body: Uint8Array }

/**
 * The header fields to send with an answer. `request` must have been verified, and `key` must be the key it was signed
 * with. Throws `http_signature_malformed` or `_components` when status, key id or request do not have their form,
 * `key_invalid` when the key has not 32 bytes.
 */
export function signServiceAnswer(
  request: SignedServiceRequest,
  answer: {
    readonly status: number
    readonly body: Uint8Array
    readonly key: ServiceKey
    readonly now: Date
  },
): SignedFields {
  requireTarget(request)
  requireStatus(answer.status)
  const { keyid, secret } = answer.key
  parseServiceKeyId(keyid)
  const created = Math.floor(answer.now.getTime() / 1000)
  const params = signatureParams(profile, { created, keyid, nonce: '' })
  const digest = contentDigest(answer.body)
  const message = { status: answer.status, headers: { 'content-digest': digest } }
  const base = signatureBase(profile.components, params, message, request)
  return { 'content-digest': digest, ...signatureFields(params, signatureMac(secret, base)) }
}

/**
 * Verifies an answer before anything else looks at it, with the key the request was signed with. `windowMs` is how old it
 * may be (60 s unless given); it may be from 5 s ahead. Throws `http_signature_answer` when it is not an answer to this
 * request by somebody with this key, else `http_signature_malformed`, `_components`, `_window` or `_digest`.
 */
export function verifyServiceAnswer(
  request: SignedServiceRequest,
  answer: ServiceAnswer,
  {
    key,
    now,
    windowMs = DEFAULT_WINDOW_MS,
  }: { readonly key: ServiceKey; readonly now: Date; readonly windowMs?: number },
): void {
  requireTarget(request)
  requireStatus(answer.status)
  const digest = singleField(answer.headers, 'content-digest')
  const { keyid, created, params, mac } = readSignature(profile, answer.headers)
  if (keyid !== key.keyid)
    throw new TrustError('http_signature_answer', `the answer must be signed with ${key.keyid}, as its request was`)
  requireWindow(created, now, windowMs)
  const base = signatureBase(profile.components, params, answer, request)
  if (!equalInConstantTime(signatureMac(key.secret, base), mac))
    throw new TrustError('http_signature_answer', 'the signature is not one over this answer to this request')
  verifyContentDigest(digest, answer.body)
}

function requireStatus(status: number): void {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw malformed('the status of an answer is a whole number from 200 to 599')
}
