import type { Plan } from '@redoubt/contract'

const RUNS_AT_ONCE = 8

/** Executes runs, a bounded number at once, each run at most once at a time. */
export class Scheduler {
  readonly #execute: (plan: Plan) => Promise<void>
  readonly #queue: Plan[] = []
  readonly #running = new Map<string, Promise<void>>()
  #stopped = false

  constructor(execute: (plan: Plan) => Promise<void>) {
    this.#execute = execute
  }

  get running(): number {
    return this.#running.size + this.#queue.length
  }

  add(plan: Plan): void {
    this.#queue.push(plan)
    this.#next()
  }

  /** Resolves when the step in hand of every run is done; runs that wait stay in the journal. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#queue.length = 0
    await Promise.all(this.#running.values())
  }

  #next(): void {
    while (!this.#stopped && this.#running.size < RUNS_AT_ONCE) {
      // A resumption can arrive in the instant in which the run still reports that it waits.
      const index = this.#queue.findIndex((plan) => !this.#running.has(plan.runId))
      const plan = this.#queue[index]
      if (plan === undefined) return
      this.#queue.splice(index, 1)
      const run = this.#execute(plan).finally(() => {
        this.#running.delete(plan.runId)
        this.#next()
      })
      this.#running.set(plan.runId, run)
    }
  }
}
