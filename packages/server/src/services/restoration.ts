import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ArchiveKey, Secret } from '@redoubt/trust'
import {
  BackupError,
  type RestoreProgress,
  type RestoreTarget,
  restoreArchive,
  type VerifiedArchive,
} from '../backup/index.ts'
import { databaseSecrets } from '../keeper/database-secrets.ts'
import { holdHome } from '../keeper/home-lock.ts'
import type { MasterKey } from '../keeper/master-key.ts'
import { openKeeper } from '../keeper/open-keeper.ts'
import type { Seal } from '../keeper/open-master.ts'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { DatabaseSecrets } from '../platform/database-roles.ts'
import { type Login, loginOf } from '../platform/database-url.ts'
import type { Stop } from '../platform/kernel.ts'
import { startPostgres } from '../platform/postgres-server.ts'
import { createOwner, migrateExactly } from '../platform/prepare-database.ts'
import { findArchive, type StorageSecret } from './backup-places.ts'
import { shownManifest } from './backups.ts'
import { makeHome } from './ground.ts'

export type Restoration = {
  readonly config: Config
  readonly clock: Clock
  /** As `redoubt restore` takes it: a file, or `s3://bucket/prefix/NAME`. */
  readonly archive: string
  readonly key: ArchiveKey
  /** Asked for what only people know. */
  readonly people: {
    unseal(seal: Seal): Promise<MasterKey>
    /** Of a database that is not embedded. */
    ownerPassword(): Promise<Secret<string>>
    storageSecret: StorageSecret
  }
  /** Whoever was signed in at the backup stays so; a session that was ended since would come back. */
  readonly keepSessions: boolean
  readonly onProgress?: (progress: RestoreProgress) => void
}

/**
 * Puts an archive back into an empty home, which nothing runs on. What it started or made is taken back when it fails.
 * @throws BackupError, TrustError, KeeperError, StartError
 */
export async function restoreInstallation(wanted: Restoration) {
  const { config, clock, key, people, onProgress } = wanted
  const { home } = config
  requireUnusedHome(config)
  const { name, open } = await findArchive(config, wanted.archive, people.storageSecret)
  await makeHome(home)
  const letGo = await holdHome(home, 0)
  const undo: Stop[] = []
  let stopDatabase: Stop = async () => undefined
  try {
    const manifest = await restoreArchive({
      open,
      keys: [key],
      async target(verified): Promise<RestoreTarget> {
        const secrets = await secretsIn(verified, wanted)
        if (config.databaseUrl !== undefined)
          return targetOf(home, secrets, loginOf(config.databaseUrl, (await people.ownerPassword()).reveal()))
        undo.push(async () => {
          for (const made of ['postgres', 'postgres.ready', 'postgres.log'])
            await rm(join(home, made), { recursive: true, force: true })
        })
        const server = await startPostgres(home, secrets.superuserPassword.reveal())
        stopDatabase = server.stop
        const { host, port } = server
        return targetOf(home, secrets, await createOwner({ host, port, database: 'redoubt' }, secrets))
      },
      ...(wanted.keepSessions ? {} : { endSessionsAt: clock.now() }),
      ...(onProgress ? { onProgress } : {}),
    })
    await stopDatabase()
    return { name, home, ...shownManifest(manifest) }
  } catch (error) {
    await stopDatabase()
    for (const each of undo) await each()
    throw error
  } finally {
    letGo()
  }
}

const targetOf = (home: string, secrets: DatabaseSecrets, owner: Login): RestoreTarget => ({
  owner,
  home,
  migrate: (migrations) => migrateExactly(owner, secrets, migrations),
})

/** @throws BackupError `not_empty` before the archive is read, which may take long */
function requireUnusedHome({ home }: Config): void {
  const used = ['keys/master.json', 'keys/keks.json', 'postgres.ready'].find((name) => existsSync(join(home, name)))
  if (used === undefined) return
  throw new BackupError('not_empty', `${join(home, used)} is there: restore with REDOUBT_HOME set to a new folder.`)
}

/**
 * The passwords of the archived installation. Its keeper is opened over a copy of its files that is removed at once: the
 * home itself stays empty until the rows are in.
 */
async function secretsIn(
  { homeFiles }: VerifiedArchive,
  { config, clock, people }: Restoration,
): Promise<DatabaseSecrets> {
  const folder = await mkdtemp(join(config.home, '.restoring-'))
  try {
    for (const [name, bytes] of homeFiles) {
      await mkdir(dirname(join(folder, name)), { recursive: true, mode: 0o700 })
      await writeFile(join(folder, name), bytes, { mode: 0o600 })
    }
    const { keeper } = await openKeeper({ ...config, home: folder }, clock, (seal) => people.unseal(seal), 'look')
    try {
      return await databaseSecrets(keeper.store)
    } finally {
      await keeper.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
