import { describe, expect, test } from 'vitest'
import { dueAfterChange, respondedAt, responseState } from './response-clock.ts'

const at = (minutes: number) => new Date(Date.UTC(2030, 0, 1, 0, minutes))
const clock = { openedAt: at(0), dueAt: at(15), respondedAt: null, breachedAt: null, closedAt: null }

describe('the response clock', () => {
  test('a case is answered when it leaves detection or has an owner, and only the first time', () => {
    expect(respondedAt(clock, { phase: 'detection', ownerId: null }, at(5))).toBeNull()
    expect(respondedAt(clock, { phase: 'triage', ownerId: null }, at(5))).toEqual(at(5))
    expect(respondedAt(clock, { phase: 'detection', ownerId: 'ada' }, at(5))).toEqual(at(5))
    expect(respondedAt({ respondedAt: at(3) }, { phase: 'closed', ownerId: 'ada' }, at(5))).toEqual(at(3))
  })

  test('a new promise replaces the old one until it was answered', () => {
    expect(dueAfterChange(clock, at(60))).toEqual(at(60))
    expect(dueAfterChange({ ...clock, respondedAt: at(3) }, at(60))).toEqual(at(15))
  })

  test('a promise is broken at its moment, not before', () => {
    expect(responseState(clock, at(15))).toBe('breached')
    expect(responseState(clock, at(90))).toBe('breached')
    expect(responseState(clock, new Date(at(15).getTime() - 1))).toBe('early')
    expect(responseState(clock, at(13))).toBe('settled')
  })

  test('a breach is noted once, and never for what was answered, closed or promised nothing', () => {
    for (const over of [{ respondedAt: at(1) }, { breachedAt: at(15) }, { closedAt: at(2) }, { dueAt: null }]) {
      expect(responseState({ ...clock, ...over }, at(90))).toBe('settled')
    }
  })
})
