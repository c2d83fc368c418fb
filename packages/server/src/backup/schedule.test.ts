import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextBackup, requireSchedule, type ScheduleRule } from './schedule.ts'

const daily: ScheduleRule = { everyHours: 24, atMinute: 150 }
const at = (text: string) => new Date(`2026-03-${text}Z`)
const never = { lastGoodAt: null, lastAttemptAt: null, failures: 0 }
const good = (text: string) => ({ lastGoodAt: at(text), lastAttemptAt: at(text), failures: 0 })

describe('the next scheduled backup', () => {
  test('of a new installation is due at once', () => {
    expect(nextBackup(daily, never, at('10T12:00:00'))).toEqual({ at: at('10T12:00:00'), missed: 0 })
  })
  test('is at the next slot when the present one has its archive', () => {
    expect(nextBackup(daily, good('10T02:30:01'), at('10T12:00:00'))).toEqual({ at: at('11T02:30:00'), missed: 0 })
  })
  test('does not wander with the time that a backup takes or a restart', () => {
    const rule = { everyHours: 6, atMinute: 150 }
    expect(nextBackup(rule, good('10T09:17:00'), at('10T10:00:00')).at).toEqual(at('10T14:30:00'))
  })
  test('after missed times is one backup at once, however many were missed, and the slots go on', () => {
    expect(nextBackup(daily, good('05T02:31:00'), at('10T12:00:00'))).toEqual({ at: at('10T12:00:00'), missed: 5 })
    expect(nextBackup(daily, good('10T12:00:00'), at('10T12:00:01'))).toEqual({ at: at('11T02:30:00'), missed: 0 })
  })
  test('after a failure is tried again with growing pauses, and in the next slot at the latest', () => {
    const failed = (failures: number) =>
      nextBackup(
        daily,
        { lastGoodAt: at('09T02:30:00'), lastAttemptAt: at('10T02:30:00'), failures },
        at('10T02:31:00'),
      )
    expect(failed(1).at).toEqual(at('10T02:35:00'))
    expect(failed(2).at).toEqual(at('10T02:40:00'))
    expect(failed(30).at).toEqual(at('11T02:30:00'))
  })
  test('does not wait for a clock that was set back', () => {
    expect(nextBackup(daily, good('20T02:30:00'), at('10T12:00:00')).at).toEqual(at('10T12:00:00'))
  })
  test('is never further away than one period, and never lost', () => {
    const hours = fc.constantFrom(1, 2, 3, 4, 6, 8, 12, 24, 48, 168)
    const times = fc.date({ min: new Date('2020-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(
        hours,
        fc.nat(1439),
        fc.option(times),
        fc.option(times),
        fc.nat(60),
        times,
        (everyHours, atMinute, lastGoodAt, lastAttemptAt, failures, now) => {
          const next = nextBackup({ everyHours, atMinute }, { lastGoodAt, lastAttemptAt, failures }, now)
          expect(next.at.getTime() - now.getTime()).toBeLessThanOrEqual(everyHours * 3_600_000)
          expect(next.missed).toBeGreaterThanOrEqual(0)
        },
      ),
    )
  })
})

test.each([
  { everyHours: 5, atMinute: 0 },
  { everyHours: 36, atMinute: 0 },
  { everyHours: 0, atMinute: 0 },
  { everyHours: 24, atMinute: 1440 },
])('the rule %j is refused: it has no fixed times', (rule) => {
  expect(() => requireSchedule(rule)).toThrow(RangeError)
})
