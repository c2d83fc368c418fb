import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type AdapterType, adapterTypes, severities } from '@redoubt/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitJsonArray } from './body.ts'
import { isObject, parsePayload } from './json.ts'
import { describeAdapters, normalize } from './normalize.ts'
import type { NormalizedAlert } from './normalized-alert.ts'

const receivedAt = new Date('2026-03-02T12:00:00Z')
const folder = fileURLToPath(new URL('../../../../test/fixtures/alerts/', import.meta.url))

type Expected = {
  title?: string
  severity?: string
  sourceRef?: string | null
  occurredAt?: string
  techniques?: string[]
  isAlert?: boolean
  status?: string
  host?: string
  user?: string
  src?: string
  dst?: string
}
type Fixture = { payload: unknown; expected: Expected[] }

function fixtures(type: AdapterType): Fixture[] {
  return splitJsonArray(readFileSync(`${folder}${type}.json`, 'utf8')).map((text) => parsePayload(text) as Fixture)
}

function shown(alert: NormalizedAlert): Expected {
  const [evidence] = alert.finding.evidences ?? []
  return JSON.parse(
    JSON.stringify({
      title: alert.title,
      severity: alert.severity,
      sourceRef: alert.sourceRef,
      occurredAt: alert.occurredAt?.toISOString(),
      techniques: alert.techniques,
      isAlert: alert.finding.is_alert,
      status: alert.finding.status,
      host: alert.finding.device?.hostname ?? alert.finding.device?.ip,
      user: alert.finding.actor?.user.name,
      src: evidence?.src_endpoint?.ip,
      dst: evidence?.dst_endpoint?.ip,
    }),
  ) as Expected
}

/** What the database and the console rely on, whatever came in. */
function expectSound(alert: NormalizedAlert): void {
  expect(alert.title.length).toBeGreaterThan(0)
  expect(alert.title.length).toBeLessThanOrEqual(300)
  expect(alert.title).not.toMatch(/[\p{Cc}\u202e]/u)
  expect(alert.description === null || alert.description.length <= 8000).toBe(true)
  expect(severities).toContain(alert.severity)
  expect(alert.sourceRef === null || (alert.sourceRef.length > 0 && alert.sourceRef.length <= 512)).toBe(true)
  expect(alert.fingerprint).toMatch(/^[0-9a-f]{64}$/)
  expect(alert.techniques).toEqual([...new Set(alert.techniques)].sort())
  expect(alert.occurredAt === null || Number.isFinite(alert.occurredAt.getTime())).toBe(true)
  const json = JSON.stringify(alert.finding)
  expect(json.length).toBeLessThan(131_072)
  expect(JSON.parse(json)).toEqual(alert.finding)
  // PostgreSQL refuses both escapes in jsonb.
  expect(json).not.toMatch(/\\u0000|\\ud[89a-f]/i)
}

describe('each adapter reads its vendor’s format', () => {
  it('has fixtures for every adapter', () => {
    expect(
      readdirSync(folder)
        .map((name) => name.replace('.json', ''))
        .sort(),
    ).toEqual([...adapterTypes].sort())
    for (const type of adapterTypes) expect(fixtures(type).length, type).toBeGreaterThanOrEqual(2)
  })

  for (const type of adapterTypes) {
    for (const [index, { payload, expected }] of fixtures(type).entries()) {
      it(`${type} ${index}: ${expected.map((one) => one.title ?? '?').join(', ')}`, () => {
        const alerts = normalize(type, payload, { receivedAt })
        expect(alerts.map(shown)).toMatchObject(expected)
        for (const alert of alerts) {
          expectSound(alert)
          expect(alert.finding.unmapped).toBeUndefined()
        }
      })
    }
  }

  it('describes every adapter for the sources page', () => {
    expect(
      describeAdapters()
        .map((one) => one.type)
        .sort(),
    ).toEqual([...adapterTypes].sort())
    for (const one of describeAdapters()) expect(one.setUp).toMatch(/\w.*\.$/)
  })
})

describe('nothing is lost', () => {
  it('a payload in another form than its source’s is read as generic and says so', () => {
    for (const type of adapterTypes.filter((one) => one !== 'generic')) {
      const [alert] = normalize(type, { title: 'Something new', severity: 'high' }, { receivedAt })
      expect(alert).toMatchObject({ title: 'Something new', severity: 'high' })
      expect(alert?.finding.unmapped).toMatchObject({ declared_adapter: type, read_as: 'generic' })
    }
  })

  it('a group with one broken member is read as a whole by the best effort', () => {
    const alerts = normalize(
      'alertmanager',
      { status: 'firing', alerts: [{ labels: { alertname: 'A' }, startsAt: '2026-01-01T00:00:00Z' }, 'broken'] },
      { receivedAt },
    )
    expect(alerts.length).toBeGreaterThan(0)
  })

  it('any JSON at all gives sound alerts in every adapter', () => {
    const keys = fc.constantFrom(
      'title',
      'alert',
      'severity',
      'timestamp',
      'id',
      'rule',
      'labels',
      'event',
      'data',
      'value',
      'name',
      '__proto__',
      'constructor',
      'toString',
      'a.b',
      'message',
      'class_uid',
      'metadata',
      '@timestamp',
      'evidence',
      'alerts',
      'kibana.alert.rule.name',
      'nodes',
    )
    const leaf = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.double(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(keys, fc.string({ maxLength: 8 })), tie('value'), { maxKeys: 8 }),
      ),
    }))
    fc.assert(
      fc.property(fc.constantFrom(...adapterTypes), value, (type, payload) => {
        const alerts = normalize(type, parsePayload(JSON.stringify(payload)), { receivedAt })
        expect(alerts.length).toBeGreaterThan(0)
        alerts.forEach(expectSound)
      }),
      { numRuns: 1500 },
    )
  })

  it('fixtures with parts replaced at random give sound alerts', () => {
    const junk = fc.constantFrom<unknown>(
      null,
      [],
      {},
      '',
      '\u0000',
      -1,
      1e308,
      [[]],
      { a: [null] },
      'x'.repeat(70_000),
      '\ud800',
      '2026-99-99',
      '9'.repeat(40),
    )
    const type = fc.constantFrom(...adapterTypes)
    fc.assert(
      fc.property(
        type,
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), junk), { minLength: 1, maxLength: 6 }),
        (adapter, pick, changes) => {
          const all = fixtures(adapter)
          const payload = structuredClone(all[pick % all.length]!.payload)
          const spots: [Record<string, unknown>, string][] = []
          const visit = (value: unknown): void => {
            if (typeof value !== 'object' || value === null) return
            for (const [key, inner] of Object.entries(value)) {
              spots.push([value as Record<string, unknown>, key])
              visit(inner)
            }
          }
          visit(payload)
          for (const [at, value] of changes) {
            const spot = spots[at % Math.max(1, spots.length)]
            if (spot) spot[0][spot[1]] = value
          }
          const alerts = normalize(adapter, payload, { receivedAt })
          expect(alerts.length).toBeGreaterThan(0)
          alerts.forEach(expectSound)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('keys that reach the prototype in other readers reach nothing here', () => {
    const payload = parsePayload(
      '{"__proto__":{"title":"polluted"},"constructor":{"name":"x"},"kibana.alert.rule.name":"Rule","__proto__.polluted":1,"@timestamp":"2026-01-01T00:00:00Z","event":{}}',
    )
    const [alert] = normalize('ecs', payload, { receivedAt })
    expect(alert?.title).toBe('Rule')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(isObject(payload) && Object.getPrototypeOf(payload) === Object.prototype).toBe(true)
  })
})

describe('duplicates fold and strangers do not', () => {
  const print = (type: AdapterType, payload: unknown): string =>
    normalize(type, payload, { receivedAt })[0]!.fingerprint

  it('two flow ids that are one float are two alerts', () => {
    const [first, second] = fixtures('suricata').map((one) => normalize('suricata', one.payload, { receivedAt })[0]!)
    expect(first!.sourceRef).not.toBe(second!.sourceRef)
  })

  it('the time, the ports and the ids of a report do not change its fingerprint', () => {
    const event = (over: object): object => ({
      timestamp: '2026-03-02T09:00:00Z',
      flow_id: 77,
      event_type: 'dns',
      src_ip: '10.0.0.1',
      src_port: 5353,
      dest_ip: '10.0.0.2',
      dns: { rrname: 'a.example' },
      ...over,
    })
    expect(print('suricata', event({ timestamp: '2026-03-02T10:00:00Z', flow_id: 78, src_port: 999 }))).toBe(
      print('suricata', event({})),
    )
    expect(print('suricata', event({ src_ip: '10.0.0.9' }))).not.toBe(print('suricata', event({})))
    expect(print('suricata', event({ dns: { rrname: 'b.example' } }))).not.toBe(print('suricata', event({})))
  })

  it('generic alerts without entities are told apart by their content, not by their time', () => {
    const alert = (text: string, at: string): object => ({ title: 'Check failed', detail: text, timestamp: at })
    expect(print('generic', alert('disk', '2026-01-01T00:00:00Z'))).toBe(
      print('generic', alert('disk', '2026-01-02T00:00:00Z')),
    )
    expect(print('generic', alert('disk', '2026-01-01T00:00:00Z'))).not.toBe(
      print('generic', alert('memory', '2026-01-01T00:00:00Z')),
    )
  })

  it('ids that are equal for 512 characters stay different', () => {
    const ref = (end: string): string | null =>
      normalize('okta', { uuid: 'u'.repeat(600) + end, eventType: 'x', actor: {} }, { receivedAt })[0]!.sourceRef
    expect(ref('1')).not.toBe(ref('2'))
    expect(ref('1')!.length).toBeLessThanOrEqual(512)
  })

  it('an id that many alerts may share does not fold them', () => {
    for (const payload of [
      { id: 4, title: 'x' },
      { EventID: 4625, title: 'x' },
      { title: 'x', actor: { id: '00u1234567890' } },
    ]) {
      expect(normalize('generic', payload, { receivedAt })[0]!.sourceRef).toBeNull()
    }
  })
})

describe('declared mappings', () => {
  const payload = {
    a: { b: [{ what: 'Mapped title' }], rank: 'SEHR HOCH', 'k.ey': '17' },
    when: '02/Mar/2026:01:02:03 +0000',
    title: 'Unmapped title',
    severity: 'low',
  }

  it('win over the best effort', () => {
    const mappings = {
      title: 'a.b[0].what',
      severity: { path: 'a.rank', map: { 'sehr hoch': 'critical' as const } },
      time: 'when',
      ref: 'a["k.ey"]',
    }
    expect(normalize('generic', payload, { receivedAt, mappings }).map(shown)).toMatchObject([
      { title: 'Mapped title', severity: 'critical', sourceRef: '17', occurredAt: '2026-03-02T01:02:03.000Z' },
    ])
  })

  it('that find nothing leave the best effort in place', () => {
    expect(normalize('generic', payload, { receivedAt, mappings: { title: 'nope.nope' } })[0]!.title).toBe(
      'Unmapped title',
    )
    expect(
      normalize('generic', payload, { receivedAt, mappings: { severity: { path: 'nope', default: 'high' } } })[0]!
        .severity,
    ).toBe('high')
  })

  it('that cannot be read are refused with the place', () => {
    expect(() => normalize('generic', payload, { receivedAt, mappings: { title: 'a..b' } })).toThrow(
      /empty step at character 2/,
    )
    expect(() =>
      normalize('generic', payload, {
        receivedAt,
        mappings: { severity: { path: 'a', map: { x: 'urgent' as 'high' } } },
      }),
    ).toThrow()
  })

  it('reach no inherited property', () => {
    expect(
      normalize('generic', { title: 'safe' }, { receivedAt, mappings: { title: 'constructor.name' } })[0]!.title,
    ).toBe('safe')
  })
})
