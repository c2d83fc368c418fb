import type { RunReport } from '@redoubt/contract'
import type { Logger } from 'pino'
import { ControlPlaneRefused } from './control-plane.ts'
import type { Journal } from './home/journal.ts'

const BACKOFF_MAX_MS = 60_000

export type ReporterParts = {
  readonly journal: Journal
  readonly log: Logger
  readonly now: () => Date
  readonly deliver: (report: RunReport) => Promise<void>
  /** Wait before the first repetition, in milliseconds; doubled up to a minute. */
  readonly backoffMs: number
}

/** Delivers the outbox of the journal, at least once and in the order of each run, until it is stopped. */
export class Reporter {
  readonly #parts: ReporterParts
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(parts: ReporterParts) {
    this.#parts = parts
  }

  /** To be called when a report was added. */
  wake(): void {
    if (this.#stopped) return
    if (this.#sending !== undefined) {
      this.#again = true
      return
    }
    clearTimeout(this.#timer)
    this.#sending = this.#drain().finally(() => {
      this.#sending = undefined
      if (this.#again) {
        this.#again = false
        this.wake()
      } else this.#schedule()
    })
  }

  /** What is not delivered now is delivered after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#sending
  }

  #schedule(): void {
    const due = this.#stopped ? undefined : this.#parts.journal.nextDue()
    if (due === undefined) return
    const wait = Math.max(1, due.getTime() - this.#parts.now().getTime())
    this.#timer = setTimeout(() => this.wake(), Math.min(wait, BACKOFF_MAX_MS))
    this.#timer.unref()
  }

  async #drain(): Promise<void> {
    const { journal, log, now, deliver, backoffMs } = this.#parts
    while (!this.#stopped) {
      const pending = journal.dueReport(now())
      if (pending === undefined) return
      const { runId, sequence } = pending.report
      try {
        await deliver(pending.report)
        journal.removeReport(pending.id)
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown'
        if (error instanceof ControlPlaneRefused) {
          // Repeating cannot help and would hold up all later reports; the log keeps the trace.
          log.error({ runId, sequence, reason }, 'a report was refused by the control plane and is given up')
          journal.removeReport(pending.id)
          continue
        }
        const wait = Math.min(BACKOFF_MAX_MS, backoffMs * 2 ** Math.min(pending.attempts, 16))
        log.warn({ runId, sequence, reason, retryInMs: wait }, 'a report could not be delivered yet')
        journal.postponeReport(pending.id, new Date(now().getTime() + wait))
      }
    }
  }
}
