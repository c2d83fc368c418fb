import { activeVersion, type KeyVersion, keyStateAt } from '@redoubt/trust'

/*
 * The state of one signing key in the memory of one service (KEY-5). Every service has its own; none asks the keeper while
 * a request waits.
 *
 *   INIT      The key is asked of the keeper, for the first time.
 *               the keeper answers ───────────────▶ READY
 *               it does not ──────────────────────▶ (the service does not start)
 *
 *   READY     One version signs, and nothing is under way. The keeper is asked again every five minutes, and as soon as
 *             it says that the key changed.
 *               a new version is published ───────▶ ROTATING
 *               the keeper does not answer ───────▶ OUTAGE
 *               the version grows too old ────────▶ DEGRADED
 *
 *   ROTATING  The dual-key window. Two versions are in the key set: at first the old one signs, until every service has
 *             the new one; then the new one signs, until the last token of the old one has expired.
 *               the old version ends ─────────────▶ READY
 *               the keeper does not answer ───────▶ OUTAGE
 *
 *   OUTAGE    The keeper, or the store behind it, is away: the key in memory goes on signing and verifying, and nothing
 *             turns. What was decided before takes effect when the keeper is heard of again. Asked every 30 seconds.
 *               the keeper answers ───────────────▶ READY or ROTATING
 *               the version grows too old ────────▶ DEGRADED
 *
 *   DEGRADED  The version that signs is older than KEY_MAX_AGE: rotations are blocked, whatever the reason. It still
 *             signs: refusing would turn the loss of a rotation into the loss of the platform.
 *               a younger version signs ──────────▶ ROTATING, or OUTAGE when the keeper is away again
 *
 * DEGRADED hides OUTAGE and OUTAGE hides ROTATING: the graver word is shown.
 */
export const signingKeyStates = ['INIT', 'READY', 'ROTATING', 'OUTAGE', 'DEGRADED'] as const
export type SigningKeyState = (typeof signingKeyStates)[number]

const second = 1000
const minute = 60 * second

/** How often the keeper is asked for what no notice told of. */
export const refreshEveryMs = 5 * minute
/** How often while it is away. */
export const retryEveryMs = 30 * second
/** How often at most for the sake of a token by a key that is not known. */
export const askAgainMs = second
/**
 * How long after the keeper was last heard of a service lets time pass for the key. Longer than from one question to the
 * next, so that only an outage ever reaches it. With the lead of a new version (keeper/rotation-rules.ts), which is longer
 * than this and one question together, it follows that a version signs only when every service has had the time to ask.
 */
export const heardForMs = 6 * minute
/**
 * After an outage, how long what was in force during it is still accepted: others may go on with it until their own next
 * question, and an access token by it lives for 15 minutes (SESS-3).
 */
export const lateMs = refreshEveryMs + 16 * minute

/** What a service knows of a key at a moment. */
export type SigningKeyFacts = {
  readonly line: readonly KeyVersion[]
  /** The moment at which the line is judged, see {@link knownTime}. */
  readonly known: Date
  readonly now: Date
  /** The last question was not answered. */
  readonly isAway: boolean
  /** KEY_MAX_AGE. */
  readonly maxAgeMs: number
}

/** The present moment, or the last one of which a service still knows what the keeper decided: in an outage nothing turns. */
export const knownTime = (heardAt: Date, now: Date): Date =>
  new Date(Math.min(now.getTime(), heardAt.getTime() + heardForMs))

/** Whether the version that signs is older than it may become. */
export function isOverAge({ line, known, now, maxAgeMs }: SigningKeyFacts): boolean {
  const signs = activeVersion(line, known)
  return signs !== null && now.getTime() - signs.createdAt.getTime() > maxAgeMs
}

export function signingKeyState(facts: SigningKeyFacts): SigningKeyState {
  const { line, known, isAway } = facts
  if (line.length === 0) return 'INIT'
  if (isOverAge(facts)) return 'DEGRADED'
  if (isAway) return 'OUTAGE'
  // What a checkpoint key signed never ends: its old versions are no window.
  const isTurning = line.some((version) => {
    const state = keyStateAt(line, version, known)
    return state === 'pending' || (state === 'retiring' && version.endsAt !== null)
  })
  return isTurning ? 'ROTATING' : 'READY'
}
