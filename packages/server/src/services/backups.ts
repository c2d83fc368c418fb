import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import {
  BackupError,
  type BackupProgress,
  type BackupTaken,
  type HomeFile,
  takeBackup,
  verifyArchive,
} from '../backup/index.ts'
import { parse } from '../keeper/admin-input.ts'
import type { AdminHandlers, Tell } from '../keeper/admin-socket.ts'
import { backupKeys, rotateBackupKey, writeRecoveryFile } from '../keeper/backup-keys.ts'
import { backupPassword } from '../keeper/database-secrets.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { KeeperError } from '../keeper/keeper-error.ts'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { DatabaseAddress } from '../platform/database-url.ts'
import type { Stop } from '../platform/kernel.ts'
import { backupRole } from '../platform/prepare-database.ts'
import { productVersion } from '../platform/version.ts'
import type { AuditRecord } from '../platform/work.ts'
import { backupTarget, findArchive } from './backup-places.ts'

export type BackupMeans = {
  readonly config: Pick<Config, 'home' | 'backup'>
  readonly keeper: Keeper
  /** Null while there is no database to read. */
  readonly address: DatabaseAddress | null
  readonly clock: Clock
  acted(event: AuditRecord): void
}

/**
 * Makes and looks at archives where the keeper is: their keys and the password of the role that reads every row leave it
 * for nobody. One at a time.
 */
export class Backups {
  readonly #means: BackupMeans
  #running: Promise<unknown> | null = null
  #stopping = false

  constructor(means: BackupMeans) {
    this.#means = means
  }

  /**
   * Makes an archive and reads it back. By the schedule, older ones are removed as the configuration says.
   * @throws BackupError, KeeperError, TrustError, StartError
   */
  async make(to: string | null, by: 'operator of the machine' | 'schedule', tell: Tell): Promise<BackupTaken & Place> {
    if (this.#running) throw new KeeperError('invalid', 'A backup is being made already: wait for it to end.')
    const work = this.#make(to, by === 'schedule', tell)
    this.#running = work.catch(() => undefined)
    const { acted } = this.#means
    try {
      const taken = await work
      const { archiveId } = taken.manifest
      const facts = { bytes: taken.bytes, removed: taken.removed.length, by }
      acted({ action: 'backup.made', target: { kind: 'backup', id: archiveId }, facts })
      return taken
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed'
      acted({ action: 'backup.failed', outcome: 'failed', facts: { code, by } })
      throw error
    } finally {
      this.#running = null
    }
  }

  /** @throws BackupError */
  async list(to: string | null) {
    const target = await backupTarget(this.#means.config, to, this.#secretOf)
    return { place: target.place, items: await target.list() }
  }

  /** What the command line asks for. */
  handlers() {
    const { config, keeper, clock, acted } = this.#means
    return {
      'backup.run': async (input: unknown, tell: Tell) => {
        const { to } = parse(At, input)
        const { name, place, bytes, manifest, removed } = await this.make(to, 'operator of the machine', tell)
        return { name, place, bytes, removed, ...shownManifest(manifest) }
      },
      'backup.list': async (input: unknown) => this.list(parse(At, input).to),
      'backup.verify': async (input: unknown, tell: Tell) => {
        const { archive } = parse(Named, input)
        const { name, open } = await findArchive(config, archive, this.#secretOf)
        const { all } = await backupKeys(keeper.store)
        const { manifest } = await verifyArchive(await open(), all, { onEntry: (entry) => tell({ entry }) })
        return { name, ...shownManifest(manifest) }
      },
      'backup.key': async (input: unknown) => {
        const { file, renew } = parse(File, input)
        // Before the key is renewed: a new one that nobody wrote down would make archives from now on.
        if (existsSync(file)) throw new KeeperError('invalid', `${file} is there already: choose another name.`)
        if (renew) await rotateBackupKey(keeper.store)
        const { keyId } = await writeRecoveryFile(keeper.store, file, clock)
        acted({
          action: 'backup.key-exported',
          target: { kind: 'key', id: keyId },
          facts: { renewed: renew, by: 'operator of the machine' },
        })
        return { file, keyId }
      },
    } satisfies AdminHandlers
  }

  /** Gives up the backup in hand, which leaves nothing behind. */
  readonly stop: Stop = async () => {
    this.#stopping = true
    await this.#running
  }

  async #make(to: string | null, isScheduled: boolean, tell: Tell): Promise<BackupTaken & Place> {
    const { config, keeper, address, clock } = this.#means
    if (!address)
      throw new KeeperError('invalid', 'A backup is made by the running platform: start it, then try again.')
    const target = await backupTarget(config, to, this.#secretOf)
    const taken = await takeBackup(target, {
      login: { ...address, user: backupRole, password: (await backupPassword(keeper.store)).reveal() },
      keys: (await backupKeys(keeper.store)).newest,
      homeFiles: await keeperFiles(config.home),
      archiveId: randomUUID(),
      createdAt: clock.now(),
      product: productVersion,
      onProgress: (progress: BackupProgress) => {
        if (this.#stopping) throw new BackupError('incomplete', 'The platform stops: the backup was given up.')
        tell(progress)
      },
      ...(isScheduled && config.backup ? { retention: { keepLast: config.backup.keep, keepDays: 0 } } : {}),
    })
    return { ...taken, place: target.place }
  }

  readonly #secretOf = async (path: string) => {
    const secret = await this.#means.keeper.store.read(path)
    if (!secret) throw new KeeperError('not_found', `There is no secret ${path}: redoubt secret set ${path}`)
    return secret.value
  }
}

type Place = { readonly place: string }
const to = z.string().min(1).max(4096).nullable()
const At = z.strictObject({ to })
const Named = z.strictObject({ archive: z.string().min(1).max(4096) })
const File = z.strictObject({ file: z.string().min(1).max(4096), renew: z.boolean() })

/** What opens the restored rows again: the keeper's files, without its lock and its socket. */
async function keeperFiles(home: string): Promise<HomeFile[]> {
  const names = (await readdir(join(home, 'keys'))).filter((name) => name.endsWith('.json'))
  return names.sort().map((name) => ({ name: `keys/${name}`, path: join(home, 'keys', name) }))
}

/** Of a manifest, for people. */
export function shownManifest({ archiveId, createdAt, product, entries }: BackupTaken['manifest']) {
  return {
    archiveId,
    createdAt,
    product,
    tables: entries.filter(({ rows }) => rows !== null).length,
    rows: entries.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
  }
}
