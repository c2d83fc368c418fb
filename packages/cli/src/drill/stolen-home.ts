import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import {
  type Config,
  configOf,
  KeeperError,
  type MasterKey,
  openKeeper,
  openOperatorDesk,
  restoreInstallation,
  type Seal,
  StartError,
  systemClock,
} from '@redoubt/server'
import { type ArchiveKey, parseRecoveryKey, Secret, TrustError } from '@redoubt/trust'
import { runningKeeper } from '../keeper-line.ts'

/** A home whose master key waits for people, made for the drill, with one secret in it. */
export type SealedHome = {
  readonly home: string
  readonly passphrase: string
  readonly shares: readonly string[]
  /** Shares that were given out before these, and count no more. */
  readonly earlier: readonly string[]
}
type Protection = { readonly kind: 'passphrase'; readonly passphrase: string } | Sharing
type Sharing = { readonly kind: 'shares'; readonly threshold: number; readonly count: number }
type Opening = (seal: Seal) => Promise<MasterKey>

export const sealedPath = 'drill/treasure'
const ballastBytes = 48_000
const treasure = 'what the home keeps'
export const sharing: Sharing = { kind: 'shares', threshold: 3, count: 5 }

/** A home folder in somebody's hands: copies of the installation's, and homes of the drill's own that start sealed. */
export class StolenHome {
  readonly path: string
  readonly #root: string
  #sealed: { passphrase?: Promise<SealedHome>; shares?: Promise<SealedHome> } = {}
  #backups: Promise<Backups> | undefined
  #restores: Promise<string> | undefined

  private constructor(path: string, root: string) {
    this.path = path
    this.#root = root
  }

  static async of(path: string): Promise<StolenHome> {
    return new StolenHome(path, await mkdtemp(join(tmpdir(), 'redoubt-drill-stolen-')))
  }

  remove = (): Promise<void> => rm(this.#root, { recursive: true, force: true })

  folder = (): Promise<string> => mkdtemp(join(this.#root, 'home-'))

  /** The keys of the installation, as a thief takes them along. */
  async copyOf(home = this.path): Promise<string> {
    const copy = await this.folder()
    await mkdir(join(copy, 'keys'), { mode: 0o700 })
    for (const name of await readdir(join(home, 'keys')))
      if (name.endsWith('.json')) await cp(join(home, 'keys', name), join(copy, 'keys', name))
    return copy
  }

  /** Opens the secret store of a home and reads from it, as the keeper would. @throws KeeperError */
  async read(home: string, path: string, unseal?: Opening): Promise<string> {
    const { keeper } = await openKeeper(configIn(home), systemClock, unseal, 'look')
    try {
      const secret = await keeper.store.read(path)
      if (secret === null) throw new Error(`there is no secret ${path}`)
      return secret.value.reveal()
    } finally {
      await keeper.close()
    }
  }

  /** Every value of the secret store that is one: of the lines of keys, their private parts. */
  async secrets(home = this.path): Promise<string[]> {
    const copy = await this.copyOf(home)
    const { keeper } = await openKeeper(configIn(copy), systemClock, undefined, 'look')
    try {
      const values: string[] = []
      for (const { path } of await keeper.store.list('')) {
        const secret = await keeper.store.read(path)
        if (secret) values.push(...privatePartsOf(secret.value.reveal()))
      }
      return values
    } finally {
      await keeper.close()
    }
  }

  /** Looks for texts in every file of the home beside the keys and the identities that lie there for services. */
  async searched(texts: readonly string[]): Promise<{ read: number; found: string[] }> {
    const needles = texts.map((text) => Buffer.from(text))
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
    const beside = files.filter((file) => !/^(keys|services|runner-attacked)\//.test(relative(this.path, file)))
    const found: string[] = []
    for (const file of beside) {
      // The database replaces files while they are listed.
      const bytes = await readFile(file).catch(() => Buffer.alloc(0))
      if (needles.some((needle) => bytes.includes(needle))) found.push(relative(this.path, file))
    }
    return { read: beside.length, found }
  }

  /** Another installation's keys. */
  async another(): Promise<string> {
    const home = await this.folder()
    const { keeper } = await openKeeper(configIn(home), systemClock)
    await keeper.close()
    return home
  }

  sealedBy(means: 'passphrase' | 'shares'): Promise<SealedHome> {
    this.#sealed[means] ??= this.#seal(means)
    return this.#sealed[means]
  }

  async #seal(means: 'passphrase' | 'shares'): Promise<SealedHome> {
    const home = await this.folder()
    const passphrase = 'seven words that nobody else would think of'
    const refuse: Opening = () => Promise.reject(new Error('it is not sealed yet'))
    const { desk, close } = await openOperatorDesk(configIn(home), systemClock, true, refuse)
    try {
      await desk['secret.write']({ path: sealedPath, value: treasure })
      const protect = async (protection: Protection): Promise<readonly string[]> => {
        const { shares } = await desk['master.prepare'](protection)
        await desk['master.commit']({ share: shares[0] ?? null })
        return shares
      }
      if (means === 'passphrase') {
        await protect({ kind: 'passphrase', passphrase })
        return { home, passphrase, shares: [], earlier: [] }
      }
      const earlier = await protect(sharing)
      return { home, passphrase, shares: await protect(sharing), earlier }
    } finally {
      await close()
    }
  }

  /** Two archives of the installation, made by its operator, and the file that opens them. */
  backups(): Promise<Backups> {
    this.#backups ??= this.#backUp()
    return this.#backups
  }

  async #backUp(): Promise<Backups> {
    const line = await runningKeeper(configIn(this.path))
    if (line === null) throw new Error('the keeper of the drill does not answer')
    const to = await this.folder()
    // Large enough to have several chunks, which can be exchanged; nothing of it can be compressed away.
    const ballast = ['drill/ballast-1', 'drill/ballast-2', 'drill/ballast-3', 'drill/ballast-4', 'drill/ballast-5']
    for (const path of ballast)
      await line.ask('secret.write', { path, value: randomBytes(ballastBytes).toString('base64') })
    const archives: Buffer[] = []
    for (let made = 0; made < 2; made++)
      archives.push(await readFile(join(to, (await line.ask('backup.run', { to })).name)))
    for (const path of ballast) await line.ask('secret.remove', { path })
    const file = join(to, 'recovery.json')
    await line.ask('backup.key', { file, renew: false })
    const [one, other] = archives as [Buffer, Buffer]
    return { one, other, key: parseRecoveryKey(await readFile(file, 'utf8')) }
  }

  /** The untouched archive comes back; asked once, since it takes seconds. */
  restores(): Promise<string> {
    this.#restores ??= (async () => {
      const { one, key } = await this.backups()
      const met = await this.restore(one, key)
      if (met.left.length === 0) throw new Error(`it was refused: ${met.refusal?.message}`)
      return 'untouched it is restored, with all rows and keys'
    })()
    return this.#restores
  }

  /** Restores, into a new home unless told. @returns why not, and what lies there afterwards */
  async restore(archive: Buffer, key: ArchiveKey, into?: string): Promise<{ refusal: Error | null; left: string[] }> {
    const file = join(await this.folder(), 'archive.backup')
    await writeFile(file, archive)
    const home = into ?? (await this.folder())
    const refuse = () => Promise.reject(new Error('nothing has to be asked'))
    const people = { unseal: refuse, ownerPassword: refuse, storageSecret: refuse }
    const refusal = await restoreInstallation({
      config: configIn(home),
      clock: systemClock,
      archive: file,
      key,
      people,
      keepSessions: false,
    }).then(
      () => null,
      (error: Error) => error,
    )
    const left = await readdir(home, { recursive: true })
    return { refusal, left: left.filter((name) => !/^keys(\/keeper\.lock)?$/.test(name)) }
  }
}

export type Backups = { readonly one: Buffer; readonly other: Buffer; readonly key: ArchiveKey }

/** Sentences that our code writes for people. */
export const isRefusal = (error: unknown): error is Error & { readonly code?: string } =>
  error instanceof KeeperError || error instanceof StartError || error instanceof TrustError

export const byPassphrase =
  (passphrase: string): Opening =>
  (seal) =>
    seal.open({ passphrase: new Secret(passphrase) })
export const byShares =
  (shares: readonly string[]): Opening =>
  (seal) =>
    seal.open({ shares: shares.map((share) => new Secret(share)) })

function configIn(home: string): Config {
  return configOf({
    home,
    databaseUrl: undefined,
    host: '127.0.0.1',
    ports: { web: 0, api: 0, ingestion: 0, runner: 0 },
    publicUrl: 'https://soc.drill.example',
    logLevel: 'silent',
    sessionIdleMs: 12 * 3_600_000,
    sessionAbsoluteMs: 7 * 24 * 3_600_000,
  })
}

/** Of a line of keys as JSON what must stay secret; of anything else the whole. */
function privatePartsOf(value: string): string[] {
  let json: unknown
  try {
    json = JSON.parse(value)
  } catch {
    return [value]
  }
  const parts: string[] = []
  const walk = (at: unknown): void => {
    if (typeof at !== 'object' || at === null) return
    for (const [name, inner] of Object.entries(at)) {
      if (typeof inner !== 'string') walk(inner)
      else if (name === 'privateKeyPem') parts.push(inner.split('\n')[1] ?? inner)
      else if (['d', 'material', 'key'].includes(name)) parts.push(inner)
    }
  }
  walk(json)
  return parts
}
