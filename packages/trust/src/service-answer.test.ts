import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { type InnerList, parseDictionary, serializeInnerList } from 'structured-headers'
import { describe, expect, test } from 'vitest'
import { contentDigest } from './content-digest.ts'
import { signatureFields, signatureMac } from './http-signature.ts'
import { MemoryNonces } from './nonce-store.ts'
import { Secret } from './secret.ts'
import {
  type ServiceAnswer,
  type SignedServiceRequest,
  signServiceAnswer,
  verifyServiceAnswer,
} from './service-answer.ts'
import { createServiceNonce, signServiceRequest, verifyServiceRequest } from './service-request.ts'
import { coveredComponents, signatureBase } from './signature-base.ts'
import type { TrustErrorCode } from './trust-error.ts'

const secret = new Secret<Uint8Array>(randomBytes(32))
const key = { keyid: 'worker/3', secret }
const now = new Date('2026-03-01T12:00:00Z')
const created = 1772366400
const target = { method: 'POST', authority: 'keeper.internal', path: '/keys/open', query: '?a=1' }
const asked = Buffer.from('{}')
const requested = (change: object = {}): SignedServiceRequest => {
  const request = { ...target, body: asked, key, now, nonce: createServiceNonce(), ...change }
  const { method, authority, path, query } = request
  return { method, authority, path, query, headers: signServiceRequest(request) }
}
const request = requested()
const body = Buffer.from('{"key":"k1"}')
const answered = (to = request, status = 200, content: Uint8Array = body): ServiceAnswer => ({
  status,
  body: content,
  headers: signServiceAnswer(to, { status, body: content, key, now }),
})
const answer = answered()
const fields = signServiceAnswer(request, { status: 200, body, key, now })
const input = fields['signature-input']
const covered = '("@status" "content-digest" "signature";req;key="redoubt" "@method";req "@authority";req "@path";req)'
const params = `${covered};created=${created};keyid="worker/3";tag="redoubt-service-answer"`
const verify = (to: SignedServiceRequest, received: ServiceAnswer, change: object = {}) =>
  verifyServiceAnswer(to, received, { key, now, ...change })
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })
const anyRefusal = expect.objectContaining({ name: 'TrustError', code: expect.stringMatching(/^http_signature_/) })

const sent = (headers: object): ServiceAnswer => ({ ...answer, headers: { ...fields, ...headers } })
/** An answer that the holder of the key has signed as the RFC allows but the profile does not. */
function signedAs(list: string, change: Partial<ServiceAnswer> = {}): ServiceAnswer {
  const received = { ...answer, ...change }
  const parsed = parseDictionary(`redoubt=${list}`).get('redoubt') as InnerList
  const base = signatureBase(coveredComponents(parsed), serializeInnerList(parsed), received, request)
  return { ...received, headers: { ...received.headers, ...signatureFields(list, signatureMac(secret, base)) } }
}
const parameter = (from: string, to: string) => signedAs(params.replace(from, to))

describe('a signed answer to a service', () => {
  test('carries the exact fields of the profile, and is verified by the sender of its request', () => {
    expect(input).toBe(`redoubt=${params}`)
    expect(fields['content-digest']).toBe(contentDigest(body))
    expect(() => verify(request, answer)).not.toThrow()
    expect(() => verify(request, signedAs(params)), 'the control of signedAs').not.toThrow()
    for (const status of [204, 304, 403, 599])
      expect(() => verify(request, answered(request, status, Buffer.alloc(0)))).not.toThrow()
  })

  test.each<[string, TrustErrorCode, () => ServiceAnswer, object?]>([
    ['no signature', 'http_signature_malformed', () => ({ ...answer, headers: {} })],
    ['no content-digest', 'http_signature_malformed', () => sent({ 'content-digest': undefined })],
    [
      'its signature in two lines',
      'http_signature_malformed',
      () => sent({ signature: [fields.signature, fields.signature] }),
    ],
    [
      'a broken second signature',
      'http_signature_malformed',
      () => sent({ 'signature-input': `${input}, a=()`, signature: `${fields.signature}, a=:AAAA:` }),
    ],
    [
      'a broken first signature',
      'http_signature_malformed',
      () => sent({ 'signature-input': `a=(), ${input}`, signature: `a=:AAAA:, ${fields.signature}` }),
    ],
    [
      'another label',
      'http_signature_malformed',
      () => sent({ 'signature-input': input.replace('redoubt', 'answer') }),
    ],
    ['a blank at its end', 'http_signature_malformed', () => sent({ 'signature-input': `${input} ` })],
    ['the status not covered', 'http_signature_components', () => parameter('"@status" ', '')],
    ['the digest not covered', 'http_signature_components', () => parameter('"content-digest" ', '')],
    [
      'the signature of the request not covered',
      'http_signature_components',
      () => parameter('"signature";req;key="redoubt" ', ''),
    ],
    ['the method of the request not covered', 'http_signature_components', () => parameter('"@method";req ', '')],
    ['all signatures of the request covered', 'http_signature_components', () => parameter(';key="redoubt"', '')],
    [
      'its parameters in another order',
      'http_signature_components',
      () => parameter(`created=${created};keyid="worker/3"`, `keyid="worker/3";created=${created}`),
    ],
    [
      'the flags of a component in another order',
      'http_signature_components',
      () => parameter('req;key="redoubt"', 'key="redoubt";req'),
    ],
    ['a nonce', 'http_signature_components', () => parameter(';tag', ';nonce="AAECAwQFBgcICQoLDA0ODw";tag')],
    ['an alg', 'http_signature_components', () => parameter(';tag', ';alg="hmac-sha256";tag')],
    ['the tag of requests', 'http_signature_components', () => parameter('redoubt-service-answer', 'redoubt-service')],
    [
      'the fields of its own request',
      'http_signature_components',
      () => ({ ...answer, headers: request.headers, body: asked }),
    ],
    ['the key of another service', 'http_signature_answer', () => parameter('worker/3', 'web/3')],
    ['another version of the key', 'http_signature_answer', () => parameter('worker/3', 'worker/4')],
    [
      'a MAC by another key',
      'http_signature_answer',
      () => answer,
      { key: { keyid: 'worker/3', secret: new Secret(randomBytes(32)) } },
    ],
    ['a short key', 'key_invalid', () => answer, { key: { keyid: 'worker/3', secret: new Secret(randomBytes(16)) } }],
    ['another status', 'http_signature_answer', () => ({ ...answer, status: 201 })],
    ['no final status', 'http_signature_malformed', () => signedAs(params, { status: 100 })],
    ['a status that is no number', 'http_signature_malformed', () => ({ ...answer, status: Number.NaN })],
    ['another body', 'http_signature_digest', () => ({ ...answer, body: Buffer.from('{"key":"k2"}') })],
    [
      'another body and its digest',
      'http_signature_answer',
      () => ({ ...sent({ 'content-digest': contentDigest(asked) }), body: asked }),
    ],
    [
      'a signed digest by sha-512',
      'http_signature_digest',
      () => signedAs(params, { headers: { ...fields, 'content-digest': contentDigest(body, 'sha-512') } }),
    ],
    ['too great an age', 'http_signature_window', () => answer, { now: new Date(created * 1000 + 60_001) }],
    [
      'too great an age for a shorter window',
      'http_signature_window',
      () => answer,
      { now: new Date(created * 1000 + 2_000), windowMs: 1_000 },
    ],
    ['a time too far ahead', 'http_signature_window', () => answer, { now: new Date(created * 1000 - 5_001) }],
  ])('is refused with %s (%s)', (_name, code, hostile, change = {}) => {
    expect(() => verify(request, hostile(), change)).toThrow(refusal(code))
  })

  test.each<[string, () => SignedServiceRequest]>([
    ['sent again with another nonce', () => requested()],
    ['with another query', () => requested({ query: '?a=2' })],
    ['with another body', () => requested({ body: Buffer.from('[]') })],
    ['by another method', () => ({ ...request, method: 'GET' })],
    ['to another authority', () => ({ ...request, authority: 'keeper2.internal' })],
    ['to another path', () => ({ ...request, path: '/keys/drop' })],
  ])('is refused as the answer to the same request %s', (_name, other) => {
    expect(() => verify(other(), answer)).toThrow(refusal('http_signature_answer'))
  })

  test('is not signed for a request without one signature', () => {
    const unsigned = { ...target, headers: {} }
    expect(() => answered(unsigned)).toThrow(refusal('http_signature_components'))
    expect(() => verify(unsigned, answer)).toThrow(refusal('http_signature_components'))
    expect(() => answered({ ...target, headers: { signature: 'none' } })).toThrow(refusal('http_signature_components'))
  })

  test.each([0, 100, 199, 600, 200.5, Number.NaN])('is not signed with the status %d', (status) => {
    expect(() => answered(request, status)).toThrow(refusal('http_signature_malformed'))
  })

  test('does not pass as a request', async () => {
    const reflected = { ...target, headers: fields, body }
    const options = { keys: () => secret, nonces: new MemoryNonces(1), now }
    await expect(verifyServiceRequest(reflected, options)).rejects.toThrow(refusal('http_signature_components'))
  })

  test('is refused after any change of one character of a covered field or one byte of the body', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(fields)), fc.nat(), fc.nat({ max: 0x7e }), (name, where, letter) => {
        const value = fields[name as keyof typeof fields]
        const at = where % (value.length + 1)
        const text = value.slice(0, at) + String.fromCharCode(letter) + value.slice(at + 1)
        if (text !== value) expect(() => verify(request, sent({ [name]: text }))).toThrow(anyRefusal)
        const altered = body.map((byte, index) => (index === where % body.length ? byte ^ (letter || 1) : byte))
        expect(() => verify(request, { ...answer, body: altered })).toThrow(refusal('http_signature_digest'))
      }),
      { numRuns: 500 },
    )
  })

  test('belongs to its one request and status among any others', () => {
    const parts = fc.record({
      method: fc.constantFrom('GET', 'POST'),
      path: fc.constantFrom('/a', '/b'),
      query: fc.constantFrom('', '?a', '?b'),
      body: fc.uint8Array({ maxLength: 2 }),
    })
    fc.assert(
      fc.property(
        parts,
        parts,
        fc.integer({ min: 200, max: 599 }),
        fc.integer({ min: 200, max: 599 }),
        (a, b, s, t) => {
          const [one, other] = [requested(a), requested(b)]
          const received = answered(one, s)
          expect(() => verify(one, received)).not.toThrow()
          expect(() => verify(other, received)).toThrow(refusal('http_signature_answer'))
          if (s !== t) expect(() => verify(one, { ...received, status: t })).toThrow(refusal('http_signature_answer'))
        },
      ),
    )
  })
})
