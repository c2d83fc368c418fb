import { randomUUID } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ArchiveFacts,
  type ArchiveManifest,
  type BackupKeys,
  sealArchive,
  TrustError,
  verifyAuditFile,
} from '@redoubt/trust'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyOut } from '../src/backup/copy-stream.ts'
import {
  BackupError,
  dumpArchive,
  folderTarget,
  type RestoreOptions,
  restoreArchive,
  takeBackup,
  verifyArchive,
} from '../src/backup/index.ts'
import type { Login } from '../src/platform/database-url.ts'
import { knownMigrations, prepareDatabase, withClient } from '../src/platform/prepare-database.ts'
import { numbered, record, seal } from './audit-fixture.ts'
import {
  backupLogin,
  catalogueOf,
  collect,
  dumped,
  dumpOptions,
  emptyInstallation,
  type Fingerprint,
  filesIn,
  fingerprint,
  newBackupKeys,
  newHome,
  opening,
  populate,
} from './backup-fixture.ts'
import { openCase, refusal as operationRefusal } from './cases-fixture.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'
import { auditFile, keeperFiles, platformOver } from './restored-platform.ts'

let t: TestPlatform
let login: Login
let superuser: Login
let keys: BackupKeys
let content: Awaited<ReturnType<typeof populate>>
beforeAll(async () => {
  t = await startTestPlatform()
  content = await populate(t)
  login = await backupLogin(t)
  superuser = { ...login, user: 'postgres', password: t.secrets.superuserPassword.reveal() }
  keys = newBackupKeys()
})
afterAll(() => t?.stop())

type Empty = Awaited<ReturnType<typeof emptyInstallation>>
const restore = (archive: Uint8Array, into: Empty, over: Partial<RestoreOptions> = {}) =>
  restoreArchive({ open: opening(archive), keys: [keys], target: async () => into.target, ...over })

/** `code: message` of what the restore was refused with, and proof that it changed nothing. */
async function refusedUntouched(into: Empty, attempt: () => Promise<unknown>): Promise<string> {
  const state = async () => [
    await catalogueOf(into.superuser),
    await fingerprint(into.superuser),
    await filesIn(into.home),
  ]
  const before = await state()
  const error = await attempt().then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(await state()).toEqual(before)
  if (!(error instanceof TrustError || error instanceof BackupError))
    throw new Error(`not refused by us: ${String(error)}`, { cause: error })
  return `${error.code}: ${error.message}`
}

/** By who holds the backup keys, and says of the archive what this version never would. */
async function made(
  over: (manifest: ArchiveManifest) => Partial<ArchiveFacts>,
  ...entries: { name: string; rows: number; text: string }[]
): Promise<Buffer> {
  const { manifest } = await verifyArchive(dumpArchive(dumpOptions(t, login, keys)), [keys])
  const { migrations, queueMigration, tables, sequences } = manifest
  const facts = { product: '9.0.0', migrations, queueMigration, tables, sequences, ...over(manifest) }
  async function* content() {
    for (const { name, rows, text } of entries)
      yield { name, rows: () => rows, data: await opening(Buffer.from(text))() }
  }
  return collect(sealArchive({ id: randomUUID(), createdAt: t.clock.now(), facts, entries: content() }, keys))
}

test('a backup begins only when no key-encryption key is being destroyed: its rows need the keys of its files', async () => {
  const home = await newHome(t, { keks: 'KEK 1' })
  const options = { ...dumpOptions(t, login, keys), homeFiles: [{ name: 'keys/keks.json', path: join(home, 'keks') }] }
  const archive = await withClient(superuser, async (client) => {
    await client.query('begin')
    await client.query(`select pg_advisory_xact_lock(hashtext('redoubt.kek'))`)
    const collected = collect(dumpArchive(options))
    for (let waits = 0; waits === 0; ) {
      const { rows } = await client.query(
        `select count(*)::int as waits from pg_locks
         where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())`,
      )
      waits = rows[0].waits
      await Promise.race([collected.then(() => Promise.reject(new Error('it did not wait'))), Promise.resolve()])
    }
    await client.query(`update redoubt.organizations set name = 'Renamed while it waited'`)
    await writeFile(join(home, 'keks'), 'KEK 2')
    await client.query('commit')
    return collected
  })
  const { homeFiles } = await verifyArchive(await opening(archive)(), [keys])
  expect(homeFiles.get('keys/keks.json')?.toString()).toBe('KEK 2')
  const into = await emptyInstallation(t)
  await restore(archive, into)
  const { rows } = await withClient(into.superuser, (client) =>
    client.query('select distinct name from redoubt.organizations'),
  )
  expect(rows).toEqual([{ name: 'Renamed while it waited' }])
})

describe('a backup made while writing goes on', () => {
  let before: Fingerprint
  let archive: Buffer
  let into: Empty
  beforeAll(async () => {
    before = await fingerprint(superuser)
    const dump = dumpArchive({ ...dumpOptions(t, login, keys), homeFiles: await keeperFiles(t) })
    const first = await dump.next()
    // The snapshot stands; everything from here on is not in it.
    for (let at = 0; at < 5; at++) await openCase(t, content.team.user, { title: 'Opened during the backup' })
    await record(t, content.team.organization.id, numbered(20, 100))
    await seal(t, content.team.organization.id)
    archive = Buffer.concat([first.value as Uint8Array, await collect(dump)])
    into = await emptyInstallation(t)
    await restore(archive, into)
    await prepareDatabase(into.owner, t.secrets)
  })

  test('holds exactly the rows of the moment it began: every table, every sequence', async () => {
    const after = await fingerprint(into.superuser)
    expect(after).toEqual(before)
    expect(Object.keys(after).length).toBeGreaterThan(35)
    const filled = Object.entries(after).filter(([, { rows }]) => rows > 0)
    for (const name of [
      'redoubt.cases',
      'redoubt.case_recipients',
      'redoubt.alerts',
      'redoubt.runs',
      'redoubt.audit_log',
    ])
      expect(filled.map(([table]) => table)).toContain(name)
    expect(await fingerprint(superuser)).not.toEqual(before)
  })

  test('holds what only some may see: RED cases, credentials, jobs that wait, events that are not sealed', async () => {
    const rows = (await fingerprint(into.superuser)) as Record<string, { rows: number }>
    expect(rows['graphile_worker._private_jobs']?.rows).toBeGreaterThan(0)
    expect(rows['redoubt.audit_unsealed']?.rows).toBeGreaterThan(0)
    const { rows: red } = await withClient(into.superuser, (client) =>
      client.query(`select title from redoubt.cases where tlp = 'RED'`),
    )
    expect(red).toEqual([{ title: 'Insider' }])
  })

  test('leaves row security, policies, triggers and constraints as a new installation has them', async () => {
    const fresh = await emptyInstallation(t)
    await prepareDatabase(fresh.owner, t.secrets)
    expect(await catalogueOf(into.superuser)).toBe(await catalogueOf(fresh.superuser))
  })

  test('lets nothing be forgotten: a number that follows is a new one, and the log stays append-only', async () => {
    await withClient(into.superuser, async (client) => {
      await expect(client.query('delete from redoubt.audit_log')).rejects.toThrow(/append-only/)
    })
  })

  test('puts the keeper’s files back as they were, for their owner alone', async () => {
    const original = await filesIn(join(t.kernel.config.home, 'keys'))
    expect(Object.keys(original).length).toBeGreaterThan(0)
    expect(await filesIn(join(into.home, 'keys'))).toEqual(original)
    for (const name of Object.keys(original))
      expect((await stat(join(into.home, 'keys', name))).mode & 0o777, name).toBe(0o600)
    expect((await stat(join(into.home, 'keys'))).mode & 0o777).toBe(0o700)
  })

  test('serves its people again, with keys out of the restored home alone', async () => {
    const restored = await platformOver(t, into.owner, into.home)
    const { user, viewer } = content.team
    expect(await restored.call({ kind: 'none' }, 'auth.login', content.credentials)).toMatchObject({
      accessToken: expect.any(String),
    })
    expect(await restored.call(user, 'cases.get', { id: content.open.id })).toMatchObject({ title: 'Stolen laptop' })
    expect(await restored.call(user, 'cases.get', { id: content.red.id })).toMatchObject({ title: 'Insider' })
    for (const stranger of [viewer, content.other.admin]) {
      expect(await operationRefusal(restored.call(stranger, 'cases.get', { id: content.red.id }))).toMatchObject({
        code: 'not_found',
      })
    }
    expect(await restored.call(user, 'cases.open', { title: 'After the restore', severity: 'low' })).toMatchObject({
      number: content.red.number + 1,
    })
  })

  test('is refused a second time: the installation is in use by now', async () => {
    expect(await refusedUntouched(into, () => restore(archive, into))).toMatch(
      /^not_empty: The database restore_\w+ is in use: .*REDOUBT_HOME set to a new folder/,
    )
  })
})

test('audit proofs hold after a restore: the same log under the same key, verified without a server', async () => {
  const { admin, organization } = content.team
  await seal(t, organization.id)
  const { verifier } = await t.call(admin, 'audit.checkpoint', {})
  const { accessToken } = await t.call({ kind: 'none' }, 'auth.login', content.credentials)
  const archive = await dumped({ ...dumpOptions(t, login, keys), homeFiles: await keeperFiles(t) })
  const into = await emptyInstallation(t)
  await restore(archive, into)
  await prepareDatabase(into.owner, t.secrets)
  const restored = await platformOver(t, into.owner, into.home)

  const files = [await auditFile(t, t, accessToken), await auditFile(t, restored, accessToken)]
  for (const text of files) {
    async function* lines() {
      yield* text.trimEnd().split('\n')
    }
    expect(await verifyAuditFile(lines(), { trustedVerifier: verifier })).toMatchObject({
      ok: true,
      organizationId: organization.id,
      verifierFrom: 'caller',
    })
  }
  const [before, after] = files.map((text) => text.split('\n').filter((line) => line.includes('"kind":"event"')))
  expect(after?.length).toBeGreaterThan(30)
  expect(after).toEqual(before)
})

test('sessions that live in the backup can be ended by the restore: one may have been revoked since', async () => {
  const into = await emptyInstallation(t)
  const archive = await dumped({ ...dumpOptions(t, login, keys), homeFiles: await keeperFiles(t) })
  await restore(archive, into, { endSessionsAt: t.clock.now() })
  await prepareDatabase(into.owner, t.secrets)
  const restored = await platformOver(t, into.owner, into.home)
  expect(await operationRefusal(restored.call(content.team.user, 'cases.list', {}))).toMatchObject({
    code: 'unauthenticated',
  })
})

describe('an archive is refused before anything is written', () => {
  let archive: Buffer
  let into: Empty
  beforeAll(async () => {
    archive = await dumped(dumpOptions(t, login, keys))
    into = await emptyInstallation(t)
  })
  const CHUNK = 65_536 + 16
  const start = () => 18 + 4 + archive.readUInt32BE(18)

  test.each([
    ['cut', () => archive.subarray(0, archive.length - 40)],
    ['cut at a chunk', () => archive.subarray(0, start() + CHUNK)],
    ['altered', () => Buffer.from(archive).fill(0, archive.length - 9000, archive.length - 8999)],
    [
      'reordered',
      () =>
        Buffer.concat([
          archive.subarray(0, start()),
          archive.subarray(start() + CHUNK, start() + 2 * CHUNK),
          archive.subarray(start(), start() + CHUNK),
          archive.subarray(start() + 2 * CHUNK),
        ]),
    ],
    ['continued', () => Buffer.concat([archive, Buffer.alloc(16)])],
  ])('when it is %s', async (_what, wrong) => {
    expect(await refusedUntouched(into, () => restore(wrong(), into))).toMatch(
      /^archive_damaged: the archive is damaged/,
    )
  })

  test('when it is another installation’s, by the name of its key or by the key', async () => {
    for (const id of ['backup-1', 'backup-other']) {
      const foreign = await dumped(dumpOptions(t, login, newBackupKeys(id)))
      expect(await refusedUntouched(into, () => restore(foreign, into))).toMatch(/^archive_key/)
    }
  })

  test('when the manifest is signed by anybody else', async () => {
    const forged = await dumped(dumpOptions(t, login, { ...keys, signer: newBackupKeys().signer }))
    expect(await refusedUntouched(into, () => restore(forged, into))).toMatch(/^archive_manifest/)
  })

  test('when its database is newer than this version', async () => {
    const newer = await made(({ migrations }) => ({
      migrations: [...migrations, { name: '9999-later.sql', sha256: '0'.repeat(64) }],
    }))
    expect(await refusedUntouched(into, () => restore(newer, into))).toMatch(
      /^not_restorable: .*Redoubt 9.0.0, whose database is newer \(9999-later.sql\): restore it with that version/,
    )
  })

  test('when one of its migrations is another one', async () => {
    const altered = await made(({ migrations }) => ({
      migrations: migrations.map((each) => ({ ...each, sha256: '0'.repeat(64) })),
    }))
    expect(await refusedUntouched(into, () => restore(altered, into))).toMatch(/^not_restorable: .*another one/)
  })

  test('when the database holds anything already, also what the owner’s row security hides', async () => {
    const used = await emptyInstallation(t)
    await prepareDatabase(used.owner, t.secrets)
    await withClient(used.superuser, (client) =>
      client.query(`insert into redoubt.organizations (name, slug, created_at) values ('A', 'a-1', now())`),
    )
    expect(await refusedUntouched(used, () => restore(archive, used))).toMatch(
      /^not_empty: .* is in use: redoubt.organizations has rows. Nothing was changed/,
    )
  })

  test('when a platform runs over the database', async () => {
    const running = await emptyInstallation(t)
    await withClient(running.owner, async (client) => {
      await client.query(`select pg_advisory_lock(hashtext('redoubt.platform'))`)
      expect(await refusedUntouched(running, () => restore(archive, running))).toMatch(/^not_empty: Redoubt runs/)
    })
  })

  test('when the home belongs to another installation', async () => {
    const home = await newHome(t, { master: 'of the archive' })
    const withFile = await dumped({
      ...dumpOptions(t, login, keys),
      homeFiles: [{ name: 'master', path: join(home, 'master') }],
    })
    const other = { ...into, home: await newHome(t, { master: 'of another' }) }
    const target = async () => ({ ...into.target, home: other.home })
    expect(await refusedUntouched(other, () => restore(withFile, other, { target }))).toMatch(
      /^not_empty: .*master is there already/,
    )
  })
})

describe('an archive whose rows do not fit leaves none of them behind', () => {
  test.each([
    ['its tables', { tables: [] }, /^not_restorable: .*whose tables differ/],
    ['its job queue', { queueMigration: 1 }, /^not_restorable: .*whose tables differ/],
  ])('in %s', async (_what, over, code) => {
    const into = await migrated()
    expect(await refusedUntouched(into, async () => restore(await made(() => over), into))).toMatch(code)
  })

  test('in the number of rows that its manifest says', async () => {
    const into = await migrated()
    const values: Record<string, string> = {
      id: randomUUID(),
      name: 'Named',
      slug: 'named',
      created_at: '2026-01-01 00:00:00+00',
    }
    const { manifest } = await verifyArchive(dumpArchive(dumpOptions(t, login, keys)), [keys])
    const columns = manifest.tables.find(({ name }) => name === 'redoubt.organizations')?.columns ?? []
    const text = `${columns.map((column) => values[column] ?? '\\N').join('\t')}\n`
    const archive = await made(() => ({}), { name: 'tables/redoubt.organizations', rows: 2, text })
    expect(await refusedUntouched(into, () => restore(archive, into))).toMatch(
      /^archive_manifest: tables\/redoubt.organizations has 1 rows, and its manifest says 2/,
    )
  })

  async function migrated(): Promise<Empty> {
    const into = await emptyInstallation(t)
    await into.target.migrate(await knownMigrations())
    return into
  }
})

describe('an archive that is exchanged between the two readings', () => {
  test.each([
    ['for a damaged one', (archive: Buffer) => archive.subarray(0, -1), /^archive_damaged/],
    ['for another good one', (_archive: Buffer, other: Buffer) => other, /^archive_manifest: .*exchanged/],
  ])('%s leaves no row and no file behind, and the right one can be restored afterwards', async (_what, swap, code) => {
    const home = await newHome(t, { master: 'key' })
    const options = { ...dumpOptions(t, login, keys), homeFiles: [{ name: 'master', path: join(home, 'master') }] }
    const archive = await dumped(options)
    const other = await dumped({ ...options, archiveId: randomUUID() })
    const into = await emptyInstallation(t)
    await into.target.migrate(await knownMigrations())
    let opened = 0
    const open = async () => {
      opened += 1
      return opening(opened === 1 ? archive : swap(archive, other))()
    }
    expect(await refusedUntouched(into, () => restore(archive, into, { open }))).toMatch(code)
    expect(opened).toBe(2)
    await restore(archive, into)
    expect(await filesIn(into.home)).toEqual({ master: 'key' })
  })
})

describe('the role that reads for backups', () => {
  let client: pg.Client
  beforeAll(async () => {
    client = new pg.Client(login)
    await client.connect()
  })
  afterAll(() => client.end())
  const refused = (sql: string) => expect(client.query(sql), sql).rejects.toThrow(/permission denied/)

  test('writes nothing: it has no right but SELECT on any table, and none to make one', async () => {
    const { rows } = await client.query(`
      select c.oid::regclass as name from pg_class c where c.relnamespace::regnamespace::text in ('redoubt', 'graphile_worker') and c.relkind in ('r', 'p')
        and has_table_privilege(c.oid, 'insert, update, delete, truncate, references, trigger, maintain')`)
    expect(rows).toEqual([])
    for (const sql of [
      `insert into redoubt.users (id, name, created_at) values (uuidv7(), 'X', now())`,
      `update redoubt.memberships set role = 'admin'`,
      'delete from redoubt.sessions',
      'truncate redoubt.cases',
      'insert into graphile_worker._private_jobs default values',
      'create table redoubt.mine (a int)',
      'create table public.mine (a int)',
      'create temporary table mine (a int)',
      `select redoubt.enqueue('alerts.enrich', '{}')`,
      `select graphile_worker.add_job('alerts.enrich')`,
      `select setval('graphile_worker.jobs_id_seq1', 1)`,
      `copy (select 1) to program 'true'`,
    ])
      await refused(sql)
  })

  test('does not read the keys that seal contexts, and calls none of the platform’s functions', async () => {
    await refused('select * from redoubt.context_keys')
    // Those of the queue and of pgcrypto act with the caller's rights, which are to read.
    const { rows } = await client.query(`
      select p.oid::regprocedure as name from pg_proc p
      where p.pronamespace::regnamespace::text in ('redoubt', 'graphile_worker') and has_function_privilege(p.oid, 'execute')
        and (p.prosecdef or p.proowner = 'redoubt_owner'::regrole and p.pronamespace = 'redoubt'::regnamespace)`)
    expect(rows).toEqual([])
  })

  test('has none of the powers over a cluster, and belongs to no role', async () => {
    const { rows } = await client.query(`
      select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as mighty, rolconnlimit,
        (select count(*)::int from pg_auth_members m where m.member = r.oid) as memberships from pg_roles r where rolname = current_user`)
    expect(rows).toEqual([{ mighty: false, rolconnlimit: 4, memberships: 0 }])
  })

  test('sees every row of every table, and restrictive policies still bind everybody else', async () => {
    const { rows } = await t.admin.query<{ table: string; roles: string[] }>(`
      select p.polrelid::regclass::text as table, array(select r::regrole::text from unnest(p.polroles) r) as roles from pg_policy p
      join pg_class c on c.oid = p.polrelid where c.relnamespace = 'redoubt'::regnamespace and not p.polpermissive`)
    expect(rows.length).toBeGreaterThan(10)
    const { rows: within } = await t.admin.query<{ role: string }>(`
      select distinct a.grantee::regrole::text as role from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'redoubt' and a.grantee <> 'redoubt_backup'::regrole`)
    for (const { roles } of rows) expect(roles.toSorted()).toEqual(within.map(({ role }) => role).toSorted())
  })

  test.each([
    [
      'a restrictive policy for everybody',
      'create policy probe on counters as restrictive using (false)',
      'drop policy probe on counters',
    ],
    [
      'a table without its policy',
      'drop policy backup on counters',
      'create policy backup on counters for select to redoubt_backup using (true)',
    ],
    [
      'a table that it may not read',
      'revoke select on counters from redoubt_backup',
      'grant select on counters to redoubt_backup',
    ],
    ['a new table', 'create table newcomer (a int)', 'drop table newcomer'],
  ])('refuses a backup that would miss rows: %s', async (_what, weaken, mend) => {
    await t.admin.query(weaken)
    try {
      await expect(dumped(dumpOptions(t, login, keys))).rejects.toThrow(
        /does not see every row of .*(counters|newcomer)/,
      )
    } finally {
      await t.admin.query(mend)
    }
  })
})

describe('making a backup', () => {
  test('tells its progress, stores it, reads it back, and only then lets older ones go', async () => {
    const folder = await newHome(t)
    const target = folderTarget(folder)
    const told: string[] = []
    const first = await takeBackup(target, {
      ...dumpOptions(t, login, keys),
      onProgress: ({ entry, number, of, rows }) => told.push(`${number}/${of} ${entry} ${rows}`),
    })
    expect(first.manifest.entries.length).toBeGreaterThan(30)
    expect(told.at(-1)).toMatch(new RegExp(`^${first.manifest.entries.length}/${first.manifest.entries.length} `))
    expect(told.some((line) => / tables\/redoubt\.cases [1-9]/.test(line))).toBe(true)
    t.clock.advance(86_400_000 * 30)
    const second = await takeBackup(target, {
      ...dumpOptions(t, login, keys),
      retention: { keepLast: 1, keepDays: 7 },
    })
    expect(second.removed).toEqual([first.name])
    expect((await target.list()).map(({ name }) => name)).toEqual([second.name])
  })

  test('removes nothing when what was stored cannot be read back', async () => {
    const target = folderTarget(await newHome(t))
    const first = await takeBackup(target, dumpOptions(t, login, keys))
    t.clock.advance(86_400_000 * 30)
    const damaging = {
      ...target,
      open: async (name: string) => opening((await collect(await target.open(name))).subarray(0, -1))(),
    }
    const options = { ...dumpOptions(t, login, keys), retention: { keepLast: 1, keepDays: 7 } }
    await expect(takeBackup(damaging, options)).rejects.toThrow(TrustError)
    expect((await target.list()).map(({ name }) => name)).toContain(first.name)
  })

  test('ends its connection when it is given up half-way', async () => {
    for await (const _chunk of dumpArchive(dumpOptions(t, login, keys))) break
    const { rows } = await t.admin.query(
      `select count(*)::int as n from pg_stat_activity where application_name = 'redoubt.backup' and datname = current_database()`,
    )
    expect(rows).toEqual([{ n: 0 }])
  })

  test('reads rows only as fast as they are taken', async () => {
    const client = new pg.Client(login)
    await client.connect()
    client.on('error', () => undefined)
    const { data } = copyOut(client, `copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout`)
    let taken = 0
    for await (const block of data) {
      taken += block.length
      if (taken === block.length) await new Promise((next) => setTimeout(next, 300))
      const { stream } = (client as unknown as { connection: { stream: { bytesRead: number } } }).connection
      expect(stream.bytesRead - taken).toBeLessThan(4 * 1024 * 1024)
    }
    expect(taken).toBe(200_000 * 1001)
    await client.end()
  })
})
