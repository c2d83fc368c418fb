import { randomBytes } from 'node:crypto'
import { type InnerList, parseDictionary, serializeInnerList } from 'structured-headers'
import { expect } from 'vitest'
import { signatureFields, signatureMac } from '../src/http-signature.ts'
import { MemoryNonces, type NonceStore } from '../src/nonce-store.ts'
import { Secret } from '../src/secret.ts'
import {
  type ServiceKeys,
  type ServiceRequest,
  type ServiceTarget,
  signServiceRequest,
  verifyServiceRequest,
} from '../src/service-request.ts'
import { coveredComponents, signatureBase } from '../src/signature-base.ts'
import type { TrustErrorCode } from '../src/trust-error.ts'

export const secret = new Secret<Uint8Array>(randomBytes(32))
export const key = { keyid: 'worker/3', secret }
export const now = new Date('2026-03-01T12:00:00.400Z')
export const created = 1772366400
export const nonce = 'AAECAwQFBgcICQoLDA0ODw'
export const target: ServiceTarget = {
  method: 'POST',
  authority: 'keeper.internal:4200',
  path: '/keys/open',
  query: '?a=1&b',
}
export const body = Buffer.from('{"organization":"o1"}')
export const covered = '("@method" "@authority" "@path" "@query" "content-digest")'
export const parameters = `created=${created};keyid="worker/3";nonce="${nonce}";tag="redoubt-service"`
export const params = `${covered};${parameters}`

export const signed = (change: Partial<ServiceTarget & { body: Uint8Array; nonce: string }> = {}): ServiceRequest => {
  const request = { ...target, body, ...change }
  return { ...request, headers: signServiceRequest({ nonce, ...request, key, now }) }
}
export const keys: ServiceKeys = (keyid) => (keyid === key.keyid ? secret : undefined)
export type Change = { keys?: ServiceKeys; nonces?: NonceStore; now?: Date; windowMs?: number }
export const verify = (request: ServiceRequest, change: Change = {}) =>
  verifyServiceRequest(request, { keys, nonces: new MemoryNonces(10), now, ...change })
export const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })
export const anyRefusal = expect.objectContaining({
  name: 'TrustError',
  code: expect.stringMatching(/^http_signature_/),
})

export const message = signed()
export const fields = signServiceRequest({ ...target, body, key, now, nonce })
export const input = fields['signature-input']
export const mac = fields.signature
/** The message with other headers. */
export const sent = (headers: { [name: string]: string | string[] | undefined }): ServiceRequest => ({
  ...message,
  headers: { ...fields, ...headers },
})
/** A message that the holder of the key has signed as the RFC allows but the profile does not. */
export function signedAs(list: string, change: Partial<ServiceRequest> = {}): ServiceRequest {
  const request = { ...message, ...change }
  const parsed = parseDictionary(`redoubt=${list}`).get('redoubt') as InnerList
  const base = signatureBase(coveredComponents(parsed), serializeInnerList(parsed), request, request)
  return { ...request, headers: { ...request.headers, ...signatureFields(list, signatureMac(secret, base)) } }
}
export const parameter = (from: string, to: string) => signedAs(params.replace(from, to))
export const withDigest = (digest: string) => signedAs(params, { headers: { ...fields, 'content-digest': digest } })
