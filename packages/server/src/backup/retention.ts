import type { StoredArchive } from './targets.ts'

/** An archive goes only when it is past both: not among the last ones, and older than the days. */
export type RetentionRule = { readonly keepLast: number; readonly keepDays: number }

const DAY_MS = 86_400_000

/**
 * Which archives may go. Names are not proof: somebody who can write to the target could put newer names there to have the
 * real ones removed, so nothing goes before an archive has been verified, and that one never does.
 * @param lastGood name of the newest archive that was read back and verified; null when there is none
 */
export function expiredArchives(
  stored: readonly StoredArchive[],
  rule: RetentionRule,
  lastGood: string | null,
  now: Date,
): readonly StoredArchive[] {
  const good = stored.find(({ name }) => name === lastGood)
  if (good === undefined) return []
  const newest = [...stored].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  const kept = new Set(newest.slice(0, Math.max(1, rule.keepLast)).map(({ name }) => name))
  const before = now.getTime() - rule.keepDays * DAY_MS
  return newest.filter(({ name, createdAt }) => name !== good.name && !kept.has(name) && createdAt.getTime() < before)
}
