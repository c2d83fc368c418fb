import type { CorrelationRule, CorrelationRules } from './correlation-rules.ts'

/** An alert that may come to a case. `severity` is its rank; `keys` are its outside observables. */
export type CorrelationAlert = {
  readonly id: string
  readonly severity: number
  /** The kind of source it came from. */
  readonly type: string
  readonly techniques: readonly string[]
  readonly seenAt: Date
  readonly keys: readonly { readonly type: string; readonly value: string }[]
}
/** A case that alerts may join. */
export type CorrelationCase = {
  readonly id: string
  readonly number: number
  readonly updatedAt: Date
  readonly keys: readonly { readonly type: string; readonly value: string }[]
}

export type Incident = {
  /** The open case these alerts join; null where one is to be opened. */
  readonly caseId: string | null
  readonly alertIds: readonly string[]
  /** The rule that let it happen. */
  readonly rule: string
  /** What they share, at most five values; empty for one alert alone. */
  readonly shared: readonly string[]
}

/**
 * Which alerts come together, and where. Those that are in no incident of the answer stay in the inbox.
 *
 * What holds, whatever the order of alerts and cases: the answer is the same; an alert is in one incident at most; alerts
 * that share a key within the window of both their rules are in the same incident, and so is who shares one with any of
 * them; every incident that opens a case has an alert, or as many of one rule, as that rule asks for. What does not hold
 * across calls: a case opened earlier is not split or merged by what is learnt later; that is for people.
 */
export function incidents(
  { rules, ignore }: CorrelationRules,
  alerts: readonly CorrelationAlert[],
  cases: readonly CorrelationCase[],
): Incident[] {
  const placed: Placed[] = alerts.toSorted(gravestFirst).flatMap((alert) => {
    const rule = rules.find((each) => fits(each, alert))
    return rule ? [{ alert, rule, keys: keysFor(rule, alert, ignore) }] : []
  })
  const casesByKey = indexed(cases)
  return components(placed).flatMap((component): Incident[] => {
    const joined = bestCase(component, casesByKey)
    if (joined)
      return [{ caseId: joined.case.id, rule: joined.rule, alertIds: idsOf(component), shared: joined.shared }]
    const opening = component.find((each) => opens(each, component))
    return opening
      ? [{ caseId: null, rule: opening.rule.name, alertIds: idsOf(component), shared: sharedWithin(component) }]
      : []
  })
}

/** The furthest any rule looks back, in milliseconds. */
export function longestWindowMs({ rules }: CorrelationRules): number {
  return Math.max(0, ...rules.map(({ withinMs }) => withinMs))
}

/** Every observable type that some rule counts. */
export function sharingTypes({ rules }: CorrelationRules): string[] {
  return [...new Set(rules.flatMap(({ sharing }) => [...sharing]))]
}

type Placed = {
  readonly alert: CorrelationAlert
  readonly rule: CorrelationRule
  readonly keys: ReadonlyMap<string, string>
}

function gravestFirst(a: CorrelationAlert, b: CorrelationAlert): number {
  return b.severity - a.severity || a.seenAt.getTime() - b.seenAt.getTime() || (a.id < b.id ? -1 : 1)
}

function fits({ when }: CorrelationRule, alert: CorrelationAlert): boolean {
  if (alert.severity < when.severity) return false
  if (when.types && !when.types.has(alert.type)) return false
  if (!when.techniques) return true
  return alert.techniques.some((technique) =>
    when.techniques?.some((wanted) => technique === wanted || technique.startsWith(`${wanted}.`)),
  )
}

/** The keys that count for this rule, by an identity that no value can imitate, with the value for people. */
function keysFor(rule: CorrelationRule, alert: CorrelationAlert, ignore: ReadonlySet<string>): Map<string, string> {
  const counted = alert.keys.filter(({ type, value }) => rule.sharing.has(type) && !ignore.has(value))
  return new Map(counted.map(({ type, value }) => [`${type} ${value}`, value]))
}

function indexed(cases: readonly CorrelationCase[]): Map<string, CorrelationCase[]> {
  const byKey = new Map<string, CorrelationCase[]>()
  for (const each of cases) {
    for (const { type, value } of each.keys) {
      const key = `${type} ${value}`
      const known = byKey.get(key)
      if (known) known.push(each)
      else byKey.set(key, [each])
    }
  }
  return byKey
}

/**
 * Alerts joined by shared keys, directly or through others (union-find). Two are joined when the time between them is
 * within the window of both their rules. It is enough to look at the latest earlier alert of each rule: the earlier ones
 * of that rule that would be within reach are joined to it already.
 */
function components(placed: readonly Placed[]): Placed[][] {
  const parent = placed.map((_, index) => index)
  const root = (index: number): number => {
    let at = index
    for (let up = parent[at] ?? at; up !== at; up = parent[at] ?? at) {
      parent[at] = parent[up] ?? up
      at = up
    }
    return at
  }
  const byTime = placed
    .map((each, index) => ({ each, index }))
    .sort((a, b) => a.each.alert.seenAt.getTime() - b.each.alert.seenAt.getTime())
  const latest = new Map<string, Map<CorrelationRule, { index: number; each: Placed }>>()
  for (const { each, index } of byTime) {
    for (const key of each.keys.keys()) {
      const ofKey = latest.get(key) ?? new Map<CorrelationRule, { index: number; each: Placed }>()
      for (const earlier of ofKey.values()) {
        const apartMs = each.alert.seenAt.getTime() - earlier.each.alert.seenAt.getTime()
        if (apartMs <= Math.min(each.rule.withinMs, earlier.each.rule.withinMs))
          parent[root(index)] = root(earlier.index)
      }
      latest.set(key, ofKey.set(each.rule, { index, each }))
    }
  }
  return [...Map.groupBy(placed.keys(), root).values()].map((indexes) =>
    indexes.flatMap((index) => placed[index] ?? []),
  )
}

/** The open case that shares most with an incident; of equals the one opened first. */
function bestCase(component: readonly Placed[], casesByKey: ReadonlyMap<string, readonly CorrelationCase[]>) {
  const found = new Map<CorrelationCase, { rule: string; shared: Set<string> }>()
  for (const { alert, rule, keys } of component) {
    for (const [key, value] of keys) {
      for (const each of casesByKey.get(key) ?? []) {
        if (each.updatedAt.getTime() < alert.seenAt.getTime() - rule.withinMs) continue
        const match = found.get(each) ?? { rule: rule.name, shared: new Set() }
        match.shared.add(value)
        found.set(each, match)
      }
    }
  }
  const [best] = [...found].sort(([a, x], [b, y]) => y.shared.size - x.shared.size || a.number - b.number)
  return best ? { case: best[0], rule: best[1].rule, shared: firstFew([...best[1].shared]) } : null
}

function opens({ alert, rule }: Placed, component: readonly Placed[]): boolean {
  if (rule.open.severity !== null && alert.severity >= rule.open.severity) return true
  return rule.open.alerts !== null && component.filter((each) => each.rule === rule).length >= rule.open.alerts
}

function sharedWithin(component: readonly Placed[]): string[] {
  const times = new Map<string, number>()
  for (const { keys } of component) for (const value of keys.values()) times.set(value, (times.get(value) ?? 0) + 1)
  const shared = [...times].filter(([, count]) => count > 1)
  return firstFew(shared.sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([value]) => value))
}

const firstFew = (values: readonly string[]): string[] => values.toSorted().slice(0, 5)
const idsOf = (component: readonly Placed[]): string[] => component.map(({ alert }) => alert.id)
