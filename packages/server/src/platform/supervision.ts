import { systemTimers, type Timers } from '@redoubt/trust'
import { describe } from './http.ts'
import type { Stop } from './kernel.ts'
import type { Log } from './log.ts'

/** How often is looked whether it lives. */
export const lookEveryMs = 500
/** The pauses before each attempt to bring it back. After the last one it stays down. */
export const pausesMs = [0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000] as const
/** Having run for so long it counts as well again; before that the next end is one more of the same trouble. */
export const wellAfterMs = 60_000

/** What is watched over. */
export type Supervised = {
  /** For the log. */
  readonly name: string
  alive(): Promise<boolean>
  /** @param stopping to give up early. @throws when it does not come up */
  revive(stopping: AbortSignal): Promise<void>
}

/**
 * Brings a process back when it ends by itself:
 *
 *     watching ──ended──▶ reviving ──came up──▶ watching
 *                         reviving ──did not──▶ reviving, after the next pause
 *                         reviving ──no pause left──▶ given up
 *
 * @returns ends the watch, and waits for an attempt in hand
 */
export function supervise(
  supervised: Supervised,
  log: Pick<Log, 'warn' | 'error'>,
  timers: Timers = systemTimers,
): Stop {
  const { name, alive, revive } = supervised
  const stopping = new AbortController()
  let attempts = 0
  let wellForMs = 0
  let inHand: Promise<void> = Promise.resolve()
  let cancel = () => {}
  const then = (ms: number, next: () => Promise<void>) => {
    if (stopping.signal.aborted) return
    cancel = timers.after(ms, () => {
      inHand = next()
    })
  }

  async function watch(): Promise<void> {
    if (await alive().catch(() => false)) {
      wellForMs += lookEveryMs
      if (wellForMs >= wellAfterMs) attempts = 0
      return then(lookEveryMs, watch)
    }
    wellForMs = 0
    tryAgain(undefined)
  }

  function tryAgain(error: unknown): void {
    const pauseMs = pausesMs[attempts]
    if (pauseMs === undefined) {
      log.error(
        { err: error && describe(error) },
        `${name} does not stay up and is not started any more: mend it, then start Redoubt again`,
      )
      return
    }
    attempts += 1
    log.warn(
      { err: error && describe(error), attempt: attempts, inMs: pauseMs },
      `${name} has ended and is started again`,
    )
    then(pauseMs, bringBack)
  }

  async function bringBack(): Promise<void> {
    try {
      await revive(stopping.signal)
      then(lookEveryMs, watch)
    } catch (error) {
      if (!stopping.signal.aborted) tryAgain(error)
    }
  }

  then(lookEveryMs, watch)
  return async () => {
    stopping.abort()
    cancel()
    await inHand
  }
}
