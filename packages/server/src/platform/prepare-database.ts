import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { StartError } from './app-error.ts'
import { type Installation, serviceRoles } from './installation.ts'

/** How to reach one database; `host` may be a socket's directory. */
export type DatabaseAddress = {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly ssl?: boolean
}
export type Login = DatabaseAddress & { readonly user: string; readonly password: string }

const migrationsFolder = join(import.meta.dirname, '..', '..', 'migrations')

/** Embedded: the superuser makes the owner and the database; after this it is not used again. */
export async function createOwner(address: DatabaseAddress, installation: Installation): Promise<Login> {
  const owner: Login = { ...address, user: 'redoubt_owner', password: installation.ownerPassword.reveal() }
  await withClient(
    { ...address, database: 'postgres', user: 'postgres', password: installation.superuserPassword.reveal() },
    async (client) => {
      await makeRole(client, 'redoubt_owner', owner.password, 'createrole')
      const { rowCount } = await client.query('select from pg_database where datname = $1', [address.database])
      if (rowCount === 0)
        await client.query(`create database ${client.escapeIdentifier(address.database)} owner redoubt_owner`)
    },
  )
  return owner
}

/**
 * As the owner: service roles, migrations, grants and the keys of the tenant context. Safe to repeat.
 * @throws StartError when the owner is a superuser or bypasses row security, or an applied migration was changed
 */
export async function prepareDatabase(owner: Login, installation: Installation): Promise<{ applied: number }> {
  await withClient(owner, (client) => refuseMightyOwner(client, owner.user))
  await runMigrations({ connectionString: connectionString(owner) })
  return withClient(owner, async (client) => {
    // Two platforms over one database migrate one after the other.
    await client.query(`select pg_advisory_lock(hashtext('redoubt.migrations'))`)
    for (const role of serviceRoles) await makeRole(client, role, installation.rolePasswords[role].reveal(), '')
    const applied = await migrate(client)
    await client.query('begin')
    await client.query(await readFile(join(migrationsFolder, 'grants.sql'), 'utf8'))
    for (const role of serviceRoles) {
      await client.query(
        `insert into redoubt.context_keys (role, key) values ($1, $2)
         on conflict (role) do update set key = excluded.key where context_keys.key <> excluded.key`,
        [role, installation.contextKeys[role].reveal()],
      )
    }
    await client.query('commit')
    return { applied }
  })
}

async function migrate(client: pg.Client): Promise<number> {
  await client.query('create schema if not exists redoubt')
  await client.query(
    'create table if not exists redoubt.migrations (name text primary key, sha256 text not null, at timestamptz not null default now())',
  )
  const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from redoubt.migrations')
  const known = new Map(rows.map((row) => [row.name, row.sha256]))
  const files = (await readdir(migrationsFolder)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort()
  let applied = 0
  for (const name of files) {
    const sql = await readFile(join(migrationsFolder, name), 'utf8')
    const sha256 = createHash('sha256').update(sql).digest('hex')
    const before = known.get(name)
    if (before === sha256) continue
    if (before !== undefined)
      throw new StartError(
        `The migration ${name} was changed after it was applied: put it back, and write a new migration instead.`,
      )
    try {
      await client.query('begin')
      await client.query(sql)
      await client.query('insert into redoubt.migrations (name, sha256) values ($1, $2)', [name, sha256])
      await client.query('commit')
    } catch (cause) {
      await client.query('rollback')
      throw new StartError(`The migration ${name} failed and was rolled back: ${(cause as Error).message}.`, { cause })
    }
    applied++
  }
  const unknown = [...known.keys()].filter((name) => !files.includes(name))
  if (unknown.length > 0)
    throw new StartError(`The database was migrated by a newer Redoubt (${unknown.join(', ')}): start that version.`)
  return applied
}

async function makeRole(client: pg.Client, role: string, password: string, rights: string): Promise<void> {
  const name = client.escapeIdentifier(role)
  const secret = client.escapeLiteral(password)
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  if (rowCount === 0) {
    await client.query(`create role ${name} login ${rights} password ${secret}`)
    return
  }
  // Verifying takes a connection; setting the password again costs as much and heals a restored home.
  await client.query(`alter role ${name} password ${secret}`)
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

/** libpq form, for the job queue; a socket's directory goes into the query. */
export function connectionString(login: Login): string {
  const socket = login.host.startsWith('/')
  const host = socket ? '' : `${login.host}:${login.port}`
  const query = new URLSearchParams({
    ...(socket ? { host: login.host, port: String(login.port) } : {}),
    ...(login.ssl ? { sslmode: 'verify-full' } : {}),
  })
  return `postgresql://${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}@${host}/${login.database}?${query}`
}
