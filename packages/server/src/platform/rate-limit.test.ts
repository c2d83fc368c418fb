import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { AppError } from './app-error.ts'
import { addressUnit, RateLimit } from './rate-limit.ts'

function clockAt(start: number) {
  let now = start
  return {
    now: () => new Date(now),
    advance(ms: number) {
      now += ms
    },
  }
}
const passes = (limit: RateLimit, key: string) => {
  try {
    limit.take(key, 'requests')
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    return false
  }
}

describe('a sliding window', () => {
  it('lets the limit through and refuses the next with the seconds to wait', () => {
    const clock = clockAt(60_000)
    const limit = new RateLimit({ limit: 3, windowMs: 60_000, clock })
    expect([1, 2, 3, 4].map(() => passes(limit, 'a'))).toEqual([true, true, true, false])
    expect(() => limit.take('a', 'attempts a minute')).toThrow(
      expect.objectContaining({ code: 'rate_limited', retryAfter: 60 }),
    )
    expect(passes(limit, 'b')).toBe(true)
  })

  it('does not double a burst at a window’s boundary (RL-1)', () => {
    const clock = clockAt(59_999)
    const limit = new RateLimit({ limit: 10, windowMs: 60_000, clock })
    const before = Array.from({ length: 10 }, () => passes(limit, 'a')).filter(Boolean).length
    clock.advance(2)
    const after = Array.from({ length: 10 }, () => passes(limit, 'a')).filter(Boolean).length
    expect(before).toBe(10)
    expect(after).toBe(0)
  })

  it('never lets more than twice the limit through in any window, whatever the pace', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        (gaps, allowed) => {
          const clock = clockAt(1_000_000)
          const limit = new RateLimit({ limit: allowed, windowMs: 1000, clock })
          const taken: number[] = []
          for (const gap of gaps) {
            clock.advance(gap)
            if (passes(limit, 'a')) taken.push(clock.now().getTime())
          }
          for (const at of taken)
            expect(taken.filter((t) => t > at - 1000 && t <= at).length).toBeLessThanOrEqual(allowed * 2)
        },
      ),
    )
  })

  it('keeps a bounded number of keys', () => {
    const limit = new RateLimit({ limit: 1, windowMs: 1000, clock: clockAt(0), maxKeys: 2 })
    expect(passes(limit, 'a')).toBe(true)
    expect(passes(limit, 'b')).toBe(true)
    expect(passes(limit, 'c')).toBe(true)
    expect(passes(limit, 'a')).toBe(true)
  })
})

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s is counted as %s (RL-2)', (address, unit) => {
  expect(addressUnit(address)).toBe(unit)
})
