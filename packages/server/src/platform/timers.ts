/** What waits: tests pass timers that they turn by hand. */
export type Timers = {
  /** Calls back once, after `ms` milliseconds. @returns takes the call back */
  after(ms: number, run: () => void): () => void
}

/** None of them keeps the process alive. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms).unref()
    return () => clearTimeout(timer)
  },
}
