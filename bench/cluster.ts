import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { systemClock } from '../packages/server/src/platform/clock.ts'
import { type Config, configOf, type Limits } from '../packages/server/src/platform/config.ts'
import { type Installation, openInstallation } from '../packages/server/src/platform/installation.ts'
import type { Kernel } from '../packages/server/src/platform/kernel.ts'
import { createLog } from '../packages/server/src/platform/log.ts'
import { createMetrics } from '../packages/server/src/platform/metrics.ts'
import { startPostgres } from '../packages/server/src/platform/postgres-server.ts'
import { createOwner, type DatabaseAddress, prepareDatabase } from '../packages/server/src/platform/prepare-database.ts'
import { removeHome, type Undoing } from './undo.ts'

/** The embedded PostgreSQL of a temporary home, with the product's own settings: fsync is on. */
export type Cluster = {
  readonly home: string
  readonly address: DatabaseAddress
  readonly installation: Installation
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
  const { installation } = await openInstallation(home)
  const password = installation.superuserPassword.reveal()
  const { host, port } = await startPostgres(home, password)
  const address = { host, port, database: 'redoubt' }
  await prepareDatabase(await createOwner(address, installation), installation)
  const admin = adminPool(address, installation)
  undoing.push(() => admin.end())
  return { home, address, installation, admin }
}

export function adminPool(address: DatabaseAddress, installation: Installation): pg.Pool {
  const pool = new pg.Pool({
    ...address,
    user: 'postgres',
    password: installation.superuserPassword.reveal(),
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
    publicUrl: `http://localhost:${ports.web}`,
    logLevel: 'error',
    sessionIdleMs: 12 * 3_600_000,
    sessionAbsoluteMs: 7 * 24 * 3_600_000,
    limits: openLimits,
  })
}

export function benchKernel(config: Config, installation: Installation): Kernel {
  return { config, clock: systemClock, log: createLog(config), metrics: createMetrics(), installation }
}
