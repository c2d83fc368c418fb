import { enrichAlerts, startReceiptSweep } from '../modules/alerts/index.ts'
import { startSequencer } from '../modules/audit/index.ts'
import { checkResponse, createCorrelation } from '../modules/cases/index.ts'
import { keyTasks, startKeySweep } from '../modules/keys/index.ts'
import type { Database } from '../platform/database.ts'
import { startJobs } from '../platform/jobs.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import type { ServiceLogin } from '../platform/prepare-database.ts'
import { watchKeyHealth } from './key-health.ts'

/** Enriches and correlates alerts, watches response times, seals the audit log (SVC-1). Opens no port. */
export async function startWorker(
  kernel: Kernel,
  database: Database,
  login: ServiceLogin,
  live: LiveFeed,
): Promise<Stop> {
  const stopSequencer = await startSequencer(kernel, database, live)
  const stopJobs = await startJobs(kernel, login, {
    'alerts.enrich': enrichAlerts(kernel, database, createCorrelation()),
    'cases.check-response': checkResponse(kernel, database),
  })
  // A queue of their own, one at a time: what takes minutes over many rows keeps no alert waiting.
  const stopKeyJobs = await startJobs(kernel, login, keyTasks(kernel, database), { concurrency: 1 })
  const stopKeySweep = startKeySweep(kernel, database)
  const stopSweep = startReceiptSweep(kernel, database)
  const stopHealth = watchKeyHealth(kernel, database, live)
  return async () => {
    await stopHealth()
    await stopSweep()
    await stopKeySweep()
    await stopKeyJobs()
    await stopJobs()
    // Last, so that what the jobs recorded is sealed too.
    await stopSequencer()
  }
}
