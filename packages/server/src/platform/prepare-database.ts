import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Secret } from '@redoubt/trust'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { StartError } from './app-error.ts'
import { type DatabaseSecrets, serviceRoles } from './database-roles.ts'
import type { DatabaseAddress, Login } from './database-url.ts'

/** A service's login, and the key of its tenant contexts. */
export type ServiceLogin = Login & { readonly contextKey: Secret<Buffer> }

/** PostgreSQL's own; the passwords are 192 random bits. */
const scramIterations = 4096
const migrationsFolder = join(import.meta.dirname, '..', '..', 'migrations')

/** Embedded: the superuser makes the owner and the database; after this it is not used again. */
export async function createOwner(address: DatabaseAddress, secrets: DatabaseSecrets): Promise<Login> {
  const owner: Login = { ...address, user: 'redoubt_owner', password: secrets.ownerPassword.reveal() }
  await withClient(
    { ...address, database: 'postgres', user: 'postgres', password: secrets.superuserPassword.reveal() },
    async (client) => {
      await makeRole(client, 'redoubt_owner', owner.password, 'createrole')
      const { rowCount } = await client.query('select from pg_database where datname = $1', [address.database])
      if (rowCount === 0)
        await client.query(`create database ${client.escapeIdentifier(address.database)} owner redoubt_owner`)
    },
  )
  return owner
}

/** Reads every row for backups, and writes nothing. It is no service: it has no key for a tenant's context. */
export const backupRole = 'redoubt_backup'

/**
 * As the owner: service roles, migrations, grants and the keys of the tenant context. Safe to repeat.
 * @param backupPassword of {@link backupRole}; without it a new one cannot sign in, and one that is there stays as it is
 * @throws StartError when the owner is a superuser or bypasses row security, or an applied migration was changed
 */
export async function prepareDatabase(
  owner: Login,
  secrets: DatabaseSecrets,
  backupPassword: Secret<string> | null = null,
): Promise<{ applied: number }> {
  await withClient(owner, (client) => refuseMightyOwner(client, owner.user))
  await migrateQueue(owner)
  return withClient(owner, async (client) => {
    await makeRoles(client, secrets, backupPassword)
    const applied = await migrate(client, await knownMigrations())
    await client.query('begin')
    await client.query(await readFile(join(migrationsFolder, 'grants.sql'), 'utf8'))
    for (const role of serviceRoles) {
      await client.query(
        `insert into redoubt.context_keys (role, key) values ($1, $2)
         on conflict (role) do update set key = excluded.key where context_keys.key <> excluded.key`,
        [role, secrets.contextKeys[role].reveal()],
      )
    }
    await client.query('commit')
    return { applied }
  })
}

/** Roles are the cluster's, and two platforms over one database migrate one after the other: under a lock of the session. */
async function makeRoles(
  client: pg.Client,
  secrets: DatabaseSecrets,
  backupPassword: Secret<string> | null,
): Promise<void> {
  await client.query(`select pg_advisory_lock(hashtext('redoubt.migrations'))`)
  for (const role of serviceRoles) await makeRole(client, role, secrets.rolePasswords[role].reveal(), '')
  await makeRole(client, backupRole, backupPassword?.reveal() ?? null, 'connection limit 4')
}

export type Migration = { readonly name: string; readonly sha256: string }

/** The migrations of this version, in their order. */
export async function knownMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(migrationsFolder)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort()
  return Promise.all(names.map(async (name) => ({ name, sha256: sha256Of(await readMigration(name)) })))
}

/**
 * As the owner of an empty database: roles, the queue, and exactly these migrations, so that rows of their age fit. What
 * is newer, and all grants, come with the next start. @throws StartError when the database is past them already
 */
export async function migrateExactly(
  owner: Login,
  secrets: DatabaseSecrets,
  migrations: readonly Migration[],
): Promise<void> {
  await withClient(owner, (client) => refuseMightyOwner(client, owner.user))
  await migrateQueue(owner)
  await withClient(owner, async (client) => {
    await makeRoles(client, secrets, null)
    await migrate(client, migrations)
  })
}

/** Over a pool of ours, which checks the database's certificate as all others do (NET-3). */
async function migrateQueue(owner: Login): Promise<void> {
  const pool = new pg.Pool({ ...owner, max: 1 })
  pool.on('error', () => undefined)
  // One that breaks while in use would otherwise end the process; its query is rejected all the same.
  pool.on('connect', (client) => client.on('error', () => undefined))
  await runMigrations({ pgPool: pool }).finally(() => pool.end())
}

const readMigration = (name: string) => readFile(join(migrationsFolder, name), 'utf8')
const sha256Of = (text: string) => createHash('sha256').update(text).digest('hex')

async function migrate(client: pg.Client, migrations: readonly Migration[]): Promise<number> {
  await client.query('create schema if not exists redoubt')
  await client.query(
    'create table if not exists redoubt.migrations (name text primary key, sha256 text not null, at timestamptz not null default now())',
  )
  const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from redoubt.migrations')
  const known = new Map(rows.map((row) => [row.name, row.sha256]))
  let applied = 0
  for (const { name, sha256 } of migrations) {
    const before = known.get(name)
    if (before === sha256) continue
    if (before !== undefined)
      throw new StartError(
        `The migration ${name} was changed after it was applied: put it back, and write a new migration instead.`,
      )
    try {
      await client.query('begin')
      await client.query(await readMigration(name))
      await client.query('insert into redoubt.migrations (name, sha256) values ($1, $2)', [name, sha256])
      await client.query('commit')
    } catch (cause) {
      await client.query('rollback')
      throw new StartError(`The migration ${name} failed and was rolled back: ${(cause as Error).message}.`, { cause })
    }
    applied++
  }
  const unknown = [...known.keys()].filter((name) => !migrations.some((each) => each.name === name))
  if (unknown.length > 0)
    throw new StartError(`The database was migrated by a newer Redoubt (${unknown.join(', ')}): start that version.`)
  return applied
}

async function makeRole(client: pg.Client, role: string, password: string | null, rights: string): Promise<void> {
  const name = client.escapeIdentifier(role)
  const secret = password === null ? 'null' : client.escapeLiteral(scramVerifier(password))
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  if (rowCount === 0) {
    await client.query(`create role ${name} login ${rights} password ${secret}`)
    return
  }
  if (password === null) return
  // Verifying takes a connection; setting the password again costs as much and heals a restored home.
  await client.query(`alter role ${name} password ${secret}`)
}

/**
 * What PostgreSQL keeps of a password (RFC 5803): statements end up in its log, its activity and its statistics, which others
 * read. Our passwords are base64url, so SASLprep would leave them as they are.
 */
function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password, salt, scramIterations, 32, 'sha256')
  const keyed = (name: string) => createHmac('sha256', salted).update(name).digest()
  const stored = createHash('sha256').update(keyed('Client Key')).digest('base64')
  const server = keyed('Server Key').toString('base64')
  return `SCRAM-SHA-256$${scramIterations}:${salt.toString('base64')}$${stored}:${server}`
}

async function refuseMightyOwner(client: pg.Client, user: string): Promise<void> {
  const { rows } = await client.query<{ rolsuper: boolean; rolbypassrls: boolean; rolcreaterole: boolean }>(
    'select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user',
  )
  const mend = `create role redoubt_owner login createrole password '…'; alter database ${client.database ?? 'redoubt'} owner to redoubt_owner;`
  if (rows[0]?.rolsuper)
    throw new StartError(
      `DATABASE_URL signs in as "${user}", a superuser, for whom row security does not hold. Use a role of its own: ${mend}`,
    )
  if (rows[0]?.rolbypassrls)
    throw new StartError(
      `DATABASE_URL signs in as "${user}", which bypasses row security. Use a role of its own: ${mend}`,
    )
  if (!rows[0]?.rolcreaterole)
    throw new StartError(
      `DATABASE_URL signs in as "${user}", which may not create the services' roles: alter role ${user} createrole;`,
    )
}

/**
 * The boot check (TEN-1), as each service's own role: refuses a role that owns tables, is a superuser or bypasses row
 * security, and any table of the schema whose row security is not forced.
 */
export async function refuseUnsafeRole(client: pg.ClientBase, role: string): Promise<void> {
  const { rows } = await client.query<{ mighty: boolean; owner: boolean; open: string | null }>(
    `select r.rolsuper or r.rolbypassrls as mighty,
            exists (select 1 from pg_class c where c.relnamespace = 'redoubt'::regnamespace and pg_has_role(r.oid, c.relowner, 'member')) as owner,
            (select string_agg(c.relname, ', ') from pg_class c
             where c.relnamespace = 'redoubt'::regnamespace and c.relkind in ('r', 'p')
               and c.relname not in ('migrations', 'context_keys') and not (c.relrowsecurity and c.relforcerowsecurity)) as open
     from pg_roles r where r.rolname = current_user`,
  )
  const row = rows[0]
  if (!row || row.mighty)
    throw new StartError(
      `The database role ${role} is a superuser or bypasses row security: alter role ${role} nosuperuser nobypassrls;`,
    )
  if (row.owner)
    throw new StartError(
      `The database role ${role} owns tables or belongs to their owner, so row security would not bind it: give the tables back to the owner.`,
    )
  if (row.open !== null)
    throw new StartError(
      `Row security is not forced on ${row.open}: alter table … enable row level security, force row level security;`,
    )
}

export async function withClient<T>(login: Login, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...login, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (cause) {
    const code = (cause as { code?: string }).code
    const why =
      code === '28P01'
        ? 'the password is refused'
        : code === '3D000'
          ? 'it does not exist'
          : (cause as Error).message || code
    throw new StartError(
      `The database ${login.database} at ${login.host}:${login.port} cannot be reached: ${why}. Check DATABASE_URL and that PostgreSQL runs.`,
      { cause },
    )
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
