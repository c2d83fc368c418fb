import type { Secret } from '@redoubt/trust'
import type { SecretPath, SecretStore, SecretSummary, SecretValue } from './secret-store.ts'

/**
 * A store on the network, with what was read of it kept in memory (KEY-5): no request of a service waits for the vault,
 * and while the vault is away the keeper goes on with what it knows. A change by somebody else is known once the store's
 * own watch has seen it.
 */
export class RememberingStore implements SecretStore {
  readonly kind: SecretStore['kind']
  readonly #store: SecretStore
  readonly #known = new Map<SecretPath, SecretValue>()
  readonly #stopWatching: () => void

  constructor(store: SecretStore) {
    this.kind = store.kind
    this.#store = store
    this.#stopWatching = store.watch('', ({ path, version }) => {
      if (this.#known.get(path)?.version !== version) this.#known.delete(path)
    })
  }

  async read(path: SecretPath): Promise<SecretValue | null> {
    const known = this.#known.get(path)
    if (known) return known
    const read = await this.#store.read(path)
    // What is not there may be there the next time: only what was found is kept.
    if (read) this.#known.set(path, read)
    return read
  }

  list(prefix: string): Promise<readonly SecretSummary[]> {
    return this.#store.list(prefix)
  }

  async write(path: SecretPath, value: Secret<string>, expectedVersion: number): Promise<number> {
    // Forgotten first: whether a write without an answer was done is not known.
    this.#known.delete(path)
    return this.#store.write(path, value, expectedVersion)
  }

  async remove(path: SecretPath): Promise<boolean> {
    this.#known.delete(path)
    return this.#store.remove(path)
  }

  watch(prefix: string, onChange: (summary: SecretSummary) => void): () => void {
    return this.#store.watch(prefix, onChange)
  }

  reachable(): Promise<boolean> {
    return this.#store.reachable()
  }

  async close(): Promise<void> {
    this.#stopWatching()
    this.#known.clear()
    await this.#store.close()
  }
}
