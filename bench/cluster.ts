import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { databaseSecrets } from '../packages/server/src/keeper/database-secrets.ts'
import { directClient } from '../packages/server/src/keeper/direct-client.ts'
import { openKeeper } from '../packages/server/src/keeper/open-keeper.ts'
import { systemClock } from '../packages/server/src/platform/clock.ts'
import { type Config, configOf, type Limits } from '../packages/server/src/platform/config.ts'
import {
  type DatabaseSecrets,
  type ServiceRole,
  serviceOfRole,
} from '../packages/server/src/platform/database-roles.ts'
import type { DatabaseAddress } from '../packages/server/src/platform/database-url.ts'
import { createLog } from '../packages/server/src/platform/log.ts'
import { createMetrics } from '../packages/server/src/platform/metrics.ts'
import { startPostgres } from '../packages/server/src/platform/postgres-server.ts'
import { createOwner, prepareDatabase } from '../packages/server/src/platform/prepare-database.ts'
import { equip, type ServiceParts } from '../packages/server/src/services/kernel.ts'
import { removeHome, type Undoing } from './undo.ts'

/** The embedded PostgreSQL of a temporary home, with the product's own settings: fsync is on. */
export type Cluster = {
  readonly home: string
  readonly address: DatabaseAddress
  readonly secrets: DatabaseSecrets
  /** The superuser's pool: prepares data and measures references, which row security does not bind. */
  readonly admin: pg.Pool
}

// The generator is one client; what a limit would measure is the limit.
const openLimits: Limits = {
  signInPerMinute: 1_000_000,
  anonymousPerSecond: 1_000_000,
  expensivePerSecond: 1_000_000,
  tenantPerSecond: 1_000_000,
  ingestRequestsPerSecond: 1_000_000,
}

export async function temporaryHome(undoing: Undoing): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-bench-'))
  undoing.push(() => removeHome(home))
  return home
}

/** A migrated platform database on a home of its own; gone with `undoing`. */
export async function startCluster(undoing: Undoing): Promise<Cluster> {
  const home = await temporaryHome(undoing)
  const { keeper } = await openKeeper(benchConfig(home, { web: 0, api: 0, ingestion: 0, runner: 0 }), systemClock)
  const secrets = await databaseSecrets(keeper.store)
  await keeper.close()
  const password = secrets.superuserPassword.reveal()
  const server = await startPostgres(home, password)
  undoing.push(() => server.stop())
  const { host, port } = server
  const address = { host, port, database: 'redoubt' }
  await prepareDatabase(await createOwner(address, secrets), secrets)
  const admin = adminPool(address, secrets)
  undoing.push(() => admin.end())
  return { home, address, secrets, admin }
}

export function adminPool(address: DatabaseAddress, secrets: DatabaseSecrets): pg.Pool {
  const pool = new pg.Pool({
    ...address,
    user: 'postgres',
    password: secrets.superuserPassword.reveal(),
    max: 8,
    options: '-c search_path=redoubt,pg_catalog -c timezone=UTC',
  })
  pool.on('error', () => undefined)
  return pool
}

/** The product's configuration on free ports, without request limits. */
export function benchConfig(home: string, ports: Config['ports']): Config {
  return configOf({
    home,
    databaseUrl: undefined,
    host: '127.0.0.1',
    ports,
    runnerApiPort: 0,
    publicUrl: `http://localhost:${ports.web}`,
    logLevel: 'error',
    sessionIdleMs: 12 * 3_600_000,
    sessionAbsoluteMs: 7 * 24 * 3_600_000,
    limits: openLimits,
  })
}

/** One service as in a container: its own keys, role and pool. */
export async function benchService(config: Config, address: DatabaseAddress, role: ServiceRole): Promise<ServiceParts> {
  const { keeper } = await openKeeper(config, systemClock)
  const ground = { config, clock: systemClock, log: createLog(config), metrics: createMetrics(), address }
  const parts = await equip(ground, directClient(keeper, serviceOfRole[role]), { role })
  const stop = async () => {
    await parts.stop()
    await keeper.close()
  }
  return { ...parts, stop }
}
