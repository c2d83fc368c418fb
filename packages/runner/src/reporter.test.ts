import { randomUUID } from 'node:crypto'
import type { RunReport } from '@redoubt/contract'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ControlPlaneRefused } from './channel/exchange.ts'
import type { Journal, PendingReport } from './home/journal.ts'
import { Reporter } from './reporter.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Fault = 'dueReport' | 'removeReport' | 'postponeReport' | 'nextDue'

/** A reporter over one report, whose journal does not do one of its tasks. */
function reporterOver(fault: Fault, deliver: () => Promise<void>) {
  const disk = { broken: true, delivered: 0 }
  const report = { runId: randomUUID(), sequence: 1 } as unknown as RunReport
  let pending: (PendingReport & { due: number }) | undefined = { id: 1, attempts: 0, report, due: 0 }
  const of = (method: Fault) => {
    if (disk.broken && method === fault) throw new Error('disk I/O error')
  }
  const journal = {
    dueReport(now: Date) {
      of('dueReport')
      return pending && pending.due <= now.getTime() ? pending : undefined
    },
    removeReport() {
      of('removeReport')
      pending = undefined
    },
    postponeReport(_id: number, due: Date) {
      of('postponeReport')
      if (pending) pending = { ...pending, attempts: pending.attempts + 1, due: due.getTime() }
    },
    nextDue() {
      of('nextDue')
      return pending && new Date(pending.due)
    },
  } as unknown as Journal
  const reporter = new Reporter({
    journal,
    log: pino({ level: 'silent' }),
    now: () => new Date(),
    backoffMs: 500,
    deliver: async () => {
      await deliver()
      disk.delivered++
    },
  })
  return { reporter, disk, left: () => pending }
}

const faults: readonly [Fault, () => () => Promise<void>][] = [
  ['dueReport', () => async () => undefined],
  ['removeReport', () => async () => undefined],
  ['removeReport', () => vi.fn(() => Promise.reject(new ControlPlaneRefused('no')))],
  [
    'postponeReport',
    () => vi.fn(async () => undefined).mockRejectedValueOnce(new Error('unreachable')) as () => Promise<void>,
  ],
  ['nextDue', () => async () => undefined],
]

test.each(faults)(
  'a journal whose %s fails ends nothing: the report is delivered when the disk is well again',
  async (fault, deliver) => {
    const { reporter, disk, left } = reporterOver(fault, deliver())
    reporter.wake()
    await vi.advanceTimersByTimeAsync(1000)
    disk.broken = false
    await vi.advanceTimersByTimeAsync(120_000)
    expect(left()).toBeUndefined()
    await reporter.stop()
    expect(vi.getTimerCount()).toBe(0)
  },
)

test('a journal that fails is not asked without a pause', async () => {
  const { reporter, disk } = reporterOver('removeReport', async () => undefined)
  reporter.wake()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(disk.delivered).toBeLessThan(20)
  await reporter.stop()
})
