/* The ingestion service as a process of its own, for tests that kill it. Prints its address and runs until it is ended. */
import { directClient } from '../src/keeper/direct-client.ts'
import { openKeeper } from '../src/keeper/open-keeper.ts'
import { systemClock } from '../src/platform/clock.ts'
import { configOf } from '../src/platform/config.ts'
import { createLog } from '../src/platform/log.ts'
import { createMetrics } from '../src/platform/metrics.ts'
import { startIngestion } from '../src/services/ingestion.ts'
import { equip } from '../src/services/kernel.ts'

const [home = '', host = '', database = ''] = process.argv.slice(2)
const open = 1_000_000
const config = configOf({
  home,
  databaseUrl: undefined,
  host: '127.0.0.1',
  ports: { web: 0, api: 0, ingestion: 0, runner: 0 },
  runnerApiPort: 0,
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
const { keeper } = await openKeeper(config, systemClock)
const address = { host, port: 5432, database }
const ground = { config, clock: systemClock, log: createLog(config), metrics: createMetrics(), address }
const parts = await equip(ground, directClient(keeper, 'ingestion'), { role: 'redoubt_ingestion' })
const { url } = await startIngestion(parts.kernel, parts.database)
process.stdout.write(`${url}\n`)
