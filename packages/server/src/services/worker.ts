import { enrichAlerts, startReceiptSweep } from '../modules/alerts/index.ts'
import { startSequencer } from '../modules/audit/index.ts'
import { checkResponse, createCorrelation } from '../modules/cases/index.ts'
import type { Database } from '../platform/database.ts'
import { startJobs } from '../platform/jobs.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import type { Login } from '../platform/prepare-database.ts'

/** Enriches and correlates alerts, watches response times, seals the audit log (SVC-1). Opens no port. */
export async function startWorker(kernel: Kernel, database: Database, login: Login, live: LiveFeed): Promise<Stop> {
  const stopSequencer = await startSequencer(kernel, database, live)
  const stopJobs = await startJobs(kernel, login, {
    'alerts.enrich': enrichAlerts(kernel, database, createCorrelation()),
    'cases.check-response': checkResponse(kernel, database),
  })
  const stopSweep = startReceiptSweep(kernel, database)
  return async () => {
    await stopSweep()
    await stopJobs()
    // Last, so that what the jobs recorded is sealed too.
    await stopSequencer()
  }
}
