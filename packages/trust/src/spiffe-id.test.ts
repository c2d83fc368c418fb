import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

const refusal = expect.objectContaining({ name: 'TrustError', code: 'spiffe_id' })
const organizationId = '018f3c1e-7b1a-7c00-8000-000000000001'
const runnerId = '018f3c1e-7b1a-7c00-8000-000000000002'

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/)
const trustDomain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
const id: fc.Arbitrary<SpiffeId> = fc.oneof(
  fc.record({
    trustDomain,
    kind: fc.constant('service' as const),
    name: fc.stringMatching(/^[a-z][a-z0-9]{0,10}(-[a-z0-9]{1,10}){0,3}$/),
  }),
  fc.record({ trustDomain, kind: fc.constant('runner' as const), organizationId: fc.uuid(), runnerId: fc.uuid() }),
)

describe('SPIFFE IDs', () => {
  test('have one spelling: what is formatted is read back as the same identity', () => {
    fc.assert(
      fc.property(id, (each) => {
        expect(parseSpiffeId(formatSpiffeId(each))).toEqual(each)
      }),
    )
  })

  test('no other text is accepted as an identity: one changed character never names the same one', () => {
    fc.assert(
      fc.property(id, fc.nat(), fc.string({ minLength: 0, maxLength: 2 }), (each, at, put) => {
        const text = formatSpiffeId(each)
        const where = at % (text.length + 1)
        const altered = text.slice(0, where) + put + text.slice(where + 1)
        fc.pre(altered !== text)
        try {
          expect(parseSpiffeId(altered)).not.toEqual(each)
          expect(formatSpiffeId(parseSpiffeId(altered))).toBe(altered)
        } catch (error) {
          expect(error).toEqual(refusal)
        }
      }),
    )
  })

  test.each([
    ['nothing', ''],
    ['another scheme', 'https://example.org/service/api'],
    ['an upper-case scheme', 'SPIFFE://example.org/service/api'],
    ['an upper-case trust domain', 'spiffe://Example.org/service/api'],
    ['a port', 'spiffe://example.org:443/service/api'],
    ['a user', 'spiffe://admin@example.org/service/api'],
    ['an empty trust domain', 'spiffe:///service/api'],
    ['a trust domain that begins with a dot', 'spiffe://.example.org/service/api'],
    ['an empty label', 'spiffe://example..org/service/api'],
    ['a query', 'spiffe://example.org/service/api?as=keeper'],
    ['a fragment', 'spiffe://example.org/service/api#keeper'],
    ['percent-encoding', 'spiffe://example.org/service/%61pi'],
    ['percent-encoding in the trust domain', 'spiffe://example%2eorg/service/api'],
    ['no path', 'spiffe://example.org'],
    ['an empty path', 'spiffe://example.org/'],
    ['no name', 'spiffe://example.org/service/'],
    ['an empty segment', 'spiffe://example.org//service/api'],
    ['an empty segment inside', 'spiffe://example.org/service//api'],
    ['a trailing slash', 'spiffe://example.org/service/api/'],
    ['a dot segment', 'spiffe://example.org/service/./api'],
    ['a parent segment', 'spiffe://example.org/service/../service/api'],
    ['a segment more', 'spiffe://example.org/service/api/admin'],
    ['an upper-case service', 'spiffe://example.org/service/API'],
    ['another kind', 'spiffe://example.org/user/api'],
    ['a line feed', 'spiffe://example.org/service/api\n'],
    ['a NUL', 'spiffe://example.org/service/api\u0000'],
    ['a letter that looks like another', 'spiffe://example.org/service/\u0430pi'],
    ['a runner without its organization', `spiffe://example.org/runner/${runnerId}`],
    ['a runner with an upper-case id', `spiffe://example.org/runner/${organizationId}/${runnerId.replace('c', 'C')}`],
    ['a runner with more', `spiffe://example.org/runner/${organizationId}/${runnerId}/x`],
  ])('%s is refused', (_what, text) => {
    expect(() => parseSpiffeId(text)).toThrow(refusal)
  })

  test('a trust domain may have 255 bytes and no more; an identity of more than 2048 is refused', () => {
    const longest = `${'a'.repeat(127)}.${'b'.repeat(127)}`
    expect(parseSpiffeId(`spiffe://${longest}/service/api`)).toMatchObject({ trustDomain: longest })
    expect(() => parseSpiffeId(`spiffe://${longest}c/service/api`)).toThrow(refusal)
    expect(() => parseSpiffeId(`spiffe://example.org/service/${'a'.repeat(2048)}`)).toThrow(refusal)
  })

  test('parts that would smuggle in another identity are not formatted', () => {
    const service = { trustDomain: 'example.org', kind: 'service', name: 'api' } as const
    expect(formatSpiffeId(service)).toBe('spiffe://example.org/service/api')
    expect(() => formatSpiffeId({ ...service, name: 'api/../keeper' })).toThrow(refusal)
    expect(() => formatSpiffeId({ ...service, trustDomain: 'evil.org/service/keeper?' })).toThrow(refusal)
  })
})
