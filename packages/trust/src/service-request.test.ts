import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  anyRefusal,
  body,
  covered,
  created,
  fields,
  input,
  type key,
  mac,
  message,
  nonce,
  now,
  params,
  refusal,
  secret,
  sent,
  signed,
  signedAs,
  target,
  verify,
} from '../test/service-request-fixture.ts'
import { contentDigest } from './content-digest.ts'
import { MemoryNonces, type NonceStore } from './nonce-store.ts'
import { Secret } from './secret.ts'
import { createServiceNonce, type ServiceRequest, signServiceRequest } from './service-request.ts'
import type { TrustErrorCode } from './trust-error.ts'

const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
  authority: fc.stringMatching(/^[a-z0-9]{1,10}(\.[a-z]{1,5})?(:[1-9][0-9]{0,3})?$/),
  path: fc.stringMatching(/^\/[a-zA-Z0-9%/._~-]{0,20}$/),
  query: fc.stringMatching(/^(\?[a-zA-Z0-9%&=+]{1,20})?$/),
  nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
  body: fc.uint8Array({ maxLength: 40 }),
})
const signWith = (other: typeof key) => signServiceRequest({ ...target, body, key: other, now, nonce })

describe('a signed request between services', () => {
  test('carries the exact fields of the profile', () => {
    expect(input).toBe(`redoubt=${params}`)
    expect(fields['content-digest']).toBe(contentDigest(body))
    expect(mac).toMatch(/^redoubt=:[A-Za-z0-9+/]{43}=:$/)
  })

  test('is verified, by whose key, with its nonce and time', async () => {
    const verified = { keyid: 'worker/3', service: 'worker', nonce, created: new Date(created * 1000) }
    expect(await verify(message)).toEqual(verified)
    expect(await verify(signedAs(params)), 'the control of signedAs').toEqual(verified)
    expect(await verify(message, { keys: async () => secret })).toEqual(verified)
  })

  test('is verified whatever its target, nonce and body, the empty one included', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        expect(await verify(signed(request))).toMatchObject({ nonce: request.nonce })
      }),
    )
    expect(signed({ body: Buffer.alloc(0) }).headers['content-digest']).toBe(contentDigest(Buffer.alloc(0)))
  })

  test('counts from 5 s before its creation to the end of its window', async () => {
    for (const at of [-5_000, 0, 60_000]) await verify(message, { now: new Date(created * 1000 + at) })
    await verify(message, { now: new Date(created * 1000 + 120_000), windowMs: 120_000 })
  })

  test('is refused the second time as a replay for as long as it would be accepted', async () => {
    for (const [first, second] of [
      [0, 0],
      [0, 60_000],
      [-5_000, 60_000],
    ] as const) {
      const nonces = new MemoryNonces(10)
      await verify(message, { nonces, now: new Date(created * 1000 + first) })
      await expect(verify(message, { nonces, now: new Date(created * 1000 + second) })).rejects.toThrow(
        refusal('http_signature_replay'),
      )
    }
  })

  test('asks the store to remember it past its window by as much as clocks may differ', async () => {
    const asked: unknown[] = []
    const nonces: NonceStore = {
      take: async (...question) => {
        asked.push(question)
        return 'fresh'
      },
    }
    await verify(message, { nonces })
    expect(asked).toEqual([['worker/3', nonce, new Date(created * 1000 + 65_000), now]])
  })

  test('passes once of many that arrive at one moment', async () => {
    const nonces = new MemoryNonces(10)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => verify(message, { nonces })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('is refused when the nonce store is full, unreachable or answers something else', async () => {
    const full = new MemoryNonces(1)
    await verify(signed({ nonce: createServiceNonce() }), { nonces: full })
    const stores: NonceStore[] = [
      full,
      { take: () => Promise.reject(new Error('no connection')) },
      { take: async () => 'ok' as 'fresh' },
      { take: async () => undefined as unknown as 'fresh' },
    ]
    for (const nonces of stores)
      await expect(verify(message, { nonces })).rejects.toThrow(refusal('http_signature_nonces_full'))
  })

  test('is refused after any change of one character of what is covered, or one byte of the body', async () => {
    await fc.assert(
      fc.asyncProperty(requests, fc.nat(), fc.nat({ max: 0x7e }), async (original, where, letter) => {
        const request = signed(original)
        for (const part of ['method', 'authority', 'path', 'query'] as const)
          await refusedIfOther(request[part], (text) => ({ ...request, [part]: text }))
        for (const [name, value] of Object.entries(request.headers))
          await refusedIfOther(String(value), (text) => ({ ...request, headers: { ...request.headers, [name]: text } }))
        if (request.body.length === 0) return
        const altered = request.body.map((byte, at) =>
          at === where % request.body.length ? byte ^ (letter || 1) : byte,
        )
        await expect(verify({ ...request, body: altered })).rejects.toThrow(refusal('http_signature_digest'))

        async function refusedIfOther(value: string, change: (text: string) => ServiceRequest): Promise<void> {
          const at = where % (value.length + 1)
          const replaced = value.slice(0, at) + String.fromCharCode(letter) + value.slice(at + 1)
          const inserted = value.slice(0, at) + String.fromCharCode(letter) + value.slice(at)
          const removed = value.slice(0, at) + value.slice(at + 1)
          for (const text of [replaced, inserted, removed])
            if (text !== value) await expect(verify(change(text)), text).rejects.toThrow(anyRefusal)
        }
      }),
    )
  })

  test('is refused under any other method, authority, path, query or body', async () => {
    await fc.assert(
      fc.asyncProperty(requests, requests, async (one, other) => {
        const request = signed(one)
        for (const part of ['method', 'authority', 'path', 'query', 'body'] as const) {
          if (Buffer.from(one[part]).equals(Buffer.from(other[part]))) continue
          await expect(verify({ ...request, [part]: other[part] })).rejects.toThrow(
            refusal(part === 'body' ? 'http_signature_digest' : 'http_signature_mac'),
          )
        }
      }),
    )
  })

  test('any text in its headers is refused with a code of this package', async () => {
    const pieces = fc.constantFrom(
      input,
      mac,
      covered,
      'redoubt',
      '=',
      ';',
      '(',
      ')',
      ':',
      '"',
      ',',
      ' ',
      '@1',
      '%"a"',
      '?1',
      '1.5',
    )
    const text = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(fields)), text, async (name, parts) => {
        const value = parts.join('')
        fc.pre(value !== fields[name as keyof typeof fields])
        await expect(verify(sent({ [name]: value }))).rejects.toThrow(anyRefusal)
      }),
      { numRuns: 500 },
    )
  })

  test.each<[string, TrustErrorCode, () => unknown]>([
    ['a target that is not normal', 'http_signature_malformed', () => signed({ path: 'keys' })],
    ['a nonce of another form', 'http_signature_malformed', () => signed({ nonce: '1' })],
    ['a key id of another form', 'http_signature_malformed', () => signWith({ keyid: 'worker";alg="none', secret })],
    ['a key of 31 bytes', 'key_invalid', () => signWith({ keyid: 'worker/3', secret: new Secret(randomBytes(31)) })],
    ['a key of 33 bytes', 'key_invalid', () => signWith({ keyid: 'worker/3', secret: new Secret(randomBytes(33)) })],
  ])('is not signed with %s', (_name, code, attempt) => {
    expect(attempt).toThrow(refusal(code))
  })
})

test('a service nonce has the form that verifiers demand, and is another one each time', async () => {
  const nonces = Array.from({ length: 100 }, createServiceNonce)
  expect(new Set(nonces).size).toBe(100)
  for (const each of nonces) await verify(signed({ nonce: each }))
})
