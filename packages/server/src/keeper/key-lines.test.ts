import { keyStateAt } from '@redoubt/trust'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../test/memory-store.ts'
import { macLine, readLine, rotateKeyLine, tendLine } from './key-lines.ts'

const minute = 60_000
const rule = { periodMs: 90 * minute, leadMs: 2 * minute, outlivesMs: 16 * minute }
const spec = macLine('services/worker/key', rule)
const at = (minutes: number) => new Date(Date.UTC(2026, 0, 1) + minutes * minute)

describe('a line of keys in the secret store', () => {
  it('is made at the first reading, and is the same at the next', async () => {
    const store = memoryStore()
    const [first] = await readLine(store, spec, at(0))
    expect(Buffer.from(first?.material ?? '', 'base64')).toHaveLength(32)
    expect(await readLine(store, spec, at(1))).toEqual([first])
  })

  it('is rotated when due and not before, and what has ended is destroyed', async () => {
    const store = memoryStore()
    const [first] = await readLine(store, spec, at(0))
    expect(await tendLine(store, spec, at(89))).toBe(false)
    expect(await tendLine(store, spec, at(90))).toBe(true)
    const both = await readLine(store, spec, at(90))
    expect(both.map((each) => keyStateAt(both, each, at(91)))).toEqual(['active', 'pending'])
    expect(both.map((each) => keyStateAt(both, each, at(93)))).toEqual(['retiring', 'active'])
    expect(await tendLine(store, spec, at(107))).toBe(false)
    expect(await tendLine(store, spec, at(109))).toBe(true)
    const stored = (await store.read(spec.path))?.value.reveal() ?? ''
    expect(stored).not.toContain(first?.material)
  })

  it('of two that rotate at once, one is told that it came second', async () => {
    const store = memoryStore()
    await readLine(store, spec, at(0))
    const results = await Promise.allSettled([1, 2].map(() => rotateKeyLine(store, spec, at(5))))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await readLine(store, spec, at(5))).toHaveLength(2)
  })

  it('has an active key at every moment, whatever is rotated when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 12 }), async (pauses) => {
        const store = memoryStore()
        let now = 0
        for (const pause of pauses) {
          now += pause
          await (pause % 3 === 0 ? rotateKeyLine(store, spec, at(now)) : tendLine(store, spec, at(now)))
          const line = await readLine(store, spec, at(now))
          expect(line.filter((each) => keyStateAt(line, each, at(now)) === 'active')).toHaveLength(1)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('damaged, says so without quoting what it read', async () => {
    const store = memoryStore()
    await store.put(spec.path, '[{"material":"c2VjcmV0"')
    await expect(readLine(store, spec, at(0))).rejects.toThrow(/cannot be read/)
    const error = await readLine(store, spec, at(0)).catch((caught: Error) => caught)
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('c2VjcmV0')
  })
})
