import type { Timers } from '@redoubt/trust'
import type { Clock } from '../src/platform/clock.ts'

/** A clock and timers that a test turns by hand. */
export class ManualTime implements Clock, Timers {
  #now: number
  #waiting: { at: number; readonly run: () => void }[] = []

  constructor(start = new Date('2026-05-04T10:00:00Z')) {
    this.#now = start.getTime()
  }

  now(): Date {
    return new Date(this.#now)
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#waiting.push(timer)
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== timer)
    }
  }

  /** In how many milliseconds the next timer is due; null when none waits. */
  next(): number | null {
    return this.#waiting.length === 0 ? null : Math.min(...this.#waiting.map(({ at }) => at)) - this.#now
  }

  /** Turns the clock, and runs what becomes due in its order. What that starts and awaits is not waited for. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#waiting = this.#waiting.filter((each) => each !== due)
      this.#now = Math.max(this.#now, due.at)
      due.run()
    }
    this.#now = end
  }

  /** Moves the clock alone, as when a machine sleeps or its clock is set: timers wait as long as they would have. */
  sleep(ms: number): void {
    this.#now += ms
    for (const timer of this.#waiting) timer.at += ms
  }
}
