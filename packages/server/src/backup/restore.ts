import { type ArchiveKey, type ArchiveManifest, canonicalJson, readArchive, TrustError } from '@redoubt/trust'
import pg from 'pg'
import type { Login } from '../platform/database-url.ts'
import { knownMigrations, type Migration, withClient } from '../platform/prepare-database.ts'
import { BackupError } from './backup-error.ts'
import { readGuards, readTables, type Table } from './catalogue.ts'
import { copyIn } from './copy-stream.ts'
import { copySettings, entryOf, readMigrations, readQueueMigration } from './dump.ts'
import { stageHome } from './home-files.ts'
import { type VerifiedArchive, verifyArchive } from './verify.ts'

/** Where an archive goes: a database and a home that have never been used. */
export type RestoreTarget = {
  /** As the owner of the database. */
  readonly owner: Login
  readonly home: string
  /** Makes the roles and brings the empty database to exactly these migrations. */
  migrate(migrations: readonly Migration[]): Promise<void>
}
export type RestoreProgress = { readonly step: 'verifying' | 'restoring'; readonly entry: string }
export type RestoreOptions = {
  /** Gives the archive from its beginning; asked twice. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>
  readonly keys: readonly ArchiveKey[]
  /** Asked once the archive is known to be whole: an embedded database starts with passwords that lie in it. */
  readonly target: (verified: VerifiedArchive) => Promise<RestoreTarget>
  /** Ends every session as of this moment, so that none returns which was revoked after the backup; else all are kept. */
  readonly endSessionsAt?: Date
  readonly onProgress?: (progress: RestoreProgress) => void
}

/**
 * Puts an archive back, into an empty installation and all at once: it is read to its end and verified before anything is
 * written, then read and verified again into one transaction. What fails leaves database and home as they were.
 * @throws TrustError `archive_*`; BackupError `not_restorable`, `not_empty`; StartError when the database cannot be reached
 */
export async function restoreArchive(options: RestoreOptions): Promise<ArchiveManifest> {
  const tell = options.onProgress ?? (() => undefined)
  const verified = await verifyArchive(await options.open(), options.keys, {
    onEntry: (entry) => tell({ step: 'verifying', entry }),
  })
  const { manifest, homeFiles } = verified
  await requireKnownSchema(manifest)
  const target = await options.target(verified)
  await withClient(target.owner, async () => undefined)
  const client = new pg.Client({
    ...target.owner,
    options: `${copySettings} -c lock_timeout=10000`,
    application_name: 'redoubt.restore',
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await holdPlatformLock(client)
    await requireUnused(client, manifest)
    const home = await stageHome(target.home, homeFiles)
    try {
      await target.migrate(manifest.migrations)
      await requireFitting(client, manifest)
      await load(client, options, manifest)
    } catch (error) {
      await home.discard()
      throw error
    }
    // The rows are in: from here on the staged files are never removed, also when a rename fails.
    await home.commit()
    return manifest
  } finally {
    await client.end()
  }
}

/** @throws BackupError `not_restorable` for rows of a schema that this version does not have, or has otherwise */
async function requireKnownSchema({ migrations, product }: ArchiveManifest): Promise<void> {
  const known = new Map((await knownMigrations()).map(({ name, sha256 }) => [name, sha256]))
  for (const { name, sha256 } of migrations) {
    const here = known.get(name)
    if (here === sha256) continue
    throw new BackupError(
      'not_restorable',
      here === undefined
        ? `The archive was made by Redoubt ${product}, whose database is newer (${name}): restore it with that version.`
        : `The archive was made by Redoubt ${product}, whose migration ${name} is another one: restore it with that version.`,
    )
  }
}

/** The lock that a platform holds as long as it runs: none may run over this database, and none may start meanwhile. */
async function holdPlatformLock(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ held: boolean }>(
    `select pg_try_advisory_lock(hashtext('redoubt.platform')) as held`,
  )
  if (!rows[0]?.held)
    throw new BackupError('not_empty', `Redoubt runs over the database ${client.database}: ${howToBeginEmpty}`)
}

const howToBeginEmpty =
  'restore into an installation of its own, with REDOUBT_HOME set to a new folder or DATABASE_URL to a new, empty database.'

/** Before the first change. Rows are counted with row security lifted, in a transaction that is undone. */
async function requireUnused(client: pg.Client, manifest: ArchiveManifest): Promise<void> {
  const { rows } = await client.query<{ migrated: boolean }>(
    `select to_regclass('redoubt.migrations') is not null as migrated`,
  )
  if (!rows[0]?.migrated) return
  const past = (await readMigrations(client)).filter(
    ({ name, sha256 }) => !manifest.migrations.some((each) => each.name === name && each.sha256 === sha256),
  )
  if (past.length > 0) {
    throw new BackupError(
      'not_empty',
      `The database ${client.database} was already migrated past the archive (${past.map(({ name }) => name).join(', ')}): ${howToBeginEmpty}`,
    )
  }
  await client.query('begin')
  try {
    const tables = await readTables(client)
    await liftGuards(client, tables)
    await requireEmpty(client, tables)
  } finally {
    await client.query('rollback')
  }
}

async function requireEmpty(client: pg.Client, tables: readonly Table[]): Promise<void> {
  for (const { name } of tables) {
    const { rows } = await client.query<{ used: boolean }>(`select exists (select from ${name}) as used`)
    if (rows[0]?.used) {
      throw new BackupError(
        'not_empty',
        `The database ${client.database} is in use: ${name} has rows. Nothing was changed; ${howToBeginEmpty}`,
      )
    }
  }
}

/** The tables of the empty database are those of the archive, column by column. */
async function requireFitting(client: pg.Client, manifest: ArchiveManifest): Promise<void> {
  const shapes = (tables: readonly Pick<Table, 'name' | 'columns'>[]) =>
    canonicalJson(
      tables
        .map(({ name, columns }) => [name, ...columns])
        .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
    )
  const queue = await readQueueMigration(client)
  if (queue === manifest.queueMigration && shapes(await readTables(client)) === shapes(manifest.tables)) return
  throw new BackupError(
    'not_restorable',
    `The archive was made by Redoubt ${manifest.product}, whose tables differ from this version's: restore it with that version, then update.`,
  )
}

/** Triggers would act a second time, and forced row security hides every row from the owner: a transaction's change. */
async function liftGuards(client: pg.Client, tables: readonly Table[]): Promise<() => Promise<void>> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any ($1::int8[]) and c.relforcerowsecurity`,
    [tables.map(({ oid }) => oid)],
  )
  for (const { name } of rows) await client.query(`alter table ${name} no force row level security`)
  for (const { name } of tables) await client.query(`alter table ${name} disable trigger user`)
  return async () => {
    for (const { name } of tables) await client.query(`alter table ${name} enable trigger user`)
    for (const { name } of rows) await client.query(`alter table ${name} force row level security`)
  }
}

async function load(client: pg.Client, options: RestoreOptions, manifest: ArchiveManifest): Promise<void> {
  await client.query('begin')
  try {
    const guards = await readGuards(client)
    const tables = await readTables(client)
    const putBack = await liftGuards(client, tables)
    await requireEmpty(client, tables)
    await loadRows(client, options, manifest, tables)
    for (const { name, value, called } of manifest.sequences)
      await client.query('select setval($1::regclass, $2::bigint, $3)', [name, value, called])
    if (options.endSessionsAt !== undefined) {
      await client.query(
        `update redoubt.sessions set revoked_at = $1, revoked_because = 'restore' where revoked_at is null`,
        [options.endSessionsAt],
      )
    }
    await putBack()
    if ((await readGuards(client)) !== guards)
      throw new Error('the restore would leave a table without its row security or triggers')
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

async function loadRows(
  client: pg.Client,
  { open, keys, onProgress }: RestoreOptions,
  verified: ArchiveManifest,
  tables: readonly Table[],
): Promise<void> {
  const loaded = new Map<string, number>()
  const again = await readArchive(await open(), keys, async (entry, data) => {
    const table = tables.find((each) => entryOf(each) === entry)
    if (table === undefined) return
    const columns = verified.tables.find((each) => each.entry === entry)?.columns ?? table.columns
    onProgress?.({ step: 'restoring', entry })
    loaded.set(entry, await copyIn(client, `copy ${table.name} (${columns.join(', ')}) from stdin`, data))
  })
  // Somebody could have put another archive in the place of the one that was verified.
  if (canonicalJson(again) !== canonicalJson(verified))
    throw new TrustError('archive_manifest', 'the archive was exchanged for another one while it was being restored')
  for (const { name, rows } of verified.entries) {
    if (rows === null || loaded.get(name) === rows) continue
    throw new TrustError(
      'archive_manifest',
      `${name} has ${loaded.get(name) ?? 'no'} rows, and its manifest says ${rows}`,
    )
  }
}
