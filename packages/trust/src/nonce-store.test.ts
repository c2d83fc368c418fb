import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryNonces } from './nonce-store.ts'

const at = (seconds: number) => new Date(1_772_366_400_000 + seconds * 1000)

describe('nonces in memory', () => {
  test('are fresh once for each key', async () => {
    const nonces = new MemoryNonces(10)
    expect(await nonces.take('worker/1', 'a', at(60), at(0))).toBe('fresh')
    expect(await nonces.take('worker/1', 'a', at(60), at(0))).toBe('seen')
    expect(await nonces.take('worker/1', 'a', at(90), at(0)), 'a later expiry is no other nonce').toBe('seen')
    expect(await nonces.take('worker/2', 'a', at(60), at(0))).toBe('fresh')
    expect(await nonces.take('worker/1', 'b', at(60), at(0))).toBe('fresh')
  })

  test('are remembered to their last moment, then dropped', async () => {
    const nonces = new MemoryNonces(10)
    await nonces.take('worker/1', 'a', at(60), at(0))
    expect(await nonces.take('worker/1', 'a', at(60), at(60))).toBe('seen')
    expect(nonces.size).toBe(1)
    await nonces.take('worker/1', 'b', at(121), at(61))
    expect(nonces.size).toBe(1)
  })

  test('answer full and drop no live one, however many come; room is made by time alone', async () => {
    const nonces = new MemoryNonces(2)
    await nonces.take('worker/1', 'a', at(60), at(0))
    await nonces.take('worker/1', 'b', at(30), at(0))
    for (let i = 0; i < 100; i++) expect(await nonces.take('worker/1', `x${i}`, at(60), at(1))).toBe('full')
    expect(await nonces.take('worker/1', 'a', at(60), at(1))).toBe('seen')
    expect(await nonces.take('worker/1', 'c', at(60), at(31))).toBe('fresh')
    expect(await nonces.take('worker/1', 'd', at(60), at(31))).toBe('full')
  })

  test('that may have been dropped are not fresh again when the clock is set back', async () => {
    const nonces = new MemoryNonces(10)
    await nonces.take('worker/1', 'a', at(60), at(0))
    await nonces.take('worker/1', 'b', at(200), at(100))
    expect(await nonces.take('worker/1', 'a', at(60), at(10))).toBe('seen')
    expect(await nonces.take('worker/1', 'c', at(160), at(10))).toBe('fresh')
  })

  test('are never fresh without a time', async () => {
    const nonces = new MemoryNonces(10)
    expect(await nonces.take('worker/1', 'a', new Date(Number.NaN), at(0))).toBe('seen')
    expect(nonces.size).toBe(0)
  })

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('do not accept a capacity of %d', (capacity) => {
    expect(() => new MemoryNonces(capacity)).toThrow(RangeError)
  })

  test('are fresh at most once while they live, and never more than fit, whatever is asked when', async () => {
    const asked = fc.record({
      nonce: fc.constantFrom('a', 'b', 'c', 'd'),
      now: fc.nat({ max: 200 }),
      life: fc.nat({ max: 70 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(asked, { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        async (questions, capacity) => {
          const nonces = new MemoryNonces(capacity)
          const freshUntil = new Map<string, number>()
          for (const { nonce, now, life } of questions) {
            const answer = await nonces.take('worker/1', nonce, at(now + life), at(now))
            expect(nonces.size).toBeLessThanOrEqual(capacity)
            if (answer !== 'fresh') continue
            // Fresh again only after it could be accepted no more, and with a new life.
            expect(freshUntil.get(nonce) ?? -1).toBeLessThan(now + life)
            freshUntil.set(nonce, now + life)
          }
        },
      ),
    )
  })
})
