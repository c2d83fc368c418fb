import type { Secret } from '@redoubt/trust'
import pg from 'pg'
import type { ServiceRole } from './database-roles.ts'
import type { DatabaseAddress } from './database-url.ts'
import { refuseUnsafeRole } from './prepare-database.ts'

/** A service's pool: its own role, its own key for the tenant context. */
export type Database = {
  readonly role: ServiceRole
  readonly pool: pg.Pool
  readonly contextKey: Secret<Buffer>
  close(): Promise<void>
}

// Counts and sequence numbers stay far below 2^53; text would only move the parsing elsewhere.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

/** Opens the pool of a service and refuses a role that row security would not bind. */
export async function openDatabase(
  address: DatabaseAddress,
  role: ServiceRole,
  password: Secret<string>,
  contextKey: Secret<Buffer>,
  options: { readonly connections?: number } = {},
): Promise<Database> {
  const pool = new pg.Pool({
    ...address,
    user: role,
    password: password.reveal(),
    max: options.connections ?? 8,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // BEGIN, the context and the first query leave together: one round trip instead of three.
    pipeline: true,
    options:
      '-c search_path=redoubt,pg_catalog,pg_temp -c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC',
    application_name: role,
  } as pg.PoolConfig)
  pool.on('error', () => undefined)
  // The pool listens to idle connections alone: one that breaks while in use would otherwise end the process. Whoever
  // uses it sees its query rejected.
  pool.on('connect', (client) => client.on('error', () => undefined))
  try {
    const client = await pool.connect()
    try {
      await refuseUnsafeRole(client, role)
    } finally {
      client.release()
    }
  } catch (error) {
    await pool.end()
    throw error
  }
  return { role, pool, contextKey, close: () => pool.end() }
}
