/** The promise of a first response (ALERT-2). It runs from the opening until the case leaves detection or has an owner. */
export type ResponseClock = {
  readonly openedAt: Date
  /** Null where no response time is promised. */
  readonly dueAt: Date | null
  readonly respondedAt: Date | null
  readonly breachedAt: Date | null
}

/** When the first response happened; once given it never moves. */
export function respondedAt(
  before: { readonly respondedAt: Date | null },
  after: { readonly phase: string; readonly ownerId: string | null },
  now: Date,
): Date | null {
  if (before.respondedAt) return before.respondedAt
  return after.phase !== 'detection' || after.ownerId !== null ? now : null
}

/** A promise that was answered, kept or not, is history: a later change of severity does not rewrite it. */
export function dueAfterChange(clock: ResponseClock, promised: Date | null): Date | null {
  return clock.respondedAt ? clock.dueAt : promised
}

/**
 * What a check of the response time finds: `breached` when the promise was broken and nobody has noted it,
 * `early` when it is due within a minute (this machine's clock is behind the queue's, so it must look again),
 * `settled` when there is nothing to do, also because the promise moved and a later check was put on the queue.
 */
export function responseState(
  clock: ResponseClock & { readonly closedAt: Date | null },
  now: Date,
): 'breached' | 'early' | 'settled' {
  if (!clock.dueAt || clock.respondedAt || clock.breachedAt || clock.closedAt) return 'settled'
  const leftMs = clock.dueAt.getTime() - now.getTime()
  if (leftMs <= 0) return 'breached'
  return leftMs <= 60_000 ? 'early' : 'settled'
}
