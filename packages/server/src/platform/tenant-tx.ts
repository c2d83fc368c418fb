import type { OrganizationId, Role, UserId } from '@redoubt/contract'
import { type ContextPrincipal, sealTenantContext } from '@redoubt/trust'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type LimitNode,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  ValueNode,
} from 'kysely'
import type pg from 'pg'
import { AppError } from './app-error.ts'
import type { Database } from './database.ts'
import { holdsTooManyStatements, statementName } from './prepared-statements.ts'
import type { Schema } from './schema.ts'

/** Work outside any tenant, and why. Each reason opens only the rows that its row policies name. */
export const systemReasons = [
  'authenticate',
  'sign-in',
  'set-up',
  'invitation',
  'ingest',
  'runner',
  'sweep',
  'keys',
  'rekey',
] as const
export type SystemReason = (typeof systemReasons)[number]

/** A transaction inside one tenant. The only way to a tenant's rows; worthless once its function has returned. */
export type TenantTx = { readonly db: Kysely<Schema>; readonly organizationId: OrganizationId }
/** A transaction of one person about themselves, in no tenant. */
export type SelfTx = { readonly db: Kysely<Schema>; readonly self: UserId }
/** A transaction outside any tenant, for one declared reason. */
export type SystemTx = { readonly db: Kysely<Schema>; readonly reason: SystemReason }

/** Who acts inside the tenant; `service:<name>` for the platform's own work. */
export type TenantActor = { readonly userId: UserId; readonly role: Role } | { readonly service: string }

/** How long the context of a transaction holds; after that the database refuses what it asks. */
export const contextMs = 60_000

/** Runs `use` in a transaction of one tenant; commits when it returns, rolls back when it throws. */
export function inTenant<T>(
  database: Database,
  organizationId: OrganizationId,
  actor: TenantActor,
  use: (tx: TenantTx) => Promise<T>,
  mode: Mode = 'write',
): Promise<T> {
  const principal: ContextPrincipal =
    'service' in actor
      ? { kind: 'service', organizationId, service: actor.service }
      : { kind: 'user', organizationId, ...actor }
  return transaction(database, principal, mode, (db) => use({ db, organizationId }))
}

/** Runs `use` in a transaction of one person about themselves. */
export function asSelf<T>(database: Database, self: UserId, use: (tx: SelfTx) => Promise<T>): Promise<T> {
  return transaction(database, { kind: 'self', userId: self }, 'write', (db) => use({ db, self }))
}

/** Runs `use` outside any tenant, for a reason of the closed list. */
export function inSystem<T>(database: Database, reason: SystemReason, use: (tx: SystemTx) => Promise<T>): Promise<T> {
  return transaction(database, { kind: 'system', reason }, 'write', (db) => use({ db, reason }))
}

type Mode = 'read' | 'write'

async function transaction<T>(
  database: Database,
  principal: ContextPrincipal,
  mode: Mode,
  use: (db: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  const client = await database.pool.connect().catch((cause: Error) => {
    throw new AppError('unavailable', 'The database is busy or away; try again in a few seconds.', {
      cause,
      retryAfter: 5,
    })
  })
  const connection = new TransactionConnection(client)
  const context = sealTenantContext(
    principal,
    {
      // The database's own clock judges this, so it is real time even where business time is turned by hand.
      expiresAt: new Date(Date.now() + contextMs),
      backendPid: (client as unknown as { processID: number }).processID,
    },
    database.contextKey.reveal(),
  )
  // One message and no wait: the first query follows on the wire. The context is hexadecimal, ids and bars; its pid
  // makes it worthless to whoever reads it off pg_stat_activity.
  const begun = client.query(
    `begin${mode === 'read' ? ' read only' : ''}; select set_config('app.context', '${context}', true)`,
  )
  begun.catch(() => undefined)
  let result: T
  try {
    result = await use(kyselyOver(connection))
    connection.close()
    await begun
    // A read has nothing to make durable: its answer does not wait for the end of the transaction, its connection does.
    const ended = client.query('commit')
    if (mode === 'read') {
      ended.then(() => release(client), release.bind(null, client))
      return result
    }
    await ended
  } catch (error) {
    connection.close()
    await client.query('rollback').then(() => release(client), release.bind(null, client))
    throw error
  }
  release(client)
  return result
}

/** Gives the connection back, or closes it when it broke. */
function release(client: pg.PoolClient, broken?: Error): void {
  client.release(broken ?? holdsTooManyStatements(client))
}

/** Queries of one transaction; after its end every one of them throws, so a handle cannot be smuggled into another. */
class TransactionConnection implements DatabaseConnection {
  #client: pg.PoolClient | null

  constructor(client: pg.PoolClient) {
    this.#client = client
  }

  close(): void {
    this.#client = null
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (!this.#client) throw new Error('this transaction has ended')
    const statement: pg.QueryConfig & { queryMode: 'extended' } = {
      name: statementName(this.#client, query.sql),
      text: query.sql,
      values: query.parameters as unknown[],
      // Injected text stays one statement: it cannot PREPARE another under a name that the next tenant's query will use.
      queryMode: 'extended',
    }
    const result = await this.#client.query<R & pg.QueryResultRow>(statement)
    return {
      rows: result.rows,
      ...(result.command === 'SELECT' ? {} : { numAffectedRows: BigInt(result.rowCount ?? 0) }),
    }
  }

  // biome-ignore lint/correctness/useYield: Kysely asks for the method; no caller of ours streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('a tenant transaction does not stream')
  }
}

function kyselyOver(connection: DatabaseConnection): Kysely<Schema> {
  const refuse = async () => {
    throw new Error('a tenant transaction cannot be nested')
  }
  const driver: Driver = {
    init: async () => undefined,
    acquireConnection: async () => connection,
    releaseConnection: async () => undefined,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    destroy: async () => undefined,
  }
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PlannableQueryCompiler(),
    },
  })
}

/**
 * Writes the size of a page into the statement. Were it a parameter, the planner would have to expect the whole table
 * from a prepared statement, and would plan each run anew rather than keep such a plan.
 */
class PlannableQueryCompiler extends PostgresQueryCompiler {
  protected override visitLimit({ limit }: LimitNode): void {
    this.append('limit ')
    if (ValueNode.is(limit) && Number.isSafeInteger(limit.value)) this.appendImmediateValue(limit.value)
    else this.visitNode(limit)
  }
}
