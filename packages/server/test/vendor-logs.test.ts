import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parsePayload } from '../src/modules/alerts/adapters/json.ts'
import { normalize } from '../src/modules/alerts/adapters/normalize.ts'
import type { AdapterType, NormalizedAlert } from '../src/modules/alerts/adapters/normalized-alert.ts'
import { findTechniques, techniquesIn } from '../src/modules/alerts/attack/techniques.ts'
import { extractObservables } from '../src/modules/alerts/observables/extract.ts'
import { newScore, ratio, scoreLog, scoreTable } from './vendor-logs-scoring.ts'

/** Real logs of over a hundred products, written by nobody here; read where they lie, never copied. */

const root = fileURLToPath(new URL('../../../', import.meta.url))
const data = resolve(root, process.env['REDOUBT_REAL_DATA'] ?? '../shared/data')
const present = existsSync(resolve(data, 'alerts'))
const required = process.env['REDOUBT_REAL_DATA_REQUIRED'] === '1'
if (!present && !required) console.log(`skipped: no vendor logs at ${data}; set REDOUBT_REAL_DATA to their folder`)

const receivedAt = new Date('2026-06-01T00:00:00Z')

type Row = { [key: string]: unknown }

function rows(file: string): Row[] {
  const lines = readFileSync(resolve(data, file), 'utf8').split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => parsePayload(line) as Row)
}

/** Product of the log set to the adapter a customer would choose for it; all others go to `generic`. */
const ADAPTER_OF: Readonly<Record<string, AdapterType>> = {
  suricata: 'suricata',
  'aws-guardduty': 'guardduty',
  crowdstrike_falcon: 'crowdstrike',
  'crowdstrike-telemetry': 'crowdstrike',
  'okta-system-logs': 'okta',
  'paloalto-cortex-xdr': 'cortex-xdr',
  'wiz-issues': 'wiz',
  'wiz-audit-logs': 'wiz',
  'wiz-cloud-configuration-findings': 'wiz',
  'wiz-threat-detections': 'wiz',
}

function expectKept(alerts: readonly NormalizedAlert[], what: string): void {
  expect(alerts.length, what).toBeGreaterThan(0)
  for (const alert of alerts) {
    expect(alert.title.length, what).toBeGreaterThan(0)
    expect(alert.fingerprint, what).toMatch(/^[0-9a-f]{64}$/)
    expect(JSON.parse(JSON.stringify(alert.finding)), what).toEqual(alert.finding)
  }
}

describe.skipIf(!present && !required)('real vendor logs', () => {
  const vendorLogs = present || required ? rows('alerts/sekoia_vendor_logs_ecs_a.ndjson') : []

  it('no line is lost, in its own adapter, as generic, as text and as the message of a shipper', () => {
    for (const row of vendorLogs) {
      const what = `${row['source_path']}`
      const text = typeof row['raw'] === 'string' ? row['raw'] : JSON.stringify(row['raw'])
      expectKept(normalize(ADAPTER_OF[`${row['product']}`] ?? 'generic', row['raw'], { receivedAt }), what)
      expectKept(normalize('generic', row['raw'], { receivedAt }), what)
      expectKept(normalize('generic', text, { receivedAt }), what)
      expectKept(normalize('generic', { message: text }, { receivedAt }), what)
    }
    for (const row of rows('alerts/suricata_eve_sekoia.ndjson'))
      expectKept(normalize('suricata', row, { receivedAt }), 'suricata')
    for (const row of rows('alerts/ocsf_examples.ndjson')) {
      expectKept(
        normalize(row['is_ocsf'] === true ? 'ocsf' : 'generic', row['doc'], { receivedAt }),
        `${row['source_path']}`,
      )
    }
    for (const row of rows('alerts/panther_rule_tests_a.ndjson'))
      expectKept(normalize('generic', row['log'], { receivedAt }), `${row['rule_id']}`)
    for (const row of rows('alerts/keep_provider_mocks.ndjson'))
      expectKept(normalize('generic', row['value'], { receivedAt }), `${row['provider']}`)
  })

  it('the vendors’ own adapters recognize their vendors’ logs', () => {
    const mine = vendorLogs.filter((row) => ADAPTER_OF[`${row['product']}`])
    const alerts = mine.flatMap((row) =>
      normalize(ADAPTER_OF[`${row['product']}`] ?? 'generic', row['raw'], { receivedAt }),
    )
    const recognized = alerts.filter((alert) => alert.finding.unmapped === undefined).length
    console.log(`recognized by their adapter: ${recognized} of ${alerts.length}`)
    expect(recognized / alerts.length).toBeGreaterThanOrEqual(0.98)
    const ocsf = rows('alerts/ocsf_examples.ndjson').filter((row) => row['is_ocsf'] === true)
    const read = ocsf.flatMap((row) => normalize('ocsf', row['doc'], { receivedAt }))
    expect(read.filter((alert) => alert.finding.unmapped).length).toBe(0)
  })

  it('the best effort finds titles and times that the adapters never named', () => {
    const alerts = vendorLogs.flatMap((row) => normalize('generic', row['raw'], { receivedAt }))
    const titled = alerts.filter((alert) => !/^(?:Alert with|Empty|Generic alert)/.test(alert.title)).length
    const timed = vendorLogs.filter((row) => JSON.stringify(row['expected_ecs']).includes('"@timestamp"'))
    const dated = timed.filter((row) => normalize('generic', row['raw'], { receivedAt })[0]?.occurredAt).length
    console.log(`generic: own title ${titled} of ${alerts.length}; time ${dated} of ${timed.length} logs that have one`)
    expect(titled / alerts.length).toBeGreaterThan(0.92)
    expect(dated / timed.length).toBeGreaterThan(0.95)
  })

  it('observables agree with the expected ECS documents', () => {
    const score = newScore()
    for (const row of vendorLogs) scoreLog(score, row['expected_ecs'], extractObservables(row['raw']))
    console.log(
      `observables of ${vendorLogs.length} vendor logs against expected_ecs (how it is counted: vendor-logs-scoring.ts)\n${scoreTable(score)}`,
    )
    const { total, byType } = score
    const recall = (type: string): number => ratio(byType.get(type)?.found ?? 0, byType.get(type)?.expected ?? 0)
    const precision = (type: string): number => ratio(byType.get(type)?.right ?? 0, byType.get(type)?.extracted ?? 0)
    expect(ratio(total.found, total.expected)).toBeGreaterThan(0.86)
    expect(ratio(total.right, total.extracted)).toBeGreaterThan(0.81)
    expect(ratio(total.mentioned, total.extracted)).toBeGreaterThan(0.86)
    for (const type of ['ipv4', 'ipv6', 'email', 'md5', 'sha1', 'sha256', 'mac'])
      expect(recall(type), type).toBeGreaterThan(0.95)
    for (const type of ['ipv4', 'ipv6', 'user', 'mac']) expect(precision(type), type).toBeGreaterThan(0.87)
  })

  it('the techniques found exist in ATT&CK, but for a handful that it has retired or the vendors made up', () => {
    const known = new Set(
      (
        JSON.parse(readFileSync(resolve(data, 'intel/attack_techniques.json'), 'utf8')) as {
          techniques: { id: string }[]
        }
      ).techniques.map((one) => one.id),
    )
    const found = new Map<string, number>()
    const declared = rows('alerts/panther_rule_tests_a.ndjson').flatMap((row) =>
      findTechniques(JSON.stringify(row['mitre'] ?? '')),
    )
    const inLogs = vendorLogs.flatMap((row) => techniquesIn(row['raw']))
    const inFindings = rows('alerts/ocsf_examples.ndjson').flatMap((row) => techniquesIn(row['doc']))
    for (const id of [...declared, ...inLogs, ...inFindings]) found.set(id, (found.get(id) ?? 0) + 1)
    const total = [...found.values()].reduce((sum, count) => sum + count, 0)
    const unknown = [...found].filter(([id]) => !known.has(id))
    const share = ratio(total - unknown.reduce((sum, [, count]) => sum + count, 0), total)
    console.log(
      `techniques: ${found.size} ids, ${total} mentions, ${(share * 100).toFixed(1)} % in ATT&CK; not in it: ${unknown.map(([id]) => id).join(', ') || 'none'}`,
    )
    expect(total).toBeGreaterThan(100)
    expect(share).toBeGreaterThan(0.9)
    // No more than a handful of ids account for the rest: a wrong boundary in the pattern would make up many.
    expect(unknown.length).toBeLessThan(12)
  })

  it('what a rule declares is what is read: no technique id of the rule set is missed', () => {
    for (const row of rows('alerts/panther_rule_tests_a.ndjson')) {
      const stated = ((row['mitre'] as string[] | null) ?? [])
        .map((text) => text.split(':')[1])
        .filter((id) => id !== undefined && /^T/.test(id))
      expect(findTechniques(((row['mitre'] as string[] | null) ?? []).join(' '))).toEqual([...new Set(stated)].sort())
    }
  })
})
