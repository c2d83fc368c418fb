import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDer, tag, writeDer } from './der.ts'
import { TrustError } from './trust-error.ts'

const refusal = expect.objectContaining({ name: 'TrustError', code: 'encoding' })
const hex = (text: string) => Buffer.from(text, 'hex')

test('what is written is read back, and nothing else is read', () => {
  const value = fc.tuple(fc.constantFrom(0x02, 0x04, 0x30, 0x86, 0xa0), fc.uint8Array({ maxLength: 300 }))
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), (values) => {
      const bytes = Buffer.concat(values.map(([each, content]) => writeDer(each, content)))
      expect(readDer(bytes)).toEqual(values.map(([each, content]) => ({ tag: each, content: Buffer.from(content) })))
    }),
  )
  const long = new Uint8Array(65_535)
  expect(readDer(writeDer(tag.octetString, long))[0]?.content.length).toBe(65_535)
  expect(() => writeDer(tag.octetString, long, new Uint8Array(1))).toThrow(refusal)
})

test('bytes that are read are the only spelling of what they say', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        const again = readDer(bytes).map((value) => writeDer(value.tag, value.content))
        expect(Buffer.concat(again)).toEqual(Buffer.from(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(TrustError)
      }
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['a length in two bytes that fits in one', '0481050102030405'],
  ['a length with a leading zero', '0482000102'],
  ['an open end', '308000000000'],
  ['a value that is cut', '040301'],
  ['a length that is cut', '0482ff'],
  ['a tag alone', '04'],
  ['a tag of several bytes', '1f810100'],
  ['a length of four bytes', '0484000000ff'],
  ['something left over', '0500ff'],
])('%s is refused', (_what, text) => {
  expect(() => readDer(hex(text))).toThrow(refusal)
})
