import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CorrelationAlert, type CorrelationCase, incidents } from './correlation.ts'
import { parseCorrelationRules, readCorrelationRules } from './correlation-rules.ts'

const hour = 3_600_000
const at = (hours: number) => new Date(Date.UTC(2030, 0, 1) + hours * hour)
const ip = (value: string) => ({ type: 'ipv4', value })
const alert = (id: string, over: Partial<CorrelationAlert> = {}): CorrelationAlert => ({
  id,
  severity: 2,
  type: 'suricata',
  techniques: [],
  seenAt: at(0),
  keys: [],
  ...over,
})
const openCase = (number: number, over: Partial<CorrelationCase> = {}): CorrelationCase => ({
  id: `case-${number}`,
  number,
  updatedAt: at(0),
  keys: [],
  ...over,
})
const rules = parseCorrelationRules(
  `
ignore: [8.8.8.8]
rules:
  - name: Ransomware
    when: { severity: low, techniques: [T1486] }
    together: { sharing: [host, ipv4], within: 48h }
    open: { severity: medium }
  - name: Same indicator
    when: { severity: low }
    together: { sharing: [ipv4, domain], within: 24h }
    open: { severity: high, alerts: 3 }
`,
  'rules.yaml',
)

describe('correlation', () => {
  test('a grave alert alone opens a case, a lesser one waits in the inbox', () => {
    expect(incidents(rules, [alert('a', { severity: 3 }), alert('b')], [])).toEqual([
      { caseId: null, alertIds: ['a'], rule: 'Same indicator', shared: [] },
    ])
  })

  test('a lesser alert that shares an indicator comes along', () => {
    const found = incidents(
      rules,
      [alert('b', { keys: [ip('203.0.113.9')] }), alert('a', { severity: 3, keys: [ip('203.0.113.9')] })],
      [],
    )
    expect(found).toEqual([{ caseId: null, alertIds: ['a', 'b'], rule: 'Same indicator', shared: ['203.0.113.9'] }])
  })

  test('enough lesser alerts that share an indicator are an incident; one fewer are not', () => {
    const three = ['a', 'b', 'c'].map((id) => alert(id, { keys: [ip('203.0.113.9')] }))
    expect(incidents(rules, three, []).map(({ alertIds }) => alertIds)).toEqual([['a', 'b', 'c']])
    expect(incidents(rules, three.slice(1), [])).toEqual([])
  })

  test('alerts join the open case that shares most with them, of equals the older', () => {
    const keys = [ip('203.0.113.9'), { type: 'domain', value: 'bad.example' }]
    const cases = [openCase(3, { keys }), openCase(2, { keys }), openCase(1, { keys: keys.slice(0, 1) })]
    expect(incidents(rules, [alert('a', { severity: 1, keys })], cases)).toEqual([
      { caseId: 'case-2', alertIds: ['a'], rule: 'Same indicator', shared: ['203.0.113.9', 'bad.example'] },
    ])
  })

  test('a case that nobody touched within the window is another incident', () => {
    const keys = [ip('203.0.113.9')]
    const join = (hours: number) => incidents(rules, [alert('a', { keys, seenAt: at(hours) })], [openCase(1, { keys })])
    expect(join(24)).toHaveLength(1)
    expect(join(24.01)).toEqual([])
  })

  test('values that mean nothing and types that a rule does not count bring nobody together', () => {
    const keys = [ip('8.8.8.8'), { type: 'host', value: 'ws-1' }]
    expect(
      incidents(rules, [alert('a', { severity: 3, keys }), alert('b', { keys })], [openCase(1, { keys })]),
    ).toEqual([{ caseId: null, alertIds: ['a'], rule: 'Same indicator', shared: [] }])
  })

  test('the first rule that fits decides; a technique also means its sub-techniques', () => {
    const found = incidents(
      rules,
      [alert('a', { techniques: ['T1486.001'] }), alert('b', { techniques: ['T14860'] })],
      [],
    )
    expect(found.map(({ rule, alertIds }) => [rule, alertIds])).toEqual([['Ransomware', ['a']]])
  })

  test('what no rule fits is left alone', () => {
    expect(
      incidents(
        rules,
        [alert('a', { severity: 0, keys: [ip('203.0.113.9')] })],
        [openCase(1, { keys: [ip('203.0.113.9')] })],
      ),
    ).toEqual([])
  })

  const key = fc.record({
    type: fc.constantFrom('ipv4', 'domain', 'host'),
    value: fc.constantFrom('1', '2', '3', '4', '5', '6', '8.8.8.8'),
  })
  const anyAlerts = fc
    .array(
      fc.record({
        severity: fc.nat(4),
        type: fc.constantFrom('suricata', 'okta'),
        techniques: fc.subarray(['T1486', 'T1110']),
        seenAt: fc.nat(90).map(at),
        keys: fc.array(key, { maxLength: 3 }),
      }),
      { maxLength: 25 },
    )
    .map((all) => all.map((each, index) => ({ ...each, id: `alert-${index}` })))
  const anyCases = fc
    .array(fc.record({ updatedAt: fc.nat(90).map(at), keys: fc.array(key, { maxLength: 3 }) }), { maxLength: 6 })
    .map((all) => all.map((each, index) => ({ ...each, id: `case-${index}`, number: index + 1 })))

  test('the order of alerts and cases changes nothing', () => {
    fc.assert(
      fc.property(
        anyAlerts.chain((alerts) =>
          fc.tuple(fc.constant(alerts), fc.shuffledSubarray(alerts, { minLength: alerts.length })),
        ),
        anyCases.chain((cases) =>
          fc.tuple(fc.constant(cases), fc.shuffledSubarray(cases, { minLength: cases.length })),
        ),
        ([alerts, shuffledAlerts], [cases, shuffledCases]) => {
          const sorted = (found: ReturnType<typeof incidents>) =>
            found.toSorted((a, b) => ((a.alertIds[0] ?? '') < (b.alertIds[0] ?? '') ? -1 : 1))
          expect(sorted(incidents(rules, shuffledAlerts, shuffledCases))).toEqual(
            sorted(incidents(rules, alerts, cases)),
          )
        },
      ),
      { numRuns: 500 },
    )
  })

  test('an alert is in one incident at most, and every opened incident is grave or large enough', () => {
    fc.assert(
      fc.property(anyAlerts, anyCases, (alerts, cases) => {
        const found = incidents(rules, alerts, cases)
        const placed = found.flatMap(({ alertIds }) => alertIds)
        expect(new Set(placed).size).toBe(placed.length)
        for (const { caseId, alertIds } of found) {
          const own = alerts.filter(({ id }) => alertIds.includes(id))
          if (caseId === null) {
            const fit =
              own.some(({ severity }) => severity >= 3) ||
              own.length >= 3 ||
              own.some((each) => each.severity >= 2 && each.techniques.includes('T1486'))
            expect(fit).toBe(true)
          } else expect(cases.some(({ id }) => id === caseId)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('alerts that share a counted indicator within the window end together, or both stay', () => {
    fc.assert(
      fc.property(anyAlerts, anyCases, (alerts, cases) => {
        const placeOf = new Map(
          incidents(rules, alerts, cases).flatMap((incident) => incident.alertIds.map((id) => [id, incident] as const)),
        )
        for (const a of alerts) {
          for (const b of alerts) {
            const counted =
              a.severity > 0 && b.severity > 0 && Math.abs(a.seenAt.getTime() - b.seenAt.getTime()) <= 24 * hour
            const shares = a.keys.some(
              (x) =>
                x.type === 'ipv4' &&
                x.value !== '8.8.8.8' &&
                b.keys.some((y) => y.type === 'ipv4' && y.value === x.value),
            )
            if (counted && shares) expect(placeOf.get(a.id)).toBe(placeOf.get(b.id))
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a thousand alerts that all share one indicator are decided in well under a second', () => {
    const many = Array.from({ length: 1000 }, (_, index) =>
      alert(`a${String(index).padStart(4, '0')}`, { keys: [ip('203.0.113.9'), ip(`198.51.100.${index % 250}`)] }),
    )
    const started = performance.now()
    expect(incidents(rules, many, [])).toHaveLength(1)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})

describe('the correlation rules', () => {
  test('that come with the platform are valid', () => {
    expect(readCorrelationRules().rules.length).toBeGreaterThan(0)
  })

  test.each([
    ['rules: [', /rules\.yaml, line 1: this is not YAML/],
    [
      'rules:\n  - name: X\n    when: {}\n    together: { sharing: [ipv4], within: 5y }\n    open: { alerts: 2 }',
      /line 4: rules\.0\.together\.within: must be a time such as 30m, 24h or 7d/,
    ],
    [
      'rules:\n  - name: X\n    when: { severity: grave }\n    together: { sharing: [ipv4], within: 5h }\n    open: { alerts: 2 }',
      /line 3: rules\.0\.when\.severity/,
    ],
    [
      'rules:\n  - name: X\n    when: {}\n    together: { sharing: [ipv4], within: 5h }\n    open: {}',
      /line 5: rules\.0\.open: must name a severity/,
    ],
    ['rules:\n  - name: X\n    when: {}\n    open: { alerts: 2 }', /line 2: rules\.0\.together/],
    ['rules: []\nextra: 1', /extra/],
  ])('%j is refused with its place', (yaml, message) => {
    expect(() => parseCorrelationRules(yaml, 'rules.yaml')).toThrow(message)
  })
})
