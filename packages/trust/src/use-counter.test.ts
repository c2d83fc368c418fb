import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { needsRotation, UseCounter } from './use-counter.ts'

/** The count that outlives a process; several counters may share it. */
function lasting(total = 0) {
  const store = {
    total,
    reservations: 0,
    reserve: async (uses: number) => {
      store.reservations += 1
      store.total += uses
      return store.total
    },
  }
  return store
}

test('a key is due for rotation at 2^31 uses, half way to the end', () => {
  expect([0, 2 ** 31 - 1].map(needsRotation)).toEqual([false, false])
  expect([2 ** 31, 2 ** 32].map(needsRotation)).toEqual([true, true])
})

describe('the use counter', () => {
  test('never counts fewer than the uses, whatever crashes, and wastes at most a block for each process', async () => {
    const step = fc.record({ process: fc.nat(2), uses: fc.nat(200_000), crashes: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = lasting()
        const processes = Array.from({ length: 3 }, () => new UseCounter(store.reserve))
        let [used, started] = [0, 3]
        for (const { process, uses, crashes } of steps) {
          await processes[process]?.take(uses)
          used += uses
          expect(store.total).toBeGreaterThanOrEqual(used)
          if (!crashes) continue
          processes[process] = new UseCounter(store.reserve)
          started += 1
        }
        expect(store.total - used).toBeLessThan(started * 65_536)
      }),
    )
  })

  test('uses taken at once share one reservation and are each covered', async () => {
    const store = lasting()
    const counter = new UseCounter(store.reserve)
    await Promise.all(Array.from({ length: 1000 }, () => counter.take()))
    expect(store).toMatchObject({ total: 65_536, reservations: 1 })
    await Promise.all(Array.from({ length: 3 }, () => counter.take(60_000)))
    expect(store.total).toBeGreaterThanOrEqual(181_000)
    expect(counter.uses).toBe(store.total)
  })

  test('reserves once for 65 536 uses', async () => {
    const store = lasting()
    const counter = new UseCounter(store.reserve)
    for (let use = 0; use < 65_536; use++) await counter.take()
    expect(store.reservations).toBe(1)
    await counter.take()
    expect(store.reservations).toBe(2)
  })

  test('a reservation that fails fails the use, and the next one tries again', async () => {
    const store = lasting()
    let fails = true
    const counter = new UseCounter(async (uses) => {
      if (fails) throw new Error('the database is away')
      return store.reserve(uses)
    })
    await expect(Promise.all([counter.take(), counter.take()])).rejects.toThrow('the database is away')
    fails = false
    await counter.take()
    expect(store.total).toBe(65_536)
  })

  test('a key with 2^32 uses seals nothing any more, nor does one whose count is unknown', async () => {
    const nearlyOver = new UseCounter(lasting(2 ** 32 - 65_536).reserve)
    await nearlyOver.take(65_536)
    await expect(nearlyOver.take()).rejects.toMatchObject({ code: 'key_exhausted' })
    await expect(nearlyOver.take()).rejects.toMatchObject({ code: 'key_exhausted' })
    await expect(new UseCounter(async () => Number.NaN).take()).rejects.toMatchObject({ code: 'key_exhausted' })
  })

  test('a number of uses that would undercount is refused', async () => {
    const counter = new UseCounter(lasting().reserve)
    for (const uses of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      await expect(counter.take(uses)).rejects.toThrow(RangeError)
  })
})
