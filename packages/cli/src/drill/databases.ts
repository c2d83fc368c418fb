import {
  backupRole,
  createOwner,
  type DatabaseAddress,
  type DatabaseSecrets,
  type Login,
  prepareDatabase,
  type ServiceRole,
  withClient,
} from '@redoubt/server'
import { type ContextPrincipal, type Secret, sealTenantContext } from '@redoubt/trust'
import type pg from 'pg'

export type Row = Readonly<Record<string, unknown>>
/** What a statement came to. Of several statements, `results` has each, the rest is of the last. */
export type SqlOutcome = {
  readonly rows: readonly Row[]
  readonly count: number
  readonly results: readonly { readonly rows: readonly Row[]; readonly count: number }[]
  readonly error: { readonly sqlstate: string; readonly message: string } | null
}
/** How an attacker's context differs from the right one. */
export type ContextForgery = {
  readonly key?: Uint8Array
  readonly keyOf?: ServiceRole
  readonly backendPid?: number
  readonly expiresAt?: Date
}

/** Whoever signs in to the database: the services, and what reads every row for backups. */
export type DatabaseRole = ServiceRole | typeof backupRole

const searchPath = 'redoubt,pg_catalog,pg_temp'
const contextMs = 60_000

/**
 * The installation's database as its services' roles see it, and a scratch copy in which defences are switched off: the
 * same migrations and rows, one transaction per control, always rolled back.
 */
export class Databases {
  readonly #address: DatabaseAddress
  readonly #secrets: DatabaseSecrets
  readonly #backupPassword: Secret<string>
  #scratch: Promise<DatabaseAddress> | undefined

  constructor(address: DatabaseAddress, secrets: DatabaseSecrets, backupPassword: Secret<string>) {
    this.#address = address
    this.#secrets = secrets
    this.#backupPassword = backupPassword
  }

  /** Runs statements on the live database as a service, in a transaction that is rolled back, like SQL injected into it. */
  injected(
    role: DatabaseRole,
    principal: ContextPrincipal | null,
    statements: string,
    forgery: ContextForgery = {},
  ): Promise<SqlOutcome> {
    return withClient(this.loginOf(role), async (client) => {
      await client.query(`set search_path = ${searchPath}; begin`)
      if (principal !== null && role !== backupRole) await this.#setContext(client, role, principal, forgery)
      return outcomeOf(client, statements)
    })
  }

  /** The same on the scratch copy, after the superuser has switched defences off in the same transaction. */
  async undefended(
    role: DatabaseRole,
    principal: ContextPrincipal | null,
    lift: readonly string[],
    statements: string,
  ): Promise<SqlOutcome> {
    this.#scratch ??= this.#copy()
    const address = await this.#scratch
    return withClient(this.#superuserOf(address), async (client) => {
      await client.query(`set search_path = ${searchPath}; begin`)
      for (const each of lift) await client.query(each)
      // session_user is then the service, so the context is checked with that service's key as on the live database.
      await client.query(`set local session authorization ${client.escapeIdentifier(role)}`)
      if (principal !== null && role !== backupRole) await this.#setContext(client, role, principal, {})
      return outcomeOf(client, statements)
    })
  }

  /** As the superuser, whom no row security binds: for preparing, and for the attacker who has the machine. */
  superuser<T>(use: (client: pg.Client) => Promise<T>): Promise<T> {
    return withClient(this.#superuserOf(this.#address), async (client) => {
      await client.query(`set search_path = ${searchPath}`)
      return use(client)
    })
  }

  loginOf(role: DatabaseRole): Login {
    const password = role === backupRole ? this.#backupPassword : this.#secrets.rolePasswords[role]
    return { ...this.#address, user: role, password: password.reveal() }
  }

  async #setContext(
    client: pg.Client,
    role: ServiceRole,
    principal: ContextPrincipal,
    { key, keyOf, backendPid, expiresAt }: ContextForgery,
  ): Promise<void> {
    const { processID } = client as unknown as { readonly processID: number }
    const context = sealTenantContext(
      principal,
      { expiresAt: expiresAt ?? new Date(Date.now() + contextMs), backendPid: backendPid ?? processID },
      key ?? this.#secrets.contextKeys[keyOf ?? role].reveal(),
    )
    await client.query(`select set_config('app.context', $1, true)`, [context])
  }

  #superuserOf(address: DatabaseAddress): Login {
    return { ...address, user: 'postgres', password: this.#secrets.superuserPassword.reveal() }
  }

  async #copy(): Promise<DatabaseAddress> {
    const scratch = { ...this.#address, database: 'redoubt_scratch' }
    await prepareDatabase(await createOwner(scratch, this.#secrets), this.#secrets)
    await this.superuser((from) =>
      withClient(this.#superuserOf(scratch), async (to) => {
        // Foreign keys and triggers rest while rows arrive in any order.
        await to.query('set session_replication_role = replica')
        for (const table of await tablesOf(from)) {
          const { rows } = await from.query<{ all: string | null }>(
            `select json_agg(t)::text as all from redoubt.${table} t`,
          )
          await to.query(
            `insert into redoubt.${table} select * from json_populate_recordset(null::redoubt.${table}, $1::json)`,
            [rows[0]?.all ?? '[]'],
          )
        }
      }),
    )
    return scratch
  }
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(relname) as name from pg_class
     where relnamespace = 'redoubt'::regnamespace and relkind = 'r' and relname not in ('migrations', 'context_keys')`,
  )
  return rows.map(({ name }) => name)
}

async function outcomeOf(client: pg.Client, statements: string): Promise<SqlOutcome> {
  try {
    const answered = await client.query(statements)
    const results = (
      Array.isArray(answered) ? (answered as pg.QueryResult<Row>[]) : [answered as pg.QueryResult<Row>]
    ).map(({ rows, rowCount }) => ({ rows, count: rowCount ?? 0 }))
    const last = results.at(-1) ?? { rows: [], count: 0 }
    return { ...last, results, error: null }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return { rows: [], count: 0, results: [], error: { sqlstate: code ?? '', message } }
  } finally {
    await client.query('rollback').catch(() => undefined)
  }
}
