const kept = 256
const waitMs = 25_000

/**
 * What changed lately, by position, for services that ask over the wire. Whoever was away for longer than is kept, or
 * since before the keeper's start, is told `everything`.
 */
export class ChangeLog {
  // A position is never reused over restarts, or a service could miss what happened around one.
  #position = Date.now()
  #entries: { readonly position: number; readonly changed: string }[] = []
  readonly #waiting = new Set<() => void>()
  #closed = false

  add(changed: string): void {
    this.#position += 1
    this.#entries = [...this.#entries.slice(1 - kept), { position: this.#position, changed }]
    for (const wake of this.#waiting) wake()
  }

  /** What changed after a position; waits for something when there is nothing yet. */
  async since(after: number): Promise<{ position: number; changed: string[] }> {
    if (after === 0) return { position: this.#position, changed: [] }
    if (after === this.#position && !this.#closed) await this.#wait()
    const [oldest] = this.#entries
    const isGap =
      after > this.#position || (after < this.#position && (oldest === undefined || after < oldest.position - 1))
    const later = this.#entries.filter(({ position }) => position > after).map(({ changed }) => changed)
    return { position: this.#position, changed: isGap ? ['everything'] : [...new Set(later)] }
  }

  /** Answers all who wait. */
  close(): void {
    this.#closed = true
    for (const wake of this.#waiting) wake()
  }

  #wait(): Promise<void> {
    return new Promise((done) => {
      const wake = () => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        done()
      }
      const timer = setTimeout(wake, waitMs).unref()
      this.#waiting.add(wake)
    })
  }
}
