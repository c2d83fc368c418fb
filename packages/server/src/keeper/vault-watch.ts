import type { Timers } from '@redoubt/trust'
import type { SecretSummary } from './secret-store.ts'

/* Changes in a store that does not tell: looked for at an interval, and at once after a write of our own. */

type Watcher = {
  readonly prefix: string
  readonly onChange: (summary: SecretSummary) => void
  known: ReadonlyMap<string, SecretSummary> | null
}

export class VaultWatch {
  readonly #timers: Timers
  readonly #pollMs: number
  readonly #list: (prefix: string) => Promise<readonly SecretSummary[]>
  readonly #watchers = new Set<Watcher>()
  readonly #served = new Map<string, number>()
  #looking: Promise<void> = Promise.resolve()
  #cancel: (() => void) | null = null

  constructor(timers: Timers, pollMs: number, list: (prefix: string) => Promise<readonly SecretSummary[]>) {
    this.#timers = timers
    this.#pollMs = pollMs
    this.#list = list
  }

  /** Remembers what a reader holds: a change between reading and the first look must not be missed. */
  served(path: string, version: number): void {
    this.#served.set(path, version)
  }

  /** @returns takes it back */
  add(prefix: string, onChange: (summary: SecretSummary) => void): () => void {
    const watcher: Watcher = { prefix, onChange, known: null }
    this.#watchers.add(watcher)
    this.look()
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Looks now, after any look that is under way. */
  look(): void {
    this.#cancel?.()
    this.#cancel = null
    this.#looking = this.#looking.then(() => this.#lookOnce())
  }

  stop(): void {
    this.#watchers.clear()
    this.#cancel?.()
    this.#cancel = null
  }

  async #lookOnce(): Promise<void> {
    for (const watcher of this.#watchers) {
      try {
        this.#compare(watcher, await this.#list(watcher.prefix))
      } catch {
        // The store is away: the next look finds what changed meanwhile.
      }
    }
    this.#cancel?.()
    this.#cancel = this.#watchers.size > 0 ? this.#timers.after(this.#pollMs, () => this.look()) : null
  }

  #compare(watcher: Watcher, found: readonly SecretSummary[]): void {
    const before = watcher.known
    const now = new Map(found.map((summary) => [summary.path as string, summary]))
    watcher.known = now
    for (const summary of found) {
      const version = before
        ? (before.get(summary.path)?.version ?? 0)
        : (this.#served.get(summary.path) ?? summary.version)
      if (summary.version !== version) this.#tell(watcher, summary)
    }
    for (const gone of before?.values() ?? []) if (!now.has(gone.path)) this.#tell(watcher, gone)
  }

  #tell(watcher: Watcher, summary: SecretSummary): void {
    if (this.#watchers.has(watcher)) watcher.onChange(summary)
  }
}
