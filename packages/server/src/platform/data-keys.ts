import type { OrganizationId } from '@redoubt/contract'
import {
  acceptedVersions,
  type DataClass,
  type DataKey,
  type KeyVersion,
  NIL_ORGANIZATION,
  SecretBytes,
  UseCounter,
} from '@redoubt/trust'
import { type Kysely, sql } from 'kysely'
import { AppError } from './app-error.ts'
import type { Clock } from './clock.ts'
import type { Database } from './database.ts'
import { type KeeperClient, KeeperRefusal } from './keeper-protocol.ts'
import type { Schema } from './schema.ts'
import { inSystem, inTenant } from './tenant-tx.ts'

/**
 * How long a service goes by what it knows of an organization's keys. A new version is published for longer than this
 * before it seals, so that no service meets a value whose key it has not heard of, nor misses a row by its index.
 */
export const knownForMs = 60_000
const maxHeld = 4096

/** A version as this service holds it. */
export type HeldVersion = KeyVersion & {
  /** Null while the keeper cannot be asked to open it. */
  readonly key: DataKey | null
  readonly uses: UseCounter
}

type Held = { readonly versions: readonly HeldVersion[]; readonly at: number }
type Entry = { held: Held | null; fetching: Promise<Held> | null }

/**
 * The data keys of a service: wrapped in the database, opened by the keeper, in memory here (KEY-1). What is dropped is
 * zeroed.
 */
export class DataKeys {
  readonly #keeper: KeeperClient
  readonly #database: Database
  readonly #clock: Clock
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>()

  /** @param database a pool of its own: a key is fetched while the caller holds a connection of the service's pool */
  constructor(keeper: KeeperClient, database: Database, clock: Clock) {
    this.#keeper = keeper
    this.#database = database
    this.#clock = clock
  }

  /**
   * The versions of an organization and class; the first is made when there is none. Use them at once: they may be dropped
   * by the next wait.
   * @param need to `open`, also what was known goes while the database is away; to `seal`, only what is known to be so
   * now, since a value under a version that has ended meanwhile would be lost
   */
  async versions(
    organizationId: string,
    dataClass: DataClass,
    need: 'open' | 'seal',
    options: { fresh?: boolean } = {},
  ): Promise<readonly HeldVersion[]> {
    const entry = this.#entry(`${organizationId}|${dataClass}`)
    const age = entry.held ? this.#clock.now().getTime() - entry.held.at : Number.POSITIVE_INFINITY
    if (entry.held && !options.fresh && age < knownForMs) return entry.held.versions
    entry.fetching ??= this.#fetch(entry, organizationId, dataClass).finally(() => {
      entry.fetching = null
    })
    try {
      return (await entry.fetching).versions
    } catch (cause) {
      if (entry.held && need === 'open') return entry.held.versions
      throw unavailable(cause)
    }
  }

  close(): void {
    for (const entry of this.#entries.values()) drop(entry)
    this.#entries.clear()
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name) ?? { held: null, fetching: null }
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    const [oldest] = this.#entries
    if (this.#entries.size > maxHeld && oldest) {
      this.#entries.delete(oldest[0])
      drop(oldest[1])
    }
    return entry
  }

  async #fetch(entry: Entry, organizationId: string, dataClass: DataClass): Promise<Held> {
    const held = { versions: await this.#read(entry, organizationId, dataClass), at: this.#clock.now().getTime() }
    for (const { version, key } of entry.held?.versions ?? [])
      if (!held.versions.some((each) => each.version === version)) key?.key.drop()
    entry.held = held
    return held
  }

  async #read(entry: Entry, organizationId: string, dataClass: DataClass): Promise<HeldVersion[]> {
    for (let attempt = 1; ; attempt++) {
      let rows = await this.#rows(organizationId, dataClass)
      if (rows.length === 0) {
        await this.#create(organizationId, dataClass)
        rows = await this.#rows(organizationId, dataClass)
      }
      const versions: HeldVersion[] = []
      const refusals: unknown[] = []
      for (const { kek, wrapped, ...times } of rows) {
        const scope = { organizationId, dataClass, version: times.version }
        const before = entry.held?.versions.find((each) => each.version === times.version)
        const uses = before?.uses ?? new UseCounter((blocks) => this.#reserve(scope, blocks))
        const key =
          before?.key ?? (await this.#open(scope, kek, wrapped).catch((error: unknown) => void refusals.push(error)))
        versions.push({ ...times, key: key ?? null, uses })
      }
      // Between reading the row and asking, the key was wrapped anew and the KEK it was wrapped by destroyed.
      const [refusal] = refusals
      const isOutrun = refusal instanceof KeeperRefusal && refusal.code === 'not_found' && attempt < 3
      if (isOutrun) continue
      if (refusals.length > 0 && versions.every(({ key }) => key === null)) throw refusal
      return versions
    }
  }

  async #open(scope: DataKey | Omit<DataKey, 'key'>, kek: number, wrapped: Buffer): Promise<DataKey> {
    const { organizationId, dataClass, version } = scope
    const place = { organizationId, dataClass, version }
    const { key } = await this.#keeper.call('data-key.open', { ...place, kek, wrapped: wrapped.toString('base64') })
    return { ...place, key: new SecretBytes(Buffer.from(key, 'base64')) }
  }

  async #rows(organizationId: string, dataClass: DataClass) {
    const rows = await this.#inScope(organizationId, (db) =>
      db
        .selectFrom('data_keys')
        .select(['version', 'kek', 'wrapped', 'created_at as createdAt', 'active_at as activeAt', 'ends_at as endsAt'])
        .where('organization_id', '=', organizationId)
        .where('data_class', '=', dataClass)
        .execute(),
    )
    return acceptedVersions(rows, this.#clock.now())
  }

  /** The first key of an organization and class. Of two services that make it at once, the first one's counts. */
  #create(organizationId: string, dataClass: DataClass): Promise<void> {
    const now = this.#clock.now()
    return this.#inScope(organizationId, (db) =>
      insertDataKey(db, this.#keeper, { organizationId, dataClass, version: 1 }, { createdAt: now, activeAt: now }),
    )
  }

  #reserve({ organizationId, dataClass, version }: Omit<DataKey, 'key'>, blocks: number): Promise<number> {
    return this.#inScope(organizationId, async (db) => {
      const { uses } = await db
        .updateTable('data_keys')
        .set((eb) => ({ uses: eb('uses', '+', blocks) }))
        .where('organization_id', '=', organizationId)
        .where('data_class', '=', dataClass)
        .where('version', '=', version)
        .returning('uses')
        .executeTakeFirstOrThrow()
      return uses
    })
  }

  #inScope<T>(organizationId: string, use: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    return organizationId === NIL_ORGANIZATION
      ? inSystem(this.#database, 'keys', ({ db }) => use(db))
      : inTenant(this.#database, organizationId as OrganizationId, { service: this.#keeper.service }, ({ db }) =>
          use(db),
        )
  }
}

/** The lock between needing the KEKs there are and destroying one, as SQL. */
export const kekLock = `hashtext('redoubt.kek')`

/**
 * Makes a version and stores it, unless there is one of this number already.
 *
 * A key is wrapped here and its row committed later; were the KEK destroyed in between, nobody could ever open it. So
 * whoever makes one holds the lock shared, and whoever destroys KEKs holds it alone ({@link holdKeks}).
 */
export async function insertDataKey(
  db: Kysely<Schema>,
  keeper: KeeperClient,
  scope: Omit<DataKey, 'key'>,
  times: { readonly createdAt: Date; readonly activeAt: Date },
): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${sql.raw(kekLock)})`.execute(db)
  const { kek, wrapped } = await keeper.call('data-key.create', scope)
  await db
    .insertInto('data_keys')
    .values({
      organization_id: scope.organizationId,
      data_class: scope.dataClass,
      version: scope.version,
      kek,
      wrapped: Buffer.from(wrapped, 'base64'),
      created_at: times.createdAt,
      active_at: times.activeAt,
      ends_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Until the end of the transaction no data key is made: what is not wrapped by an old KEK now never will be. */
export async function holdKeks(db: Kysely<Schema>): Promise<void> {
  await sql`select pg_advisory_xact_lock(${sql.raw(kekLock)})`.execute(db)
}

export function unavailable(cause?: unknown): AppError {
  return new AppError('unavailable', 'The keys to this data are not at hand; try again in a few seconds.', {
    cause,
    retryAfter: 5,
  })
}

function drop(entry: Entry): void {
  for (const { key } of entry.held?.versions ?? []) key?.key.drop()
  entry.held = null
  // One that was on its way: whoever waits for it uses it first, and asks again when it was too late.
  entry.fetching?.then(
    ({ versions }) => {
      for (const { key } of versions) key?.key.drop()
    },
    () => undefined,
  )
}
