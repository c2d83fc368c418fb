/*
 * The versions of one key over time. A version's state is a function of the clock and of times that were decided when it
 * was made, so that every process with the same line agrees, and no step has to happen at the right moment:
 *
 *   pending ── activeAt ──▶ active ── the next one's activeAt ──▶ retiring ── endsAt ──▶ ended
 *
 * Verifiers accept pending, active and retiring ones; only the active one signs or seals. A pending version is published
 * before it signs, so that no verifier meets a signature by a key it has not seen.
 */

export type KeyState = 'pending' | 'active' | 'retiring' | 'ended'

export type KeyVersion = {
  readonly version: number
  readonly createdAt: Date
  readonly activeAt: Date
  /** When nothing it signed or sealed counts any more; null as long as no successor is decided, or for ever. */
  readonly endsAt: Date | null
}

export type RotationRule = {
  /** Age at which the next version is due (KEY-4). */
  readonly periodMs: number
  /** How long a new version is published before it signs. */
  readonly leadMs: number
  /** How long what a version signed stays valid; null when for ever, as with the audit log's checkpoints. */
  readonly outlivesMs: number | null
}

/** The state of one version at a moment. `line` must hold all versions, in any order. */
export function keyStateAt(line: readonly KeyVersion[], version: KeyVersion, now: Date): KeyState {
  if (hasEnded(version, now)) return 'ended'
  if (activeVersion(line, now)?.version === version.version) return 'active'
  return now < version.activeAt ? 'pending' : 'retiring'
}

/**
 * The newest version whose time has come. When the clock was set back before all of them, the oldest, since nobody else
 * could sign. Null when every version has ended, or on an empty line.
 */
export function activeVersion<T extends KeyVersion>(line: readonly T[], now: Date): T | null {
  const accepted = acceptedVersions(line, now).toSorted((a, b) => a.version - b.version)
  return accepted.findLast((version) => now >= version.activeAt) ?? accepted[0] ?? null
}

/** What a verifier accepts now: everything that is not ended, the pending ones included. */
export function acceptedVersions<T extends KeyVersion>(line: readonly T[], now: Date): readonly T[] {
  return line.filter((version) => !hasEnded(version, now))
}

/** Whether a new version is due. A pending one already answers it. */
export function isRotationDue(line: readonly KeyVersion[], rule: RotationRule, now: Date): boolean {
  const newest = line.reduce<KeyVersion | null>((a, b) => (a === null || b.version > a.version ? b : a), null)
  return newest === null || now.getTime() - newest.createdAt.getTime() >= rule.periodMs
}

/**
 * The line after a rotation: a new version, active after its lead (at once when it is the first), and an end for every
 * older one that has none. Ended versions are left out: their material is to be destroyed.
 */
export function rotateLine<T extends KeyVersion>(
  line: readonly T[],
  rule: RotationRule,
  now: Date,
  make: (times: KeyVersion) => T,
): readonly T[] {
  const version = line.reduce((highest, each) => Math.max(highest, each.version), 0) + 1
  const activeAt = line.length === 0 ? now : new Date(now.getTime() + rule.leadMs)
  const endsAt = rule.outlivesMs === null ? null : new Date(activeAt.getTime() + rule.outlivesMs)
  const kept = acceptedVersions(line, now).map((each) => (each.endsAt === null ? { ...each, endsAt } : each))
  return [...kept, make({ version, createdAt: now, activeAt, endsAt: null })]
}

const hasEnded = ({ endsAt }: KeyVersion, now: Date): boolean => endsAt !== null && now >= endsAt
