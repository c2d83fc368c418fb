import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listVectors, readVectors, vectorsAbsent } from '../test/outside-data.ts'
import { canonicalJson, canonicalSha256 } from './canonical-json.ts'

describe('canonicalJson', () => {
  test.skipIf(vectorsAbsent)('gives the published RFC 8785 bytes', () => {
    const names = listVectors('jcs/input')
    expect(names.length).toBeGreaterThanOrEqual(6)
    for (const name of names) {
      const value: unknown = JSON.parse(readVectors(`jcs/input/${name}`).toString('utf8'))
      expect(Buffer.from(canonicalJson(value)), name).toEqual(readVectors(`jcs/output/${name}`))
    }
  })

  test('keeps the value and forgets the order of members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const wellFormed: unknown = JSON.parse(JSON.stringify(value).toWellFormed())
        fc.pre(JSON.stringify(wellFormed) === JSON.stringify(value) && !JSON.stringify(value).includes('\\ud'))
        const text = canonicalJson(value)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
        expect(canonicalJson(reversed(value))).toBe(text)
      }),
    )
  })

  const circular: { self?: unknown } = {}
  circular.self = circular
  test.each<[string, unknown, string]>([
    ['undefined', { a: undefined }, '$.a: undefined'],
    ['undefined in a list', { a: [1, undefined] }, '$.a[1]: undefined'],
    ['a hole', new Array(2), '$[0]: undefined'],
    ['bigint', { a: [{ 'b-c': 1n }] }, '$.a[0]["b-c"]: bigint'],
    ['NaN', [Number.NaN], '$[0]: NaN'],
    ['Infinity', { a: Number.NEGATIVE_INFINITY }, '$.a: -Infinity'],
    ['a lone surrogate', { a: '\ud800' }, '$.a: a lone surrogate'],
    ['a lone surrogate in a key', { a: { '\udc00': 1 } }, '$.a: a key with a lone surrogate'],
    ['a function', { a: () => 1 }, '$.a: function'],
    ['a symbol', { a: Symbol('s') }, '$.a: symbol'],
    ['a symbol key', { [Symbol('s')]: 1 }, '$: symbol keys'],
    ['a Date', { at: new Date(0) }, '$.at: only plain objects'],
    ['a Map', new Map(), '$: only plain objects'],
    ['a circle', circular, 'nested deeper than 200, or circular'],
  ])('refuses %s and says where', (_name, value, message) => {
    expect(() => canonicalJson(value)).toThrow(
      expect.objectContaining({ code: 'canonical_json', message: expect.stringContaining(message) }),
    )
  })

  test('hashes the UTF-8 bytes of the canonical text', () => {
    // printf '{"a":"€"}' | sha256sum
    expect(canonicalSha256({ a: '€' })).toBe('db8566e7dc218a6795f689fe26667214b263a2443d9966d00742cbd38019c33e')
    expect(canonicalSha256({ b: 1, a: -0 })).toBe(canonicalSha256({ a: 0, b: 1 }))
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, child]) => [key, reversed(child)]),
  )
}
