import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DataClass, DataKey } from './data-key.ts'
import { type FieldPlace, fieldKeyVersion, openField, openTextField, sealField } from './field-sealing.ts'
import { lengthPrefixed } from './length-prefixed.ts'
import { SecretBytes } from './secret-bytes.ts'
import { TrustError } from './trust-error.ts'

const organizationId = '0199a000-7000-7000-8000-000000000001'
const place: FieldPlace = {
  organizationId,
  table: 'people',
  column: 'email',
  row: '0199a000-7000-7000-8000-00000000000a',
}
const keyBytes = (fill: number) => new Uint8Array(32).fill(fill)
const dataKey = (version: number, changes: Partial<DataKey> & { fill?: number } = {}): DataKey => ({
  organizationId,
  dataClass: 'pii',
  version,
  key: new SecretBytes(keyBytes(changes.fill ?? version)),
  ...changes,
})
const keys = new Map([1, 2, 0xffffffff].map((version) => [version, dataKey(version, { fill: version & 0xff })]))
const find = (version: number) => keys.get(version)
const key = keys.get(2) as DataKey

const codeOf = (use: () => unknown): unknown => {
  try {
    use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof TrustError ? error.code : error
  }
}

describe('a sealed field', () => {
  test('opens in its place with the version it names, whatever the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.constantFrom(...keys.values()), (text, key) => {
        const sealed = sealField(key, place, text)
        expect(fieldKeyVersion(sealed)).toBe(key.version)
        expect(sealed.length).toBe(33 + Buffer.byteLength(text))
        expect(openTextField(find, place, sealed)).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(Uint8Array.from(openField(find, place, sealField(key, place, bytes)))).toEqual(bytes)
      }),
    )
  })

  test('has the documented form: bare AES-256-GCM over the documented associated data opens it', () => {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', keyBytes(2), nonce)
    cipher.setAAD(
      Buffer.from(
        '16:redoubt.field/v13:pii36:0199a000-7000-7000-8000-0000000000016:people5:email' +
          '36:0199a000-7000-7000-8000-00000000000a1:2',
      ),
    )
    const parts = [Buffer.from('0100000002', 'hex'), nonce, cipher.update('ana@example.org'), cipher.final()]
    expect(openTextField(find, place, Buffer.concat([...parts, cipher.getAuthTag()]))).toBe('ana@example.org')
  })

  test('does not open in another row, column, table or organization', () => {
    const sealed = sealField(key, place, 'ana@example.org')
    for (const part of ['row', 'column', 'table'] as const)
      expect(
        codeOf(() => openField(find, { ...place, [part]: 'other' }, sealed)),
        part,
      ).toBe('sealed_data')
    // Also not where the other organization's key had the same bytes.
    const other = '0199a000-7000-7000-8000-000000000002'
    const foreign = (version: number) => dataKey(version, { organizationId: other })
    expect(codeOf(() => openField(foreign, { ...place, organizationId: other }, sealed))).toBe('sealed_data')
  })

  test('does not open by pushing text from one part of the place into the next', () => {
    const sealed = sealField(key, { ...place, table: 'people', column: 'email' }, 'x')
    expect(codeOf(() => openField(find, { ...place, table: 'peoplee', column: 'mail' }, sealed))).toBe('sealed_data')
    expect(codeOf(() => openField(find, { ...place, table: 'people5:email', column: '' }, sealed))).toBe('encoding')
  })

  test('does not open as another data class', () => {
    const evidence = (version: number) => dataKey(version, { dataClass: 'evidence' satisfies DataClass })
    expect(codeOf(() => openField(evidence, place, sealField(key, place, 'x')))).toBe('sealed_data')
  })

  test('does not open when it was relabelled with another version, even if that has the same bytes', () => {
    const sealed = sealField(key, place, 'x')
    sealed.writeUInt32BE(1, 1)
    const sameBytes = (version: number) => dataKey(version, { fill: 2 })
    expect(codeOf(() => openField(sameBytes, place, sealed))).toBe('sealed_data')
    // Nor by a finder that answers with the version it likes.
    expect(codeOf(() => openField(() => key, place, sealed))).toBe('sealed_key_unknown')
  })

  test('says that its key is not at hand, so that the caller can ask for it', () => {
    expect(codeOf(() => openField(() => undefined, place, sealField(key, place, 'x')))).toBe('sealed_key_unknown')
  })

  test('no single altered, added or missing byte goes unnoticed', () => {
    const sealed = sealField(key, place, 'ana@example.org')
    for (const at of sealed.keys()) {
      for (const bit of [1, 0x80]) {
        const altered = Uint8Array.from(sealed)
        altered[at] = (altered[at] ?? 0) ^ bit
        expect(
          codeOf(() => openField(find, place, altered)),
          `byte ${at}`,
        ).toMatch(/^sealed_/)
      }
      expect(codeOf(() => openField(find, place, sealed.subarray(0, at)))).toBe('sealed_data')
    }
    expect(codeOf(() => openField(find, place, Buffer.concat([sealed, Buffer.of(0)])))).toBe('sealed_data')
  })

  test('no bytes from outside make it throw anything but its own errors', () => {
    const own = ['sealed_data', 'sealed_key_unknown']
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 80 }).map((rest) => Uint8Array.of(1, 0, 0, 0, 2, ...rest)),
    )
    fc.assert(fc.property(hostile, (bytes) => own.includes(String(codeOf(() => openField(find, place, bytes))))))
  })

  test('differs each time: no nonce is used twice', () => {
    const nonces = Array.from({ length: 5000 }, () => sealField(key, place, 'x').subarray(5, 17).toString('hex'))
    expect(new Set(nonces).size).toBe(nonces.length)
  })

  test('opens from the middle of a larger buffer', () => {
    const sealed = sealField(key, place, 'x')
    const within = Buffer.concat([Buffer.alloc(7, 1), sealed, Buffer.alloc(7, 1)]).subarray(7, 7 + sealed.length)
    expect(openTextField(find, place, within)).toBe('x')
  })
})

describe('sealing a field is refused', () => {
  const foreign = dataKey(1, { organizationId: '0199a000-7000-7000-8000-000000000002' })
  test.each<[string, DataKey, FieldPlace, string, string]>([
    ["with another organization's key", foreign, place, 'x', 'key_invalid'],
    [
      'with a key of another length',
      dataKey(1, { key: new SecretBytes(new Uint8Array(16)) }),
      place,
      'x',
      'key_invalid',
    ],
    ['with version 0', dataKey(0), place, 'x', 'key_invalid'],
    ['with a version that has no 32 bits', dataKey(2 ** 32), place, 'x', 'key_invalid'],
    ['with a version that is no whole number', dataKey(1.5), place, 'x', 'key_invalid'],
    ['without a row, where all rows would be one place', key, { ...place, row: '' }, 'x', 'encoding'],
    ['for a row that UTF-8 cannot tell from others', key, { ...place, row: '\ud800' }, 'x', 'encoding'],
    ['for text that would come back as another one', key, place, 'a\ud800', 'encoding'],
  ])('%s', (_what, key, place, text, code) => {
    expect(codeOf(() => sealField(key, place, text))).toBe(code)
  })

  test('with a dropped key, which also opens nothing any more', () => {
    const dropped = dataKey(1)
    const sealed = sealField(dropped, place, 'x')
    dropped.key.drop()
    expect(codeOf(() => sealField(dropped, place, 'x'))).toBe('key_dropped')
    expect(codeOf(() => openField(() => dropped, place, sealed))).toBe('key_dropped')
  })
})

test('bytes that are no text are not passed off as one', () => {
  expect(codeOf(() => openTextField(find, place, sealField(key, place, Uint8Array.of(0xff))))).toBe('encoding')
})

test('two different lists of parts never have the same bytes', () => {
  const part = fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('1', '2', ':', 'a', 'é', '😀') })
  const list = fc.array(part, { maxLength: 4 })
  fc.assert(
    fc.property(list, list, (a, b) => {
      expect(lengthPrefixed(a).equals(lengthPrefixed(b))).toBe(JSON.stringify(a) === JSON.stringify(b))
    }),
    { numRuns: 2000 },
  )
})
