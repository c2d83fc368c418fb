/* The ingestion service as a process of its own, for tests that kill it. Prints its address and runs until it is ended. */
import { systemClock } from '../src/platform/clock.ts'
import { configOf } from '../src/platform/config.ts'
import { openDatabase } from '../src/platform/database.ts'
import { openInstallation } from '../src/platform/installation.ts'
import { createLog } from '../src/platform/log.ts'
import { createMetrics } from '../src/platform/metrics.ts'
import { startIngestion } from '../src/services/ingestion.ts'

const [home = '', host = '', database = ''] = process.argv.slice(2)
const { installation } = await openInstallation(home)
const open = 1_000_000
const config = configOf({
  home,
  databaseUrl: undefined,
  host: '127.0.0.1',
  ports: { web: 0, api: 0, ingestion: 0, runner: 0 },
  publicUrl: 'http://localhost:3000',
  logLevel: 'silent',
  sessionIdleMs: 1,
  sessionAbsoluteMs: 1,
  limits: {
    signInPerMinute: open,
    anonymousPerSecond: open,
    expensivePerSecond: open,
    tenantPerSecond: open,
    ingestRequestsPerSecond: open,
  },
})
const kernel = { config, clock: systemClock, log: createLog(config), metrics: createMetrics(), installation }
const role = 'redoubt_ingestion'
const pool = await openDatabase(
  { host, port: 5432, database },
  role,
  installation.rolePasswords[role],
  installation.contextKeys[role],
)
const { url } = await startIngestion(kernel, pool)
process.stdout.write(`${url}\n`)
