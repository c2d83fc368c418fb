import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blindIndex, deriveIndexKey, type IndexedColumn, normalEmail, normalIp, normalPhone } from './blind-index.ts'
import { SecretBytes } from './secret-bytes.ts'

const secret = () => new SecretBytes(new Uint8Array(32).fill(9))
const column: IndexedColumn = {
  organizationId: '0199a000-7000-7000-8000-000000000001',
  table: 'people',
  column: 'email',
}
const key = deriveIndexKey(secret(), column)
const refused = (code: string) => expect.objectContaining({ code })

describe('a blind index', () => {
  test('is equal for equal values and for no others', () => {
    const value = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(blindIndex(deriveIndexKey(secret(), column), a).equals(blindIndex(key, a))).toBe(true)
        expect(blindIndex(key, a).equals(blindIndex(key, b))).toBe(a === b)
      }),
    )
  })

  test('is another one for each organization, table, column and secret', () => {
    const others = [
      deriveIndexKey(secret(), { ...column, organizationId: '0199a000-7000-7000-8000-000000000002' }),
      deriveIndexKey(secret(), { ...column, table: 'contacts' }),
      deriveIndexKey(secret(), { ...column, column: 'phone' }),
      deriveIndexKey(secret(), { ...column, table: 'peoplee', column: 'mail' }),
      deriveIndexKey(new SecretBytes(new Uint8Array(32).fill(8)), column),
    ]
    const indexes = [key, ...others].map((each) => blindIndex(each, 'ana@example.org').toString('hex'))
    expect(new Set(indexes).size).toBe(indexes.length)
  })

  test('tells nothing of how alike two values are: one changed bit changes about half of its 128', () => {
    let changed = 0
    const samples = 2000
    for (let sample = 0; sample < samples; sample++) {
      const one = blindIndex(key, `user-${sample * 2}@example.org`)
      const near = blindIndex(key, `user-${sample * 2 + 1}@example.org`)
      changed += one.reduce((bits, byte, at) => bits + bitsOf(byte ^ (near[at] ?? 0)), 0)
      expect(one.length).toBe(16)
    }
    // A fair coin thrown 256 000 times is within 1 % of a half with a certainty beyond all doubt.
    expect(changed / (samples * 128)).toBeCloseTo(0.5, 2)
  })

  test('is not made of nothing, of half a character, or of a short or dropped key', () => {
    expect(() => blindIndex(key, '')).toThrow(refused('index_value'))
    expect(() => blindIndex(key, '\udc00')).toThrow(refused('index_value'))
    expect(() => deriveIndexKey(new SecretBytes(new Uint8Array(16)), column)).toThrow(refused('key_invalid'))
    expect(() => deriveIndexKey(secret(), { ...column, table: '' })).toThrow(refused('encoding'))
    const dropped = deriveIndexKey(secret(), column)
    dropped.drop()
    expect(() => blindIndex(dropped, 'a')).toThrow(refused('key_dropped'))
  })
})

describe('normal forms', () => {
  test.each([
    ['Ana.Diaz@Example.ORG', 'ana.diaz@example.org'],
    ['  ana@example.org\n', 'ana@example.org'],
    ['Jose\u0301@example.org', 'jos\u00e9@example.org'],
    ['JOS\u00c9@example.org', 'jos\u00e9@example.org'],
  ])('e-mail %j is %j', (text, normal) => {
    expect(normalEmail(text)).toBe(normal)
  })

  test.each([
    ['+49 (30) 901820', '+4930901820'],
    ['+1-212-555-0100', '+12125550100'],
    ['+33.1.23.45.67.89', '+33123456789'],
    ['+44\u00a020 7946\u20110018', '+442079460018'],
  ])('phone %j is %j', (text, normal) => {
    expect(normalPhone(text)).toBe(normal)
  })

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['0:0:0:0:0:ffff:c000:207', '192.0.2.7'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('IP %j is %j', (text, normal) => {
    expect(normalIp(text)).toBe(normal)
  })

  test.each<[(text: string) => string, readonly string[]]>([
    [normalEmail, ['', 'ana', '@example.org', 'ana@', 'a@b@c', 'ana diaz@example.org']],
    [
      normalPhone,
      ['', '030 901820', '0049 30 901820', '+49 (0) 30 901820', '+0301234567', '+123456', '+1234567890123456'],
    ],
    [
      normalIp,
      ['', '192.0.2', '192.0.2.07', '0x7f.1', '2130706433', 'fe80::1%eth0', '2001:db8::1::2', '[::1]', '1.2.3.4/32'],
    ],
  ])('%o refuses what it cannot make one form of', (normal, texts) => {
    for (const text of texts) expect(() => normal(text), text).toThrow(refused('index_value'))
  })

  test('the normal form of a normal form is itself', () => {
    const email = fc
      .tuple(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ minLength: 1, unit: 'grapheme' }))
      .map(([local, domain]) => `${local}@${domain}`)
    fc.assert(fc.property(email, (text) => isStable(normalEmail, text)))
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => isStable(normalIp, text)))
  })

  test('an IPv6 address has one form, however it is written', () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(groups, (groups) => {
        const short = groups.map((group) => group.toString(16)).join(':')
        const long = groups.map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':')
        expect(normalIp(long)).toBe(normalIp(short))
      }),
    )
  })
})

function isStable(normal: (text: string) => string, text: string): void {
  let once: string
  try {
    once = normal(text)
  } catch {
    return
  }
  expect(normal(once)).toBe(once)
}

const bitsOf = (byte: number): number => byte.toString(2).replaceAll('0', '').length
