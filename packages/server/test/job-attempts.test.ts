import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
beforeAll(async () => {
  t = await startTestPlatform()
})
afterAll(() => t.stop())

/** Seconds from the first attempt to the last: the queue waits e^n seconds after the n-th failure, n at most 10. */
const horizonSeconds = (attempts: number) =>
  Array.from({ length: attempts - 1 }, (_, failure) => Math.exp(Math.min(failure + 1, 10))).reduce((a, b) => a + b, 0)

test('a plan is pushed for as long as it lives and no longer; the end of a revoked runner’s work is tried for days', async () => {
  const { id } = await t.organization()
  const attempts: Record<string, number> = {}
  for (const task of ['runs.push', 'runs.check', 'runners.revoked', 'alerts.enrich', 'cases.check-response']) {
    await inTenant(t.databases.redoubt_workflow, id, { service: 'workflow-processor' }, ({ db }) =>
      sql`select redoubt.enqueue(${task}, '{}'::jsonb)`.execute(db),
    )
    const { rows } = await t.admin.query<{ max_attempts: number }>(
      'select max_attempts from graphile_worker.jobs where task_identifier = $1',
      [task],
    )
    attempts[task] = rows[0]?.max_attempts ?? 0
  }
  const planSeconds = 5 * 60
  expect(horizonSeconds(attempts['runs.push'] ?? 0)).toBeLessThan(planSeconds)
  expect(horizonSeconds(attempts['runs.push'] ?? 0)).toBeGreaterThan(planSeconds / 2)
  expect(horizonSeconds(attempts['runners.revoked'] ?? 0)).toBeGreaterThan(3 * 86_400)
  for (const task of ['runs.check', 'alerts.enrich', 'cases.check-response']) expect(attempts[task]).toBe(12)
})
