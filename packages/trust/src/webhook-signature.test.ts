import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TrustErrorCode } from './trust-error.ts'
import { formatWebhookSecret, signWebhook, verifyWebhook } from './webhook-signature.ts'

// The vector of the Standard Webhooks reference libraries.
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek'
const body = Buffer.from('{"test": 2432232314}')
const sentAt = 1614265330
const published = {
  'webhook-id': id,
  'webhook-timestamp': String(sentAt),
  'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
}
const at = (seconds: number) => new Date((sentAt + seconds) * 1000)
const now = at(0)
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })
const verify = (change: object, content: Uint8Array = body, when = now, secrets = [secret]) =>
  verifyWebhook({ ...published, ...change }, content, { secrets, now: when })

describe('Standard Webhooks', () => {
  test('signs the published delivery to the published signature, and verifies it', () => {
    expect(signWebhook({ id, now, body }, secret)).toEqual(published)
    expect(verify({})).toEqual({ id, timestamp: now })
  })

  test('verifies whatever it signed, with either secret of a rotation, and refuses any altered byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (content, where) => {
        const [older, newer] = [formatWebhookSecret(randomBytes(32)), formatWebhookSecret(randomBytes(24))]
        const headers = signWebhook({ id, now, body: content }, older)
        expect(verify(headers, content, now, [newer, older])).toBeTruthy()
        const altered = content.map((byte, index) => (index === where % content.length ? byte ^ 1 : byte))
        expect(() => verify(headers, altered, now, [newer, older])).toThrow(refusal('webhook_signature'))
        expect(() => verify(headers, content, now, [newer])).toThrow(refusal('webhook_signature'))
      }),
    )
  })

  test('finds its signature among others and does not take another version for its own', () => {
    const own = published['webhook-signature']
    const foreign = `v1,${randomBytes(32).toString('base64')}`
    expect(verify({ 'webhook-signature': `v1a,AAAA ${foreign} ${own}` })).toBeTruthy()
    for (const list of [foreign, own.replace('v1,', 'v2,'), own.slice(0, -4), `${own}A`, own.replace(',', ', '), ''])
      expect(() => verify({ 'webhook-signature': list }), list).toThrow(refusal('webhook_signature'))
  })

  test('is refused with another id, or the id and time divided elsewhere', () => {
    expect(() => verify({ 'webhook-id': 'other' })).toThrow(refusal('webhook_signature'))
    expect(() => verify({ 'webhook-timestamp': String(sentAt + 1) })).toThrow(refusal('webhook_signature'))
    expect(() => verify({ 'webhook-id': `${id}.${sentAt}` })).toThrow(refusal('webhook_malformed'))
    expect(() => signWebhook({ id: 'a.b', now, body }, secret)).toThrow(refusal('webhook_malformed'))
  })

  test('counts for five minutes in both directions', () => {
    for (const seconds of [-300, 300]) expect(verify({}, body, at(seconds))).toBeTruthy()
    for (const seconds of [-301, 301]) expect(() => verify({}, body, at(seconds))).toThrow(refusal('webhook_timestamp'))
    expect(() => verify({}, body, new Date(Number.NaN))).toThrow(refusal('webhook_timestamp'))
  })

  test('is refused when a header is missing, doubled or not of its form', () => {
    for (const name of Object.keys(published))
      for (const value of [undefined, [published['webhook-id'], 'other']])
        expect(() => verify({ [name]: value })).toThrow(refusal('webhook_malformed'))
    for (const time of ['', 'now', '1614265330.0', ' 1614265330', '+1614265330', '0x60383A32', '1e9'])
      expect(() => verify({ 'webhook-timestamp': time }), time).toThrow(refusal('webhook_malformed'))
    expect(() => verify({ 'webhook-signature': 'v1,x '.repeat(20) })).toThrow(refusal('webhook_malformed'))
  })

  test('takes no secret that is short, unmarked or not base64', () => {
    for (const wrong of [
      '',
      'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'whsec_',
      'whsec_c2hvcnQ=',
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa*w',
    ])
      expect(() => verify({}, body, now, [wrong])).toThrow(refusal('webhook_secret'))
    expect(() => verify({}, body, now, [])).toThrow(refusal('webhook_signature'))
  })
})
