import { type ArchiveEntry, type ArchiveFacts, type BackupKeys, sealArchive } from '@redoubt/trust'
import pg from 'pg'
import { kekLock } from '../platform/data-keys.ts'
import type { Login } from '../platform/database-url.ts'
import { type Migration, withClient } from '../platform/prepare-database.ts'
import { readSequences, readTables, requireEveryRow, type Table } from './catalogue.ts'
import { copyOut } from './copy-stream.ts'
import { readTogether } from './home-files.ts'

/** A file of the home that goes into the archive, under a name with slashes, such as `keys/master.json`. */
export type HomeFile = { readonly name: string; readonly path: string }

/** Told when an entry begins, every 8 MiB, and when it ends. */
export type BackupProgress = {
  readonly entry: string
  /** Counts from 1. */
  readonly number: number
  readonly of: number
  readonly bytes: number
  /** Known at the end of a table. */
  readonly rows: number | null
}

export type DumpOptions = {
  /** As `redoubt_backup`. */
  readonly login: Login
  readonly keys: BackupKeys
  readonly homeFiles: readonly HomeFile[]
  /** A new UUID. */
  readonly archiveId: string
  readonly createdAt: Date
  /** Version of the product. */
  readonly product: string
  readonly onProgress?: (progress: BackupProgress) => void
}

const PROGRESS_BYTES = 8 * 1024 * 1024

/** Text forms that do not depend on what the server is set to, here and when they are read back. */
export const copySettings =
  '-c datestyle=ISO,YMD -c intervalstyle=postgres -c timezone=UTC -c extra_float_digits=1 -c bytea_output=hex -c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c search_path=pg_catalog'

/**
 * The bytes of an archive of the whole installation, as of one moment: every row of one snapshot, while writing goes on.
 * Made only as fast as they are taken, in memory that does not grow with the data.
 * @throws BackupError `incomplete`, StartError when the database cannot be reached
 */
export async function* dumpArchive(options: DumpOptions): AsyncGenerator<Uint8Array> {
  const { login, keys, homeFiles, archiveId, createdAt, product } = options
  // Reaching it once first gives the sentence that says what is wrong.
  await withClient(login, async () => undefined)
  const client = new pg.Client({ ...login, options: copySettings, application_name: 'redoubt.backup' })
  client.on('error', () => undefined)
  await client.connect()
  try {
    // Rows of the snapshot are wrapped by KEKs of the files. Were one destroyed between the two, nobody could ever open the
    // archive's data, and no verification would notice. Before the snapshot, which would not see what was waited for.
    await client.query(`select pg_advisory_lock_shared(${kekLock})`)
    const tables = await beginSnapshot(client)
    // After the snapshot: a file that is newer than the rows still opens them, since a key outlives what it sealed.
    const files = (await readTogether(homeFiles)).map(({ name, bytes }) => ({ name: `home/${name}`, bytes }))
    await client.query(`select pg_advisory_unlock_shared(${kekLock})`)
    const facts: ArchiveFacts = {
      product,
      migrations: await readMigrations(client),
      queueMigration: await readQueueMigration(client),
      tables: tables.map((table) => ({ entry: entryOf(table), name: table.name, columns: [...table.columns] })),
      sequences: [...(await readSequences(client))],
    }
    const entries = watched(entriesOf(client, tables, files), tables.length + files.length, options.onProgress)
    yield* sealArchive({ id: archiveId, createdAt, facts, entries }, keys)
    await client.query('commit')
  } finally {
    await client.end()
  }
}

/** The entry of a table's rows; SQL's quotes are no part of a name in an archive. */
export const entryOf = ({ name }: Pick<Table, 'name'>): string => `tables/${name.replaceAll('"', '')}`

async function beginSnapshot(client: pg.Client): Promise<readonly Table[]> {
  for (;;) {
    const before = await readTables(client)
    await requireEveryRow(client, before)
    await client.query('begin isolation level repeatable read read only')
    // A lock takes no snapshot yet: between it and the first row nobody can change the tables, as a migration would.
    await client.query(`lock table ${before.map(({ name }) => name).join(', ')} in access share mode`)
    const tables = await readTables(client)
    if (JSON.stringify(tables) === JSON.stringify(before)) {
      await requireEveryRow(client, tables)
      return tables
    }
    await client.query('rollback')
  }
}

async function* entriesOf(
  client: pg.Client,
  tables: readonly Table[],
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): AsyncGenerator<ArchiveEntry> {
  for (const table of tables) {
    const { data, rows } = copyOut(client, `copy ${table.name} (${table.columns.join(', ')}) to stdout`)
    yield { name: entryOf(table), data, rows }
  }
  for (const { name, bytes } of files) {
    yield { name, data: only(bytes), rows: () => null }
  }
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* watched(
  entries: AsyncIterable<ArchiveEntry>,
  of: number,
  tell: (progress: BackupProgress) => void = () => undefined,
): AsyncGenerator<ArchiveEntry> {
  let number = 0
  for await (const { name, data, rows } of entries) {
    number += 1
    let bytes = 0
    const at = { entry: name, number, of }
    async function* counted(): AsyncGenerator<Uint8Array> {
      let told = 0
      tell({ ...at, bytes, rows: null })
      for await (const piece of data) {
        yield piece
        bytes += piece.length
        if (bytes - told < PROGRESS_BYTES) continue
        told = bytes
        tell({ ...at, bytes, rows: null })
      }
    }
    yield { name, data: counted(), rows }
    tell({ ...at, bytes, rows: rows() })
  }
}

export async function readMigrations(client: pg.ClientBase): Promise<Migration[]> {
  const { rows } = await client.query<Migration>('select name, sha256 from redoubt.migrations order by name')
  return rows.map(({ name, sha256 }) => ({ name, sha256 }))
}

export async function readQueueMigration(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ id: number }>('select max(id)::int as id from graphile_worker.migrations')
  return rows[0]?.id ?? 0
}
