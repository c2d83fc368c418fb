import { test } from 'vitest'
import { startIngestionFixture, event } from '/work/main/packages/server/test/ingestion-fixture.ts'
import { enrichAlerts } from '/work/main/packages/server/src/modules/alerts/index.ts'
import { createCorrelation } from '/work/main/packages/server/src/modules/cases/index.ts'
test('x', async () => {
  const f = await startIngestionFixture()
  const s = await f.source()
  await f.post(s, event('a', { src_ip: '192.0.2.11' }))
  const ids = (await f.alerts(s)).map(a => a.id)
  try { await enrichAlerts(f.platform.kernel, f.platform.databases.redoubt_worker, createCorrelation())({ organizationId: s.organization.id, alertIds: ids }, { last: false }) } catch (e) { console.log(e) }
  await f.platform.runWorkerJobs()
  console.log((await f.platform.admin.query('select task_id, attempts, last_error, run_at, now() from graphile_worker._private_jobs')).rows)
  await f.platform.stop()
})
