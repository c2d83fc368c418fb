import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'
import { SecretBytes } from './secret-bytes.ts'

const fresh = () => Uint8Array.from({ length: 32 }, (_, at) => at + 1)

test('takes the bytes over: the holder has them and the caller has zeros', () => {
  const bytes = fresh()
  const secret = new SecretBytes(bytes)
  expect(Uint8Array.from(secret.reveal())).toEqual(fresh())
  expect(bytes).toEqual(new Uint8Array(32))
})

test('a dropped key is zeros to everyone who still refers to it, and is not given out again', () => {
  const secret = new SecretBytes(fresh())
  const kept = secret.reveal()
  secret.drop()
  expect(Uint8Array.from(kept)).toEqual(new Uint8Array(32))
  expect(() => secret.reveal()).toThrow(expect.objectContaining({ code: 'key_dropped' }))
  expect(() => secret.drop()).not.toThrow()
})

test('a key of a block is dropped at its end, also by an error', () => {
  let kept: Uint8Array = new Uint8Array()
  const use = () => {
    using secret = new SecretBytes(fresh())
    kept = secret.reveal()
    throw new Error('within the block')
  }
  expect(use).toThrow('within the block')
  expect(Uint8Array.from(kept)).toEqual(new Uint8Array(32))
})

test('lies in memory of its own, so that zeroing it touches nothing else and no pool keeps a copy', () => {
  expect(new SecretBytes(fresh()).reveal().buffer.byteLength).toBe(32)
})

test('no way of printing or copying shows a byte of it', () => {
  const secret = new SecretBytes(Buffer.from('a-key-that-must-not-be-seen-here'))
  expect(secret).toBeInstanceOf(Secret)
  const shown = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: null }),
    inspect(secret, { customInspect: false, showHidden: true, depth: null }),
    inspect(structuredClone(secret), { showHidden: true }),
    JSON.stringify({ ...secret }),
    JSON.stringify(Object.getOwnPropertyNames(secret)),
    inspect(new Error('failed', { cause: secret })),
  ]
  const bytes = Buffer.from('a-key-that-must-not-be-seen-here')
  for (const text of shown)
    for (const form of [
      bytes.toString(),
      bytes.toString('hex'),
      bytes.toString('base64'),
      bytes.join(', '),
      '61 2d 6b',
    ])
      expect(text).not.toContain(form)
  expect(JSON.stringify({ secret })).toBe('{"secret":"[secret]"}')
})
