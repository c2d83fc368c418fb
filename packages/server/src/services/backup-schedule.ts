import { systemTimers, type Timers } from '@redoubt/trust'
import { type BackupHistory, nextBackup, requireSchedule, type ScheduleRule } from '../backup/index.ts'
import { StartError } from '../platform/app-error.ts'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import { describe } from '../platform/http.ts'
import type { Stop } from '../platform/kernel.ts'
import type { Log } from '../platform/log.ts'
import type { Backups } from './backups.ts'

const lookEveryMs = 60_000
/** 02:30 UTC, when few work. */
const atMinute = 150

/**
 * Makes backups by themselves as the configuration says, until stopped. What was made is read from where it lies, so that a
 * restart forgets nothing.
 * @throws StartError for a rhythm without fixed times
 */
export function startBackupSchedule(
  backups: Pick<Backups, 'list' | 'make'>,
  { backup }: Pick<Config, 'backup'>,
  clock: Clock,
  log: Pick<Log, 'error' | 'warn'>,
  timers: Timers = systemTimers,
): Stop {
  if (!backup) return async () => undefined
  const rule: ScheduleRule = { everyHours: backup.everyHours, atMinute }
  try {
    requireSchedule(rule)
  } catch (cause) {
    throw new StartError(`REDOUBT_BACKUP_EVERY_HOURS: ${(cause as Error).message}`, { cause })
  }
  // Of what is stored, read once; unknown until then.
  let lastGoodAt: Date | null | undefined
  let attempts: Pick<BackupHistory, 'lastAttemptAt' | 'failures'> = { lastAttemptAt: null, failures: 0 }
  let toldMissed = 0
  let stopped = false

  async function look(): Promise<void> {
    const now = clock.now()
    const { at, missed } = nextBackup(rule, { lastGoodAt: lastGoodAt ?? null, ...attempts }, now)
    if (at > now) return
    try {
      if (lastGoodAt === undefined) {
        lastGoodAt = (await backups.list(null)).items[0]?.createdAt ?? null
        return await look()
      }
      // One is the slot that has just begun.
      if (missed > 1 && missed !== toldMissed) log.warn({ missed }, 'scheduled backups were missed')
      toldMissed = missed
      await backups.make(null, 'schedule', () => undefined)
      lastGoodAt = now
      attempts = { lastAttemptAt: now, failures: 0 }
    } catch (error) {
      attempts = { lastAttemptAt: now, failures: attempts.failures + 1 }
      const { failures } = attempts
      log.error({ err: describe(error), failures }, 'a scheduled backup failed and will be tried again')
    }
  }

  let cancel = () => {}
  const again = (ms: number) => {
    cancel = timers.after(ms, () => void look().then(() => !stopped && again(lookEveryMs)))
  }
  again(0)
  return async () => {
    stopped = true
    cancel()
  }
}
