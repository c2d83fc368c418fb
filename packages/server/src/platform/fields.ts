import {
  activeVersion,
  blindIndex,
  type DataClass,
  type DataKey,
  deriveIndexKey,
  type FieldPlace,
  fieldKeyVersion,
  type IndexedColumn,
  openTextField,
  sealField,
  TrustError,
} from '@redoubt/trust'
import type { Clock } from './clock.ts'
import { DataKeys, type HeldVersion, unavailable } from './data-keys.ts'
import type { Database } from './database.ts'
import type { EncryptedPlace } from './encrypted-columns.ts'
import type { KeeperClient } from './keeper-protocol.ts'

/**
 * The blind indexes of one value: the version of the index secret (uint32, big-endian) and 16 bytes of HMAC. The version
 * in front lets a re-index find what is left, by range.
 */
export type BlindIndexes = {
  /** What a new row gets. */
  readonly write: Buffer
  /** What a row with this value may have, newest first: while the index is made anew, rows have one or the other. */
  readonly find: readonly Buffer[]
}

/** A sealed value and where it lies. */
export type SealedValue = { readonly place: EncryptedPlace; readonly sealed: Uint8Array }

/**
 * Seals, opens and finds the columns that are encrypted field by field (KEY-2), each organization and data class under
 * its own keys. Only the first use of an organization's keys in a minute asks the database, and the keeper only for a
 * version it has not opened yet.
 */
export class Fields {
  readonly #keys: DataKeys
  readonly #clock: Clock

  /** @param database a pool of its own: a key is fetched while the caller holds a connection of the service's pool */
  constructor(keeper: KeeperClient, database: Database, clock: Clock) {
    this.#keys = new DataKeys(keeper, database, clock)
    this.#clock = clock
  }

  /** @throws AppError `unavailable` when the key cannot be had, TrustError `key_exhausted` after 2^32 uses of it */
  async seal(place: EncryptedPlace, value: string): Promise<Buffer> {
    const [sealed] = await this.sealMany(place.organizationId, place.dataClass, [{ place, value }])
    return sealed as Buffer
  }

  /** The values of one organization and class, with one wait for all of them. */
  sealMany(
    organizationId: string,
    dataClass: DataClass,
    values: readonly { readonly place: EncryptedPlace; readonly value: string }[],
  ): Promise<Buffer[]> {
    return this.#using(organizationId, dataClass, 'seal', async (versions) => {
      const { key, uses } = this.#active(versions)
      await uses.take(values.length)
      return values.map(({ place, value }) => sealField(key, within(place, organizationId, dataClass), value))
    })
  }

  /** @throws TrustError `sealed_data` for a value that was altered or moved, AppError `unavailable` */
  async open(place: EncryptedPlace, sealed: Uint8Array): Promise<string> {
    const [value] = await this.openMany(place.organizationId, place.dataClass, [{ place, sealed }])
    return value as string
  }

  /** A page of values of one organization and class, with one wait for all of them. */
  async openMany(organizationId: string, dataClass: DataClass, values: readonly SealedValue[]): Promise<string[]> {
    if (values.length === 0) return []
    return this.#using(organizationId, dataClass, 'open', async (versions) =>
      values.map(({ place, sealed }) => {
        // Known, but the keeper was away when it was to be opened: another question than a version that never was.
        if (versions.find(({ version }) => version === fieldKeyVersion(sealed))?.key === null) throw new NotOpened()
        return openTextField((version) => keyOf(versions, version), within(place, organizationId, dataClass), sealed)
      }),
    )
  }

  /** @param normal in its normal form, such as `normalEmail` makes it */
  async index(column: IndexedColumn, normal: string): Promise<BlindIndexes> {
    const [indexes] = await this.indexMany(column, [normal])
    return indexes as BlindIndexes
  }

  indexMany(column: IndexedColumn, normals: readonly string[]): Promise<BlindIndexes[]> {
    return this.#using(column.organizationId, 'index', 'seal', async (versions) => {
      const { key: active } = this.#active(versions)
      const newestFirst = versions.map(keyAtHand).sort((a, b) => b.version - a.version)
      const made = newestFirst.map((key) => ({ key, indexes: indexesUnder(key, column, normals) }))
      return normals.map((_, at) => ({
        write: made.find(({ key }) => key === active)?.indexes[at] as Buffer,
        find: made.map(({ indexes }) => indexes[at] as Buffer),
      }))
    })
  }

  /** Zeroes every key. */
  close(): void {
    this.#keys.close()
  }

  async #using<T>(
    organizationId: string,
    dataClass: DataClass,
    need: 'open' | 'seal',
    use: (versions: readonly HeldVersion[]) => Promise<T>,
  ): Promise<T> {
    try {
      return await use(await this.#keys.versions(organizationId, dataClass, need))
    } catch (error) {
      if (!isStale(error)) throw error
    }
    try {
      return await use(await this.#keys.versions(organizationId, dataClass, need, { fresh: true }))
    } catch (error) {
      throw error instanceof NotOpened ? unavailable(error) : error
    }
  }

  #active(versions: readonly HeldVersion[]): HeldVersion & { readonly key: DataKey } {
    const active = activeVersion(versions, this.#clock.now())
    // Not an older one instead: it may end before what it sealed is sealed anew.
    if (!active) throw new NotOpened()
    return { ...active, key: keyAtHand(active) }
  }
}

/** The keeper was away when this version was to be opened. */
class NotOpened extends Error {
  override readonly name = 'NotOpened'
}

/** Sealed meanwhile under a version newer than what is known here; dropped to make room; or not opened the last time. */
const isStale = (error: unknown): boolean =>
  error instanceof NotOpened ||
  (error instanceof TrustError && ['sealed_key_unknown', 'key_dropped'].includes(error.code))

function keyAtHand({ key }: HeldVersion): DataKey {
  if (key === null) throw new NotOpened()
  return key
}

const keyOf = (versions: readonly HeldVersion[], version: number) =>
  versions.find((each) => each.version === version)?.key ?? undefined

function within(place: EncryptedPlace, organizationId: string, dataClass: DataClass): FieldPlace {
  if (place.organizationId !== organizationId || place.dataClass !== dataClass)
    throw new Error(`${place.table}.${place.column} is not sealed under ${dataClass} of ${organizationId}`)
  return place
}

function indexesUnder(secret: DataKey, column: IndexedColumn, normals: readonly string[]): Buffer[] {
  using indexKey = deriveIndexKey(secret.key, column)
  const version = Buffer.alloc(4)
  version.writeUInt32BE(secret.version)
  return normals.map((normal) => Buffer.concat([version, blindIndex(indexKey, normal)]))
}
