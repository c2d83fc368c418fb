import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lookEveryMs, pausesMs, supervise, wellAfterMs } from './supervision.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Something that lives or not; `comesUp` says whether the next attempts succeed. */
function patient() {
  const said: { readonly level: 'warn' | 'error'; readonly text: string }[] = []
  const it = { alive: true, comesUp: true, attempts: 0 }
  const log = {
    warn: (_facts: object, text: string) => void said.push({ level: 'warn', text }),
    error: (_facts: object, text: string) => void said.push({ level: 'error', text }),
  } as unknown as Parameters<typeof supervise>[1]
  const stop = supervise(
    {
      name: 'the patient',
      alive: async () => it.alive,
      revive: async () => {
        it.attempts++
        if (!it.comesUp) throw new Error('it does not come up')
        it.alive = true
      },
    },
    log,
  )
  return { it, said, stop }
}
const allPauses = pausesMs.reduce<number>((sum, ms) => sum + ms, 0)

test('what ends by itself is started again at once', async () => {
  const { it, said, stop } = patient()
  await vi.advanceTimersByTimeAsync(10 * lookEveryMs)
  expect(it.attempts).toBe(0)
  it.alive = false
  await vi.advanceTimersByTimeAsync(lookEveryMs + 1)
  expect(it).toMatchObject({ alive: true, attempts: 1 })
  expect(said.map(({ level }) => level)).toEqual(['warn'])
  await stop()
})

test('what does not come up is tried a bounded number of times, and that it is over is said once', async () => {
  const { it, said, stop } = patient()
  it.comesUp = false
  it.alive = false
  await vi.advanceTimersByTimeAsync(lookEveryMs + allPauses + 60 * 60_000)
  expect(it.attempts).toBe(pausesMs.length)
  const over = said.filter(({ level }) => level === 'error')
  expect(over).toHaveLength(1)
  expect(over[0]?.text).toContain('is not started any more: mend it, then start Redoubt again')
  await stop()
})

test('one that comes up and ends again and again is no better than one that does not come up', async () => {
  const { it, said, stop } = patient()
  for (let ends = 0; ends <= pausesMs.length; ends += 1) {
    it.alive = false
    await vi.advanceTimersByTimeAsync(40_000)
  }
  expect(it.attempts).toBe(pausesMs.length)
  expect(said.filter(({ level }) => level === 'error')).toHaveLength(1)
  await stop()
})

test('one that has run well for a minute has all its attempts again', async () => {
  const { it, said, stop } = patient()
  for (let ends = 0; ends < 3 * pausesMs.length; ends += 1) {
    it.alive = false
    await vi.advanceTimersByTimeAsync(lookEveryMs + wellAfterMs + 1000)
    expect(it.alive).toBe(true)
  }
  expect(said.filter(({ level }) => level === 'error')).toEqual([])
  await stop()
})

test('what is stopped is not brought back, not even by an attempt that waits', async () => {
  const { it, stop } = patient()
  it.comesUp = false
  it.alive = false
  await vi.advanceTimersByTimeAsync(lookEveryMs + 600)
  const before = it.attempts
  await stop()
  await vi.advanceTimersByTimeAsync(60 * 60_000)
  expect(it.attempts).toBe(before)
  expect(vi.getTimerCount()).toBe(0)
})
