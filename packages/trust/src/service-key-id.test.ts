import { describe, expect, test } from 'vitest'
import { formatServiceKeyId, parseServiceKeyId } from './service-key-id.ts'

const refused = expect.objectContaining({ name: 'TrustError', code: 'http_signature_malformed' })

describe('the id of a service key', () => {
  test.each([
    ['worker/3', 'worker', 3],
    ['workflow-processor/1', 'workflow-processor', 1],
    ['a1/999999999', 'a1', 999999999],
  ])('%s is read and written', (keyid, service, version) => {
    expect(parseServiceKeyId(keyid)).toEqual({ service, version })
    expect(formatServiceKeyId({ service, version })).toBe(keyid)
  })

  test.each([
    '',
    '/',
    'worker',
    'worker/',
    '/1',
    'worker/0',
    'worker/01',
    'worker/-1',
    'worker/1.5',
    'worker/1e3',
    'worker/1 ',
    'worker/1\n',
    'Worker/1',
    'wörker/1',
    '1worker/1',
    '-worker/1',
    'worker-/1',
    'a--b/1',
    'a/b/1',
    'worker/1234567890',
    `${'a'.repeat(40)}/1`,
  ])('refuses %j', (keyid) => {
    expect(() => parseServiceKeyId(keyid)).toThrow(refused)
  })

  test('is not written for a version that is no whole number above zero', () => {
    for (const version of [0, -1, 1.5, Number.NaN, 1e9])
      expect(() => formatServiceKeyId({ service: 'worker', version })).toThrow(refused)
  })
})
