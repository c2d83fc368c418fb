import type { Json } from '@redoubt/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fillHeaders, fillJson, fillText, fillUrl } from './template.ts'

const hole = `$${'{{ v }}'}`
const given = (value: Json) => new Map([['v', value]])
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '@evil.test',
    '//evil.test',
    '\\\\evil.test',
    '#',
    '?a=b&c',
    '\r\nHost: evil',
    ':80',
    '/../..',
  ),
)

describe('a URL with values in it', () => {
  it('never leaves its host, its path prefix or its one segment, whatever the value', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        let url: URL
        try {
          url = fillUrl(`https://api.example.com:8443/v1/users/${hole}/keys?q=${hole}&last=1`, given(value))
        } catch (error) {
          expect(error).toMatchObject({ code: 'url' })
          return
        }
        expect(url.origin).toBe('https://api.example.com:8443')
        const segments = url.pathname.split('/')
        expect([segments.length, segments[2], segments[4]]).toEqual([5, 'users', 'keys'])
        expect([...url.searchParams.keys()]).toEqual(['q', 'last'])
        expect(url.searchParams.get('q')).toBe(value.toWellFormed())
        expect(url.hash).toBe('')
      }),
      { numRuns: 2000 },
    )
  })

  it('takes no template for a host, and nothing directly behind one', () => {
    for (const template of [
      `https://${hole}/`,
      `https://example.com${hole}`,
      `https://example.com:${hole}/`,
      `${hole}`,
      `https://a@b.example/${hole}`,
    ])
      expect(() => fillUrl(template, given('x')), template).toThrow()
  })
})

describe('a header with values in it', () => {
  it('stays one line of ASCII or is refused', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        try {
          expect(fillHeaders({ 'x-a': `b ${hole}` }, given(value))['x-a']).toMatch(/^[\t\x20-\x7e]*$/)
        } catch (error) {
          expect(error).toMatchObject({ code: 'header' })
        }
      }),
    )
    expect(() => fillHeaders({ 'x-a': hole }, given('a\r\nb: c'))).toThrow('line break')
  })
})

describe('text and JSON with values in them', () => {
  it('keep the type of a value that stands alone, and write it out within text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(fillJson({ a: [hole] }, given(value as Json))).toEqual({ a: [value] })
        expect(fillText(`<${hole}>`, given(value as Json))).toBe(
          `<${typeof value === 'string' ? value : JSON.stringify(value)}>`,
        )
      }),
    )
  })

  it('do not read templates out of values', () => {
    expect(fillText(hole, given(hole))).toBe(hole)
    expect(fillJson([hole], given(hole))).toEqual([hole])
  })

  it('keep a key named __proto__ a key', () => {
    const filled = fillJson(JSON.parse('{"__proto__":{"admin":true}}'), new Map())
    expect(JSON.stringify(filled)).toBe('{"__proto__":{"admin":true}}')
    expect(Object.getPrototypeOf(filled)).toBe(Object.prototype)
  })
})
