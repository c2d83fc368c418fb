import fc from 'fast-check'
import { expect, test } from 'vitest'
import { archiveName, parseArchiveName } from './archive-name.ts'
import { expiredArchives } from './retention.ts'
import type { StoredArchive } from './targets.ts'

const now = new Date('2026-06-30T12:00:00Z')
const stored = (
  daysAgo: number,
  id = `00000000-0000-7000-8000-${String(daysAgo).padStart(12, '0')}`,
): StoredArchive => {
  const createdAt = new Date(now.getTime() - daysAgo * 86_400_000)
  return { name: archiveName(createdAt, id), archiveId: id, createdAt, bytes: 1 }
}
const days = (archives: readonly StoredArchive[]) =>
  archives.map(({ createdAt }) => (now.getTime() - createdAt.getTime()) / 86_400_000).sort((a, b) => a - b)
const rule = { keepLast: 3, keepDays: 10 }

test('an archive goes only when it is past both the number and the days', () => {
  const all = [0, 1, 2, 5, 9, 11, 20].map((ago) => stored(ago))
  expect(days(expiredArchives(all, rule, stored(0).name, now))).toEqual([11, 20])
  expect(
    days(
      expiredArchives(
        [20, 30, 40, 50].map((ago) => stored(ago)),
        rule,
        stored(20).name,
        now,
      ),
    ),
  ).toEqual([50])
})

test('nothing goes before an archive was verified, or when that one is not there', () => {
  const all = [0, 20, 30, 40].map((ago) => stored(ago))
  expect(expiredArchives(all, rule, null, now)).toEqual([])
  expect(expiredArchives(all, rule, stored(7).name, now)).toEqual([])
})

test('the last good one stays, however many newer names somebody puts there', () => {
  const planted = Array.from({ length: 50 }, (_, at) => stored(-at - 1))
  const gone = expiredArchives(
    [...planted, stored(100), stored(101)],
    { keepLast: 1, keepDays: 0 },
    stored(100).name,
    now,
  )
  expect(gone.map(({ name }) => name)).not.toContain(stored(100).name)
})

test('some archive is always left, and the good one among them', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: -5, max: 400 }), { minLength: 1, maxLength: 20 }),
      fc.nat(19),
      fc.integer({ min: -3, max: 10 }),
      fc.integer({ min: -3, max: 90 }),
      (agos, pick, keepLast, keepDays) => {
        const all = agos.map((ago) => stored(ago))
        const good = all[pick % all.length]?.name ?? null
        const gone = expiredArchives(all, { keepLast, keepDays }, good, now).map(({ name }) => name)
        expect(gone).not.toContain(good)
        expect(gone.length).toBeLessThan(all.length)
      },
    ),
  )
})

test('a name says when and which, and no other name is ours', () => {
  const id = '0193a5b0-0000-7000-8000-000000000001'
  const name = archiveName(new Date('2026-01-02T03:04:05.678Z'), id)
  expect(name).toBe(`redoubt-20260102T030405Z-${id}.backup`)
  expect(parseArchiveName(name)).toEqual({ name, archiveId: id, createdAt: new Date('2026-01-02T03:04:05Z') })
  for (const other of ['', 'notes.txt', `${name}.part`, `../${name}`, `x${name}`, name.replace('0102', '1399')])
    expect(parseArchiveName(other)).toBeNull()
})
