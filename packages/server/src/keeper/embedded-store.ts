import { randomBytes } from 'node:crypto'
import { NIL_ORGANIZATION, openSealed, Secret, seal } from '@redoubt/trust'
import { z } from 'zod'
import { dataKeyPlace } from './data-keys.ts'
import { KeeperError } from './keeper-error.ts'
import type { KekRing, RingFile } from './kek-ring.ts'
import { SecretPath, type SecretStore, type SecretSummary, type SecretValue } from './secret-store.ts'

const MAX_BYTES = 65_536

const DataKey = z.strictObject({
  version: z.int().positive(),
  createdAt: z.coerce.date(),
  kek: z.int().positive(),
  wrapped: z.base64(),
})
const Entry = z.strictObject({
  version: z.int().positive(),
  writtenAt: z.coerce.date(),
  key: z.int().positive(),
  /** Absent once removed: the version stays, so that a path never counts backwards. */
  sealed: z.base64().optional(),
})
const File = z.strictObject({
  format: z.literal('redoubt.secrets/v1'),
  keys: z.array(DataKey).min(1),
  entries: z.record(SecretPath, Entry),
})
type File = z.output<typeof File>

/**
 * The secret store that needs no other software (SEC-1): one file, each value sealed for its path and version under a data
 * key of its own, which the KEK wraps. Writes replace the file whole, one after the other.
 */
export class EmbeddedStore implements SecretStore {
  readonly kind = 'embedded'
  readonly #storage: RingFile
  readonly #ring: KekRing
  readonly #now: () => Date
  readonly #watchers = new Set<{ prefix: string; onChange: (summary: SecretSummary) => void }>()
  #file: File
  #keys: ReadonlyMap<number, Secret<Buffer>>
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(storage: RingFile, ring: KekRing, now: () => Date, file: File) {
    this.#storage = storage
    this.#ring = ring
    this.#now = now
    this.#file = file
    this.#keys = new Map(
      file.keys.map(({ version, kek, wrapped }) => [
        version,
        ring.unwrap({ kek, wrapped: Buffer.from(wrapped, 'base64') }, place(version)),
      ]),
    )
  }

  /**
   * Opens the store, or makes an empty one on the first start.
   * @throws KeeperError `store_damaged`
   */
  static async open(storage: RingFile, ring: KekRing, now: () => Date): Promise<EmbeddedStore> {
    const text = await storage.read()
    if (text !== null) {
      try {
        return new EmbeddedStore(storage, ring, now, File.parse(JSON.parse(text)))
      } catch (cause) {
        throw new KeeperError(
          'store_damaged',
          'The secret store is damaged or belongs to another installation: restore keys/ from a backup.',
          { cause },
        )
      }
    }
    const file: File = { format: 'redoubt.secrets/v1', keys: [newKey(ring, 1, now())], entries: {} }
    await storage.write(textOf(file))
    return new EmbeddedStore(storage, ring, now, file)
  }

  async read(path: SecretPath): Promise<SecretValue | null> {
    const entry = this.#file.entries[path]
    if (entry?.sealed === undefined) return null
    const bytes = openSealed(this.#key(entry.key), Buffer.from(entry.sealed, 'base64'), entryPlace(path, entry))
    return {
      path,
      version: entry.version,
      value: new Secret(Buffer.from(bytes).toString('utf8')),
      writtenAt: entry.writtenAt,
    }
  }

  async list(prefix: string): Promise<readonly SecretSummary[]> {
    return Object.entries(this.#file.entries)
      .filter(([path, { sealed }]) => path.startsWith(prefix) && sealed !== undefined)
      .map(([path, { version, writtenAt }]) => ({ path, version, writtenAt }))
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  write(path: SecretPath, value: Secret<string>, expectedVersion: number): Promise<number> {
    return this.#inTurn(async () => {
      if (!SecretPath.safeParse(path).success)
        throw new KeeperError('invalid', 'A secret’s path is lower-case words with slashes, such as smtp/password.')
      const bytes = Buffer.from(value.reveal(), 'utf8')
      if (bytes.length > MAX_BYTES) throw new KeeperError('invalid', `A secret has at most ${MAX_BYTES} bytes.`)
      const before = this.#file.entries[path]
      const seen = before?.sealed === undefined ? 0 : before.version
      if (seen !== expectedVersion)
        throw new KeeperError('store_conflict', `${path} changed meanwhile: it is at version ${seen}.`)
      const version = (before?.version ?? 0) + 1
      const key = this.#newestKey()
      const sealed = Buffer.from(seal(this.#key(key), bytes, entryPlace(path, { version }))).toString('base64')
      const writtenAt = this.#now()
      await this.#replace({
        ...this.#file,
        entries: { ...this.#file.entries, [path]: { version, writtenAt, key, sealed } },
      })
      this.#tell({ path, version, writtenAt })
      return version
    })
  }

  remove(path: SecretPath): Promise<boolean> {
    return this.#inTurn(async () => {
      const before = this.#file.entries[path]
      if (before?.sealed === undefined) return false
      const { sealed: _, ...rest } = before
      const entry = { ...rest, version: before.version + 1, writtenAt: this.#now() }
      await this.#replace({ ...this.#file, entries: { ...this.#file.entries, [path]: entry } })
      this.#tell({ path, version: entry.version, writtenAt: entry.writtenAt })
      return true
    })
  }

  watch(prefix: string, onChange: (summary: SecretSummary) => void): () => void {
    const watcher = { prefix, onChange }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  async reachable(): Promise<boolean> {
    return (await this.#storage.read()) !== null
  }

  /** A new data key; every value is sealed anew under it in the same write. */
  rotateKey(): Promise<number> {
    return this.#inTurn(async () => {
      const key = newKey(this.#ring, this.#newestKey() + 1, this.#now())
      const dataKey = this.#ring.unwrap(
        { kek: key.kek, wrapped: Buffer.from(key.wrapped, 'base64') },
        place(key.version),
      )
      const entries = Object.fromEntries(
        Object.entries(this.#file.entries).map(([path, entry]) => {
          if (entry.sealed === undefined) return [path, { ...entry, key: key.version }]
          const bound = entryPlace(path, entry)
          const bytes = openSealed(this.#key(entry.key), Buffer.from(entry.sealed, 'base64'), bound)
          const sealed = Buffer.from(seal(dataKey.reveal(), bytes, bound)).toString('base64')
          bytes.fill(0)
          return [path, { ...entry, key: key.version, sealed }]
        }),
      )
      await this.#replace({ ...this.#file, keys: [key], entries })
      for (const old of this.#keys.values()) old.reveal().fill(0)
      this.#keys = new Map([[key.version, dataKey]])
      return key.version
    })
  }

  /** Wraps the data key under the newest KEK, so that an older one can be destroyed. */
  rewrap(): Promise<void> {
    return this.#inTurn(async () => {
      const keys = this.#file.keys.map((key) => {
        const { kek, wrapped } = this.#ring.wrap(new Secret(this.#key(key.version)), place(key.version))
        return { ...key, kek, wrapped: wrapped.toString('base64') }
      })
      await this.#replace({ ...this.#file, keys })
    })
  }

  /** The data key's version and age, and the KEK that wraps it. */
  keys(): readonly { readonly version: number; readonly createdAt: Date; readonly kek: number }[] {
    return this.#file.keys.map(({ wrapped: _, ...shown }) => shown)
  }

  async close(): Promise<void> {
    await this.#turn
    this.#watchers.clear()
    for (const key of this.#keys.values()) key.reveal().fill(0)
    this.#keys = new Map()
  }

  /** Writers wait for each other: each sees what the one before left. */
  #inTurn<T>(use: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(use, use)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #replace(file: File): Promise<void> {
    try {
      await this.#storage.write(textOf(file))
    } catch (cause) {
      throw new KeeperError('store_unavailable', 'The secret store cannot be written; nothing was changed.', { cause })
    }
    this.#file = file
  }

  #tell(summary: SecretSummary): void {
    for (const { prefix, onChange } of this.#watchers) if (summary.path.startsWith(prefix)) onChange(summary)
  }

  #newestKey(): number {
    return Math.max(...this.#file.keys.map(({ version }) => version))
  }

  #key(version: number): Buffer {
    const key = this.#keys.get(version)
    if (!key) throw new KeeperError('store_damaged', 'A secret is sealed under a key that the store does not have.')
    return key.reveal()
  }
}

const textOf = (file: File) => JSON.stringify(file, null, 2)
const place = (version: number) => dataKeyPlace({ organizationId: NIL_ORGANIZATION, dataClass: 'secret', version })
/** A value put under another path, or an old one put back, does not open. */
const entryPlace = (path: string, { version }: { version: number }) => `redoubt.secret|${path}|${version}`

function newKey(ring: KekRing, version: number, createdAt: Date): z.output<typeof DataKey> {
  const key = new Secret(randomBytes(32))
  const { kek, wrapped } = ring.wrap(key, place(version))
  key.reveal().fill(0)
  return { version, createdAt, kek, wrapped: wrapped.toString('base64') }
}
