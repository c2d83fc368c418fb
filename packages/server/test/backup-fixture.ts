import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BackupKeys, generateSigningKey, Secret } from '@redoubt/trust'
import pg from 'pg'
import { type DumpOptions, dumpArchive, type RestoreTarget } from '../src/backup/index.ts'
import type { Login } from '../src/platform/database-url.ts'
import { migrateExactly, withClient } from '../src/platform/prepare-database.ts'
import { numbered, record, seal, withPassword } from './audit-fixture.ts'
import { openCase, runOn, sourceOf, teamOf } from './cases-fixture.ts'
import type { TestPlatform } from './harness.ts'

export const newBackupKeys = (id = 'backup-1'): BackupKeys => {
  const signer = generateSigningKey('Ed25519')
  return { id, key: new Secret(randomBytes(32)), signer, verifier: signer }
}

/** Gives the cluster's role a password, which the template leaves without one. */
export async function backupLogin(t: TestPlatform): Promise<Login> {
  const password = 'the password of the backup role in tests'
  await t.admin.query(`alter role redoubt_backup password '${password}'`)
  const { host, port, database } = t.loginOf('redoubt_api')
  return { host, port, database, user: 'redoubt_backup', password }
}

/** An installation with something in every part of it, texts that COPY must quote among them. */
export async function populate(t: TestPlatform) {
  const team = await teamOf(t)
  const other = await teamOf(t)
  const source = await sourceOf(t, team.admin)
  await source.send({ title: 'tab\there, line\nbreak, \\N and \\. and "quotes" – ünïcode 🙂' }, { host: 'db-1' })
  await t.runWorkerJobs()
  // Random, so that an archive of it has several chunks.
  await source.send({ title: 'Large' }, { title: 'Long', noise: randomBytes(150_000).toString('base64') })
  // These wait in the queue.
  await source.send({ title: 'Still to be enriched' })
  const open = await openCase(t, team.user, { title: 'Stolen laptop' })
  const red = await openCase(t, team.user, { title: 'Insider', tlp: 'RED' })
  await t.call(team.user, 'cases.addObservable', { id: open.id, text: '203.0.113.7' })
  await runOn(t, team.user, open.id, 'succeeded')
  await openCase(t, other.user, { title: 'Of another organization' })
  for (const { organization } of [team, other]) {
    await record(t, organization.id, numbered(30))
    await seal(t, organization.id)
    await record(t, organization.id, numbered(3, 30))
  }
  return { team, other, open, red, credentials: await withPassword(t, team.admin) }
}

export type Fingerprint = Readonly<Record<string, { readonly rows: number; readonly hash: string }>>

/** Rows and an order-independent hash of every table, seen by the superuser; sequences by where they stand. */
export async function fingerprint(login: Login): Promise<Fingerprint> {
  const client = new pg.Client({ ...login, options: '-c timezone=UTC -c search_path=pg_catalog' })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string; columns: string }>(`
      select c.oid::regclass::text as name,
        (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
      from pg_class c where c.relnamespace::regnamespace::text in ('redoubt', 'graphile_worker') and c.relkind in ('r', 'p')
        and c.relname not in ('migrations', 'context_keys') order by 1`)
    const found: Record<string, { rows: number; hash: string }> = {}
    for (const { name, columns } of tables) {
      const { rows } = await client.query<{ rows: number; hash: string }>(
        `select count(*)::int as rows, coalesce(sum(hashtextextended(row(${columns})::text, 0)), 0)::text as hash from ${name}`,
      )
      found[name] = rows[0] as { rows: number; hash: string }
    }
    const { rows: sequences } = await client.query<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c where c.relnamespace::regnamespace::text in ('redoubt', 'graphile_worker') and c.relkind = 'S' order by 1`,
    )
    for (const { name } of sequences) {
      const { rows } = await client.query<{ rows: number; hash: string }>(
        `select last_value::int as rows, is_called::text as hash from ${name}`,
      )
      found[name] = rows[0] as { rows: number; hash: string }
    }
    return found
  } finally {
    await client.end()
  }
}

/** Everything in a database's catalogue that a restore could change, as one text. */
export async function catalogueOf(login: Login): Promise<string> {
  return withClient(login, async (client) => {
    const { rows } = await client.query<{ catalogue: string }>(`
      select coalesce(jsonb_agg(jsonb_build_array(c.oid::regclass::text, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
        (select jsonb_agg(jsonb_build_array(p.polname, p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
           (select jsonb_agg(r::regrole::text order by r::regrole::text) from unnest(p.polroles) r)) order by p.polname) from pg_policy p where p.polrelid = c.oid),
        (select jsonb_agg(jsonb_build_array(t.tgname, t.tgenabled) order by t.tgname) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
        (select jsonb_agg(jsonb_build_array(k.conname, k.convalidated) order by k.conname) from pg_constraint k where k.conrelid = c.oid)
      ) order by c.oid::regclass::text), '[]')::text as catalogue
      from pg_class c where c.relnamespace::regnamespace::text in ('redoubt', 'graphile_worker') and c.relkind in ('r', 'p', 'v', 'S')`)
    return rows[0]?.catalogue ?? ''
  })
}

/** Every file below a folder, by its path in it. */
export async function filesIn(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [path.slice(folder.length + 1), await readFile(path, 'utf8')])),
  )
}

export async function newHome(t: TestPlatform, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-restore-'))
  t.onStop(() => rm(home, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text)
  return home
}

/** A new database of the owner's in the same cluster, and a new home. */
export async function emptyInstallation(t: TestPlatform) {
  const { host, port } = t.loginOf('redoubt_api')
  const database = `restore_${randomUUID().replaceAll('-', '')}`
  const { superuserPassword, ownerPassword } = t.secrets
  const superuser: Login = { host, port, database, user: 'postgres', password: superuserPassword.reveal() }
  const owner: Login = { host, port, database, user: 'redoubt_owner', password: ownerPassword.reveal() }
  await withClient({ ...superuser, database: 'postgres' }, (client) =>
    client.query(`create database ${database} owner redoubt_owner`),
  )
  t.onStop(() =>
    withClient({ ...superuser, database: 'postgres' }, async (client) => {
      await client.query(`drop database if exists ${database} with (force)`)
    }),
  )
  const home = await newHome(t)
  const target: RestoreTarget = {
    owner,
    home,
    migrate: (migrations) => migrateExactly(owner, t.secrets, migrations),
  }
  return { owner, superuser, home, target }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}

export const dumpOptions = (t: TestPlatform, login: Login, keys: BackupKeys): DumpOptions => ({
  login,
  keys,
  homeFiles: [],
  archiveId: randomUUID(),
  createdAt: t.clock.now(),
  product: '0.1.0',
})
export const dumped = (options: DumpOptions): Promise<Buffer> => collect(dumpArchive(options))

/** Opens the same bytes each time it is asked, in pieces as a disk gives them. */
export const opening = (archive: Uint8Array) => async () =>
  (async function* () {
    for (let at = 0; at < archive.length; at += 100_000) yield archive.subarray(at, at + 100_000)
  })()
