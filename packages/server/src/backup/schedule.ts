/*
 * When the next scheduled backup is due, as a function of what happened and the clock. Slots lie at `atMinute` past UTC
 * midnight and every `everyHours` from there, the same on each day, so that a restart moves none of them.
 */

export type ScheduleRule = {
  /** Divides 24, or is a multiple of it: 1, 2, 3, 4, 6, 8, 12, 24, 48, 168 … */
  readonly everyHours: number
  /** Minutes after midnight UTC of one slot: 150 is 02:30. */
  readonly atMinute: number
}
export type BackupHistory = {
  /** When the newest archive that was stored and verified was begun. */
  readonly lastGoodAt: Date | null
  readonly lastAttemptAt: Date | null
  /** In a row, since the last good one. */
  readonly failures: number
}
export type NextBackup = {
  readonly at: Date
  /** Slots that passed without a good archive; more than none is worth a warning. */
  readonly missed: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const RETRY_MS = 5 * MINUTE_MS

/** @throws RangeError for a rule that has no slots at the same times each day */
export function requireSchedule({ everyHours, atMinute }: ScheduleRule): void {
  if (
    !Number.isInteger(everyHours) ||
    everyHours < 1 ||
    everyHours > 24 * 31 ||
    (24 % everyHours !== 0 && everyHours % 24 !== 0)
  )
    throw new RangeError(
      `Backups every ${everyHours} hours have no fixed times: choose 1, 2, 3, 4, 6, 8, 12 or full days.`,
    )
  if (!Number.isInteger(atMinute) || atMinute < 0 || atMinute >= 1440)
    throw new RangeError(`${atMinute} is no minute of a day: choose 0 to 1439.`)
}

/**
 * When to make the next backup; now or earlier means at once. After a missed time one backup is made at once, however many
 * slots were missed, and then the slots go on. A failed one is tried again after 5 minutes, then 10, 20 … but never
 * later than the next slot.
 */
export function nextBackup(rule: ScheduleRule, history: BackupHistory, now: Date): NextBackup {
  requireSchedule(rule)
  const period = rule.everyHours * HOUR_MS
  const current = slotAtOrBefore(rule, now)
  const good = history.lastGoodAt
  // A clock that was set back must not stop backups until it has caught up.
  if (good !== null && good >= current && good <= now) return { at: new Date(current.getTime() + period), missed: 0 }
  // A new installation has missed nothing; its first backup is made at once.
  const missed =
    good === null || good > now ? 0 : Math.round((current.getTime() - slotAtOrBefore(rule, good).getTime()) / period)
  const { lastAttemptAt, failures } = history
  if (failures === 0 || lastAttemptAt === null || lastAttemptAt > now) return { at: now, missed }
  const retry = lastAttemptAt.getTime() + RETRY_MS * 2 ** Math.min(failures - 1, 20)
  return { at: new Date(Math.min(retry, slotAtOrBefore(rule, lastAttemptAt).getTime() + period)), missed }
}

function slotAtOrBefore(rule: ScheduleRule, at: Date): Date {
  const period = rule.everyHours * HOUR_MS
  const offset = rule.atMinute * MINUTE_MS
  return new Date(Math.floor((at.getTime() - offset) / period) * period + offset)
}
