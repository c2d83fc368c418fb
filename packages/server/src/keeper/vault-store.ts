import { Secret, type Timers } from '@redoubt/trust'
import { z } from 'zod'
import type { Clock } from '../platform/clock.ts'
import { KeeperError } from './keeper-error.ts'
import { SecretPath, type SecretStore, type SecretSummary, type SecretValue } from './secret-store.ts'
import type { VaultCall, VaultClient } from './vault-client.ts'
import { requireMount } from './vault-sign-in.ts'
import { VaultWatch } from './vault-watch.ts'
import { errorsOf, refusalOf, type VaultAnswer } from './vault-wire.ts'

/*
 * Secrets in the key-value engine, version 2, of Vault or OpenBao: one key each, whose data is {"value": …}. Removing
 * destroys every version but keeps the metadata, so that a path goes on counting.
 */

export type VaultStoreOptions = {
  /** By default `secret`. */
  readonly mount?: string | undefined
  /** The folder below the mount that is the platform's; by default `redoubt`. */
  readonly folder?: string | undefined
  /** How often {@link SecretStore.watch} looks; by default every 30 seconds. */
  readonly pollMs?: number | undefined
  readonly clock: Clock
  readonly timers: Timers
}

const MOST_BYTES = 65_536
const AT_ONCE = 8

const when = z.iso.datetime({ offset: true }).transform((text) => new Date(text))
const Version = z.object({ created_time: when, deletion_time: z.string(), destroyed: z.boolean() })
const Read = z.object({
  data: z.object({
    data: z.record(z.string(), z.unknown()),
    metadata: z.object({ version: z.int().positive(), created_time: when }),
  }),
})
const Written = z.object({ data: z.object({ version: z.int().positive() }) })
const Metadata = z.object({
  data: z.object({ current_version: z.int().min(0), versions: z.record(z.string(), Version) }),
})
const Keys = z.object({ data: z.object({ keys: z.array(z.string()) }) })

export class VaultStore implements SecretStore {
  readonly kind = 'vault'
  readonly #vault: VaultClient
  readonly #mount: string
  readonly #folder: string
  readonly #clock: Clock
  readonly #watch: VaultWatch

  /** The client is this store's from now on. @throws KeeperError `invalid` */
  constructor(vault: VaultClient, options: VaultStoreOptions) {
    const { mount = 'secret', folder = 'redoubt', pollMs = 30_000, clock, timers } = options
    requireMount(mount)
    requireMount(folder)
    this.#vault = vault
    this.#mount = mount
    this.#folder = folder
    this.#clock = clock
    this.#watch = new VaultWatch(timers, pollMs, (prefix) => this.list(prefix))
  }

  async read(path: SecretPath): Promise<SecretValue | null> {
    const answer = await this.#call({ method: 'GET', path: this.#at('data', path), repeatable: true })
    if (answer.status === 404) return null
    const { data, metadata } = this.#parsed(Read, answer).data
    if (typeof data['value'] !== 'string')
      throw new KeeperError(
        'store_damaged',
        `${path} in Vault has no text under "value": write it with "vault kv put ${this.#mount}/${this.#folder}/${path} value=-".`,
      )
    const { version, created_time: writtenAt } = metadata
    this.#watch.served(path, version)
    return { path, version, value: new Secret(data['value']), writtenAt }
  }

  async list(prefix: string): Promise<readonly SecretSummary[]> {
    if (prefix !== '' && !(prefix.endsWith('/') && SecretPath.safeParse(prefix.slice(0, -1)).success))
      throw new KeeperError('invalid', 'A prefix is empty, or lower-case words that each end with a slash.')
    const paths = await this.#pathsBelow(prefix)
    const summaries: SecretSummary[] = []
    for (let at = 0; at < paths.length; at += AT_ONCE) {
      const some = paths.slice(at, at + AT_ONCE).map(async (path) => (await this.#metadata(path))?.live)
      for (const live of await Promise.all(some)) if (live) summaries.push(live)
    }
    return summaries.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async write(path: SecretPath, value: Secret<string>, expectedVersion: number): Promise<number> {
    if (Buffer.byteLength(value.reveal(), 'utf8') > MOST_BYTES)
      throw new KeeperError('invalid', `The value of ${path} is longer than 64 KiB.`)
    // Vault compares with the newest version even when that was deleted, so what the caller saw is compared here.
    const metadata = await this.#metadata(path)
    const seen = metadata?.live?.version ?? 0
    if (seen !== expectedVersion) throw conflict(path)
    const body = { options: { cas: metadata?.newest ?? 0 }, data: { value: value.reveal() } }
    const answer = await this.#call({ method: 'POST', path: this.#at('data', path), body, repeatable: false })
    if (answer.status === 400 && refusalOf(answer).includes('check-and-set')) throw conflict(path)
    const { version } = this.#parsed(Written, answer).data
    this.#watch.look()
    return version
  }

  async remove(path: SecretPath): Promise<boolean> {
    const metadata = await this.#metadata(path)
    if (!metadata) return false
    // Also of a path that was deleted softly: its earlier versions could be brought back.
    if (metadata.undestroyed.length > 0) {
      const body = { versions: metadata.undestroyed }
      await this.#call({ method: 'POST', path: this.#at('destroy', path), body, repeatable: true })
      this.#watch.look()
    }
    return metadata.live !== null
  }

  watch(prefix: string, onChange: (summary: SecretSummary) => void): () => void {
    return this.#watch.add(prefix, onChange)
  }

  reachable(): Promise<boolean> {
    return this.#vault.reachable()
  }

  async close(): Promise<void> {
    this.#watch.stop()
    await this.#vault.close()
  }

  async #pathsBelow(prefix: string): Promise<readonly SecretPath[]> {
    // LIST in its form for clients without that method.
    const path = `${this.#mount}/metadata/${this.#folder}/${prefix}?list=true`
    const answer = await this.#call({ method: 'GET', path, repeatable: true })
    if (answer.status === 404) return []
    const found: SecretPath[] = []
    for (const key of this.#parsed(Keys, answer).data.keys) {
      const isFolder = key.endsWith('/')
      const below = SecretPath.safeParse(prefix + (isFolder ? key.slice(0, -1) : key))
      // What the platform could not have written is somebody else's.
      if (!below.success) continue
      if (isFolder) found.push(...(await this.#pathsBelow(`${below.data}/`)))
      else found.push(below.data)
    }
    return found
  }

  async #metadata(path: SecretPath) {
    const answer = await this.#call({ method: 'GET', path: this.#at('metadata', path), repeatable: true })
    if (answer.status === 404) return null
    const { current_version: newest, versions } = this.#parsed(Metadata, answer).data
    const version = versions[newest]
    const live = version && this.#isLive(version) ? { path, version: newest, writtenAt: version.created_time } : null
    const undestroyed = Object.keys(versions).filter((each) => versions[each]?.destroyed === false)
    return { newest, live, undestroyed: undestroyed.map(Number) }
  }

  /** A deletion time may lie in the future (`delete_version_after`). */
  #isLive({ deletion_time, destroyed }: z.output<typeof Version>): boolean {
    return !destroyed && (deletion_time === '' || new Date(deletion_time) > this.#clock.now())
  }

  #at(kind: 'data' | 'metadata' | 'destroy', path: string): string {
    if (!SecretPath.safeParse(path).success)
      throw new KeeperError('invalid', 'A secret’s path is lower-case words with slashes, such as smtp/password.')
    return `${this.#mount}/${kind}/${this.#folder}/${path}`
  }

  async #call(call: VaultCall): Promise<VaultAnswer> {
    const answer = await this.#vault.call(call)
    // Vault says 404 for a missing secret and for a missing engine. Taken for the former, a mistyped mount would look
    // like a new installation, and new keys would be made.
    if (answer.status === 404 && errorsOf(answer.body).length > 0)
      throw new KeeperError(
        'store_unavailable',
        `Vault has no key-value engine at ${this.#mount}: ${refusalOf(answer)}.`,
      )
    return answer
  }

  #parsed<T>(schema: z.ZodType<T>, answer: VaultAnswer): T {
    const result = answer.status === 200 ? schema.safeParse(answer.body) : null
    if (result?.success) return result.data
    const reason = errorsOf(answer.body).length > 0 ? refusalOf(answer) : 'is it version 2?'
    throw new KeeperError(
      'store_damaged',
      `The key-value engine at ${this.#mount} does not answer as version 2: ${reason}`,
    )
  }
}

const conflict = (path: SecretPath) =>
  new KeeperError('store_conflict', `${path} was changed meanwhile: read it again, then write.`)
