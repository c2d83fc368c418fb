import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitBody, splitJsonArray, splitLines } from './body.ts'
import { PayloadError, parsePayload } from './json.ts'

function fault(act: () => unknown): PayloadError {
  try {
    act()
  } catch (error) {
    if (error instanceof PayloadError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('parsePayload', () => {
  it('keeps every integer exact, as a number or as its digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (integer) => {
        const { id } = parsePayload(`{"id":${integer}}`) as { id: number | string }
        expect(BigInt(id)).toBe(integer)
        expect(String(BigInt(id))).toBe(String(integer))
      }),
    )
  })

  it('reads all other JSON as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        fc.pre(!/\d{16}/.test(text))
        expect(parsePayload(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('does not take digits inside a string or a fraction for an integer', () => {
    expect(parsePayload('{"a":"12345678901234567890","b":0.1234567890123456700,"c":1e300}')).toEqual({
      a: '12345678901234567890',
      b: 0.12345678901234566,
      c: 1e300,
    })
  })

  it('refuses nesting that would exhaust a reader’s stack, and names the place', () => {
    expect(parsePayload('['.repeat(64) + ']'.repeat(64))).toBeDefined()
    expect(fault(() => parsePayload('['.repeat(100_000)))).toMatchObject({ fault: 'too-deep', offset: 64 })
    expect(fault(() => parsePayload(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).fault).toBe('too-deep')
  })

  it('does not count brackets inside strings as nesting', () => {
    expect(parsePayload(JSON.stringify({ a: '[{'.repeat(500), b: '\\"[' }))).toEqual({ a: '[{'.repeat(500), b: '\\"[' })
  })

  it('says where a payload stops being JSON without repeating it', () => {
    const broken = fault(() => parsePayload('{"secret":"hunter2",}'))
    expect(broken).toMatchObject({ fault: 'not-json' })
    expect(broken.message).not.toContain('hunter2')
    expect(broken.offset).toBe(20)
    expect(fault(() => parsePayload(' \n ')).fault).toBe('empty')
  })

  it('reads a __proto__ key as an ordinary own key', () => {
    const value = parsePayload('{"__proto__":{"admin":true}}') as Record<string, unknown>
    expect(Object.hasOwn(value, '__proto__')).toBe(true)
    expect(value['admin']).toBeUndefined()
  })
})

describe('splitting a body', () => {
  it('gives the elements of an array byte for byte: joined they are the array again', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 12 }), (values) => {
        const text = JSON.stringify(values)
        expect(`[${splitJsonArray(text).join(',')}]`).toBe(text)
      }),
    )
  })

  it('keeps 64-bit digits, escapes and inner spaces of an element as they were sent', () => {
    expect(splitJsonArray(' [ {"a" : 18446744073709551615} ,"\\u00e9,]", [1, 2] ]\n')).toEqual([
      '{"a" : 18446744073709551615}',
      '"\\u00e9,]"',
      '[1, 2]',
    ])
  })

  it('leaves a bad element in its place, so that it is answered by its index', () => {
    expect(splitJsonArray('[1,,{bad},4]')).toEqual(['1', '', '{bad}', '4'])
    expect(fault(() => parsePayload('')).fault).toBe('empty')
  })

  it('refuses an array that does not close, with the element and the offset', () => {
    expect(fault(() => splitJsonArray('[{"a":1},{"b":'))).toMatchObject({ fault: 'unbalanced', offset: 9 })
    expect(fault(() => splitJsonArray('[1] trailing')).message).toContain('character 4')
    expect(fault(() => splitJsonArray('{"a":1}')).message).toContain('expected "["')
  })

  it('splits lines whatever the line ending and counts them from 1', () => {
    expect(splitLines('{"a":1}\r\n\n  {"b":2}\n')).toEqual([
      { position: 0, line: 1, offset: 0, text: '{"a":1}' },
      { position: 1, line: 3, offset: 12, text: '{"b":2}' },
    ])
  })

  it('tells one value printed over many lines from many values on lines of their own', () => {
    const value = { a: [{ b: '}\n{' }], c: { d: [1, [2]] } }
    expect(splitBody(JSON.stringify(value, null, 2))).toHaveLength(1)
    expect(splitBody(JSON.stringify([value, value], null, 2))).toHaveLength(2)
    expect(splitBody(`${JSON.stringify(value)}\n${JSON.stringify(value)}\n`)).toHaveLength(2)
    expect(splitBody('[1]\n[2]\n').map((part) => part.text)).toEqual(['[1]', '[2]'])
    expect(splitBody('\uFEFF{"a":1}')).toMatchObject([{ text: '{"a":1}' }])
  })

  it('any values on lines of their own come back as they were', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), { minLength: 2, maxLength: 8 }),
        (values) => {
          const lines = values.map((value) => JSON.stringify(value))
          expect(splitBody(lines.join('\n')).map((part) => part.text)).toEqual(lines)
        },
      ),
    )
  })

  it('a broken line does not take its neighbours with it', () => {
    const parts = splitBody('{"a":1}\n{"broken":"\n{"c":3}\n')
    expect(parts.map((part) => part.line)).toEqual([1, 2, 3])
    expect(parsePayload(parts[2]!.text)).toEqual({ c: 3 })
    expect(splitBody('{broken\n{"b":2}').map((part) => part.text)).toEqual(['{broken', '{"b":2}'])
    expect(fault(() => splitBody('  ')).fault).toBe('empty')
  })
})
