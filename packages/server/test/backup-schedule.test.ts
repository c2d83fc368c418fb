import { expect, test } from 'vitest'
import { StartError } from '../src/platform/app-error.ts'
import type { BackupConfig } from '../src/platform/backup-config.ts'
import { startBackupSchedule } from '../src/services/backup-schedule.ts'
import { ManualTime } from './manual-time.ts'

const hour = 3_600_000
const backup: BackupConfig = { to: { kind: 'folder', path: '/backups' }, everyHours: 24, keep: 14 }

function scheduled(stored: string[], make: () => Promise<void> = async () => undefined) {
  const time = new ManualTime(new Date('2026-05-04T10:00:00Z'))
  const made: string[] = []
  const told: string[] = []
  const items = stored.map((at) => ({ name: at, archiveId: at, createdAt: new Date(at), bytes: 1 }))
  let listed = 0
  const backups = {
    async list() {
      listed += 1
      return { place: '/backups', items }
    },
    async make() {
      await make()
      made.push(time.now().toISOString())
      return undefined as never
    },
  }
  const log = {
    error: (_facts: object, line: string) => told.push(line),
    warn: (facts: object) => told.push(JSON.stringify(facts)),
  }
  const stop = startBackupSchedule(backups, { backup }, time, log as never, time)
  /** A minute at a time, so that what each look starts is done before the next. */
  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed <= ms; passed += 60_000) {
      time.advance(passed === 0 ? 0 : 60_000)
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    }
  }
  return { made, told, pass, stop, listed: () => listed }
}

test('the first backup of an installation is made at once, the next ones at half past two', async () => {
  const { made, pass, told } = scheduled([])
  await pass(50 * hour)
  expect(made.map((at) => at.slice(0, 16))).toEqual(['2026-05-04T10:00', '2026-05-05T02:30', '2026-05-06T02:30'])
  expect(told).toEqual([])
})

test('a restart makes none that is there already, and asks the storage once', async () => {
  const { made, pass, listed } = scheduled(['2026-05-04T02:30:10Z', '2026-05-03T02:30:00Z'])
  await pass(10 * hour)
  expect({ made, listed: listed() }).toEqual({ made: [], listed: 1 })
})

test('what was missed while the platform was away is made once, and told', async () => {
  const { made, pass, told } = scheduled(['2026-05-01T02:30:10Z'])
  await pass(hour)
  expect({ made: made.length, told }).toEqual({ made: 1, told: ['{"missed":3}'] })
})

test('a failed one is told and tried again with growing pauses, until it is made', async () => {
  let failing = true
  const { made, pass, told } = scheduled([], async () => {
    if (failing) throw new Error('disk full')
  })
  await pass(2 * hour)
  expect({ made, tries: told.length }).toEqual({ made: [], tries: 5 })
  failing = false
  await pass(hour)
  expect(made).toHaveLength(1)
})

test('nothing more is made once it is stopped', async () => {
  const { made, pass, stop } = scheduled(['2026-05-04T02:30:10Z'])
  await pass(hour)
  await stop()
  await pass(48 * hour)
  expect(made).toEqual([])
})

test('a rhythm without fixed times is refused at the start', () => {
  const time = new ManualTime()
  const never = { list: () => Promise.reject(new Error()), make: () => Promise.reject(new Error()) }
  const start = () => startBackupSchedule(never, { backup: { ...backup, everyHours: 5 } }, time, {} as never, time)
  expect(start).toThrow(StartError)
  expect(start).toThrow(/REDOUBT_BACKUP_EVERY_HOURS: Backups every 5 hours/)
})
