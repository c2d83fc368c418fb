import { Secret } from '@redoubt/trust'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import type { SecretStore, SecretSummary } from '../src/keeper/secret-store.ts'

/** A secret store in memory, for tests of what stands upon one; the port's own contract is in secret-store-suite.ts. */
export function memoryStore(): SecretStore & { put(path: string, value: string): Promise<void> } {
  const entries = new Map<string, { version: number; value: string; writtenAt: Date }>()
  const watchers = new Set<(summary: SecretSummary) => void>()
  return {
    kind: 'embedded',
    async read(path) {
      const entry = entries.get(path)
      return entry ? { path, ...entry, value: new Secret(entry.value) } : null
    },
    list: async (prefix) =>
      [...entries]
        .filter(([path]) => path.startsWith(prefix))
        .map(([path, { version, writtenAt }]) => ({ path, version, writtenAt })),
    async write(path, value, expectedVersion) {
      const seen = entries.get(path)?.version ?? 0
      if (seen !== expectedVersion) throw new KeeperError('store_conflict', `${path} is at version ${seen}.`)
      const entry = { version: seen + 1, value: value.reveal(), writtenAt: new Date() }
      entries.set(path, entry)
      for (const tell of watchers) tell({ path, version: entry.version, writtenAt: entry.writtenAt })
      return entry.version
    },
    remove: async (path) => entries.delete(path),
    watch(_prefix, onChange) {
      watchers.add(onChange)
      return () => watchers.delete(onChange)
    },
    reachable: async () => true,
    close: async () => undefined,
    async put(path, value) {
      entries.set(path, { version: (entries.get(path)?.version ?? 0) + 1, value, writtenAt: new Date() })
    },
  }
}
