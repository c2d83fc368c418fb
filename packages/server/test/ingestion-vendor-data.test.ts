import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { enrichAlerts } from '../src/modules/alerts/index.ts'
import { startIngestionFixture } from './ingestion-fixture.ts'

const folder = resolve(import.meta.dirname, '../../..', process.env['REDOUBT_REAL_DATA'] ?? '../shared/data', 'alerts')
const absent = !existsSync(folder) && process.env['REDOUBT_REAL_DATA_REQUIRED'] !== '1'
if (absent) console.warn(`skipped: no vendor logs at ${folder}; set REDOUBT_REAL_DATA to the folder above it`)

/** Real payloads through the real port: what an adapter, the database or the worker stumbles over shows here. */
describe.skipIf(absent)('real vendor payloads', () => {
  let fixture: Awaited<ReturnType<typeof startIngestionFixture>>
  beforeAll(async () => {
    fixture = await startIngestionFixture()
  })
  afterAll(() => fixture?.platform.stop())

  const types = ['generic', 'ecs', 'ocsf', 'suricata'] as const
  test.each(types)(
    'none is refused by a source of type %s, and every alert is enriched',
    { timeout: 120_000 },
    async (type) => {
      const { kernel, databases, admin } = fixture.platform
      const source = await fixture.source(type)
      for (const file of readdirSync(folder).filter((name) => name.endsWith('.ndjson'))) {
        const body = readFileSync(resolve(folder, file), 'utf8')
        const { status, receipt } = await fixture.post(source, body, {
          headers: { 'content-type': 'application/x-ndjson' },
        })
        expect({ status, rejected: receipt.rejected }, file).toEqual({ status: 202, rejected: [] })
        const lines = body.split('\n').filter((line) => line.trim() !== '').length
        expect(receipt.accepted, file).toBeGreaterThanOrEqual(lines)
      }
      const alertIds = (await fixture.alerts(source)).map(({ id }) => id)
      const enrich = enrichAlerts(kernel, databases.redoubt_worker, async () => undefined)
      await enrich({ organizationId: source.organization.id, alertIds }, { last: false })
      const { rows } = await admin.query(
        'select count(*) as alerts, count(enriched_at) as enriched from alerts where source_id = $1',
        [source.id],
      )
      expect(rows[0].alerts).toBeGreaterThan(0)
      expect(rows[0].enriched).toBe(rows[0].alerts)
    },
  )
})
