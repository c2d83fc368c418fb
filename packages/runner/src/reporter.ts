import type { RunReport } from '@redoubt/contract'
import type { Logger } from 'pino'
import { ControlPlaneRefused } from './channel/exchange.ts'
import type { Journal } from './home/journal.ts'

const BACKOFF_MAX_MS = 60_000
const JOURNAL_RETRY_MS = 5000

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
    this.#sending = this.#round().finally(() => {
      this.#sending = undefined
      if (this.#again) {
        this.#again = false
        this.wake()
      }
    })
  }

  /** What is not delivered now is delivered after the next start. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#sending
  }

  /**
   * A journal that cannot be read or written, on a full or failing disk, must not end the runner in the middle of a step:
   * the reports stay where they are, and the next round tries again. One that was delivered and could not be taken out
   * goes out twice, which the control plane bears.
   */
  async #round(): Promise<void> {
    const { journal, log, now } = this.#parts
    try {
      await this.#drain()
      const due = journal.nextDue()
      if (due !== undefined) this.#wakeIn(Math.max(1, due.getTime() - now().getTime()))
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown'
      log.error({ reason, retryInMs: JOURNAL_RETRY_MS }, 'the journal does not work: free its disk, or look after it')
      this.#wakeIn(JOURNAL_RETRY_MS)
    }
  }

  #wakeIn(ms: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => this.wake(), Math.min(ms, BACKOFF_MAX_MS))
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
        continue
      }
      journal.removeReport(pending.id)
    }
  }
}
