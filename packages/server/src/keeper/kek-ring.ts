import { randomBytes } from 'node:crypto'
import { activeVersion, openSealed, rotateLine, Secret, seal } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import { rotationRules } from './rotation-rules.ts'

/** Where the wrapped key-encryption keys lie: a file of the home, or a path of the vault. */
export type RingFile = { read(): Promise<string | null>; write(text: string): Promise<void> }

const Version = z.strictObject({
  version: z.int().positive(),
  createdAt: z.coerce.date(),
  activeAt: z.coerce.date(),
  endsAt: z.coerce.date().nullable(),
  master: z.strictObject({ provider: z.string(), id: z.string() }),
  wrapped: z.base64(),
})
const Ring = z.strictObject({ format: z.literal('redoubt.keks/v1'), versions: z.array(Version).min(1) })
type Version = z.output<typeof Version>

/** A data key as it lies at rest, and which KEK opens it. */
export type WrappedKey = { readonly kek: number; readonly wrapped: Buffer }

/**
 * The key-encryption keys of an installation (KEY-1, second tier): wrapped by the master key at rest, in memory while the
 * keeper is open. The newest wraps; older ones unwrap until nothing is wrapped by them any more.
 */
export class KekRing {
  readonly #file: RingFile
  readonly #master: MasterKey
  #versions: readonly Version[]
  readonly #keys = new Map<number, Secret<Buffer>>()
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(file: RingFile, master: MasterKey, versions: readonly Version[]) {
    this.#file = file
    this.#master = master
    this.#versions = versions
  }

  /**
   * Opens the ring, or makes it with its first key on the first start.
   * @throws KeeperError `master_unavailable`, `master_refuses`, `store_damaged`
   */
  static async open(file: RingFile, master: MasterKey, now: Date): Promise<KekRing> {
    const text = await file.read()
    if (text === null) {
      const ring = new KekRing(file, master, [])
      await ring.rotate(now)
      return ring
    }
    const parsed = Ring.safeParse(json(text))
    if (!parsed.success)
      throw new KeeperError('store_damaged', 'The wrapped key-encryption keys are damaged: restore them from a backup.')
    const ring = new KekRing(file, master, parsed.data.versions)
    for (const { version, wrapped } of ring.#versions)
      ring.#keys.set(version, await master.unwrap(Buffer.from(wrapped, 'base64')))
    return ring
  }

  /** Seals a data key for one place; the place is authenticated, so a wrapped key moved elsewhere does not open. */
  wrap(dataKey: Secret<Buffer>, place: string): WrappedKey {
    const { version } = this.#active()
    return { kek: version, wrapped: Buffer.from(seal(this.#key(version), dataKey.reveal(), placeOf(place))) }
  }

  /** @throws KeeperError `not_found` for a version that was destroyed, `invalid` for what it did not wrap for this place */
  unwrap({ kek, wrapped }: WrappedKey, place: string): Secret<Buffer> {
    const key = this.#key(kek)
    try {
      return new Secret(Buffer.from(openSealed(key, wrapped, placeOf(place))))
    } catch (cause) {
      throw new KeeperError('invalid', 'This wrapped key was altered, or belongs to another place.', { cause })
    }
  }

  /** A new version that wraps from now on. @returns its number */
  rotate(now: Date): Promise<number> {
    return this.#inTurn(async () => {
      const key = new Secret(randomBytes(32))
      const wrapped = (await this.#master.wrap(key)).toString('base64')
      const { provider, id } = this.#master
      const versions = rotateLine(this.#versions, rotationRules.kek, now, (times) => ({
        ...times,
        master: { provider, id },
        wrapped,
      }))
      await this.#write(versions)
      const { version } = versions.at(-1) as Version
      this.#keys.set(version, key)
      return version
    })
  }

  /** Destroys versions nothing is wrapped by any more. @throws KeeperError `invalid` for the one that wraps */
  destroyBelow(version: number): Promise<void> {
    return this.#inTurn(async () => {
      if (version > this.#active().version) throw new KeeperError('invalid', 'The key that wraps cannot be destroyed.')
      await this.#write(this.#versions.filter((each) => each.version >= version))
      for (const [number, key] of this.#keys) {
        if (number >= version) continue
        key.reveal().fill(0)
        this.#keys.delete(number)
      }
    })
  }

  /** Wraps every key anew under another master key, such as an HSM that replaces the file. */
  async rewrapUnder(master: MasterKey): Promise<KekRing> {
    const { provider, id } = master
    const versions = await Promise.all(
      this.#versions.map(async (each) => ({
        ...each,
        master: { provider, id },
        wrapped: (await master.wrap(new Secret(this.#key(each.version)))).toString('base64'),
      })),
    )
    await this.#write(versions)
    const ring = new KekRing(this.#file, master, versions)
    for (const [version, key] of this.#keys) ring.#keys.set(version, key)
    return ring
  }

  versions(): readonly Omit<Version, 'wrapped'>[] {
    return this.#versions.map(({ wrapped: _, ...shown }) => shown)
  }

  get active(): number {
    return this.#active().version
  }

  /** Zeroes every key. */
  close(): void {
    for (const key of this.#keys.values()) key.reveal().fill(0)
    this.#keys.clear()
  }

  /**
   * Changes wait for each other. Two rotations at once would make two keys of one number, one in the file and one in memory:
   * what the second wrapped could not be opened after a restart, by anybody.
   */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change, change)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #write(versions: readonly Version[]): Promise<void> {
    await this.#file.write(JSON.stringify({ format: 'redoubt.keks/v1', versions }, null, 2))
    this.#versions = versions
  }

  #active(): Version {
    // A KEK has no lead: it wraps as soon as it is written, and whoever unwraps asks the keeper.
    const active = activeVersion(this.#versions, new Date(8.64e15))
    if (active === null) throw new KeeperError('store_damaged', 'There is no key-encryption key.')
    return active
  }

  #key(version: number): Buffer {
    const key = this.#keys.get(version)
    if (!key) throw new KeeperError('not_found', `There is no key-encryption key of version ${version}.`)
    return key.reveal()
  }
}

const placeOf = (place: string) => `redoubt.kek|${place}`

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
