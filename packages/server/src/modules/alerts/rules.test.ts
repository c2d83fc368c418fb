import { expect, test } from 'vitest'
import type { Observable } from './observables/observable.ts'
import { responseDueAt, tellingEntities } from './rules.ts'

const from = new Date('2026-01-01T00:00:00Z')

test('response times are those of ALERT-2, and nothing is promised for the informational', () => {
  const due = (severity: Parameters<typeof responseDueAt>[0]) => responseDueAt(severity, from)?.toISOString() ?? null
  expect(due('critical')).toBe('2026-01-01T00:15:00.000Z')
  expect(due('high')).toBe('2026-01-01T01:00:00.000Z')
  expect(due('medium')).toBe('2026-01-01T04:00:00.000Z')
  expect(due('low')).toBe('2026-01-02T00:00:00.000Z')
  expect(due('informational')).toBeNull()
})

test('entities show one of each kind before a second of any', () => {
  const observable = (type: Observable['type'], value: string): Observable => ({ type, value, source: '' })
  const many = ['a', 'b', 'c', 'd', 'e'].map((name) => observable('host', `host-${name}`))
  expect(tellingEntities([...many, observable('ipv4', '192.0.2.1'), observable('user', 'mallory')])).toEqual([
    'host-a',
    'mallory',
    '192.0.2.1',
    'host-b',
  ])
})

test('an entity too long for a glance is cut, never in the middle of a character', () => {
  const [entity] = tellingEntities([{ type: 'host', value: '😀'.repeat(60), source: '' }])
  expect(entity?.isWellFormed()).toBe(true)
  expect(entity?.length).toBeLessThanOrEqual(80)
})
