import type { Facts, Reading } from './facts.ts'
import { buildAlert } from './finding.ts'
import { isObject } from './json.ts'
import type { AdapterType, JsonObject, NormalizedAlert, Severity } from './normalized-alert.ts'
import { allAt, at, type Path, parsePath, textOf } from './paths.ts'
import { isPlaceholder } from './sanitize.ts'
import { parseTime } from './time.ts'

/** A vendor's alert format as a table: where each fact lies, first path with a value wins. */

type TimeSlot = 'time' | 'firstSeen' | 'lastSeen'
type TextSlot = Exclude<keyof Facts, TimeSlot>

export type Reader = {
  readonly payload: JsonObject
  /** First value among the paths as text, or null. */
  text(...paths: readonly string[]): string | null
  number(...paths: readonly string[]): number | null
  value(path: string): unknown
}

export type AlertTable = {
  type: AdapterType
  label: string
  vendor: string
  product: string
  /** One sentence: how to point the vendor at this source. */
  setUp: string
  matches(payload: JsonObject): boolean
  /** The alerts inside a wrapper (a webhook group, an API page); the payload itself when there is none. */
  unwrap?(payload: JsonObject): readonly unknown[]
  text: Partial<Record<TextSlot, readonly string[]>>
  times: Partial<Record<TimeSlot, readonly string[]>>
  types?: readonly string[]
  techniques?: readonly string[]
  tactics?: readonly string[]
  severity(read: Reader): Severity
  /** What the table cannot say, computed; overrides the table where not null. */
  derive?(read: Reader): Partial<Facts>
  status?(read: Reader): Reading['status']
  isAlert?(read: Reader): boolean
  productOf?(read: Reader): string | null
  vendorOf?(read: Reader): string | null
}

export type NormalizeContext = { receivedAt: Date; unmapped?: Reading['unmapped'] }

export type Adapter = {
  readonly type: AdapterType
  readonly label: string
  readonly vendor: string
  readonly setUp: string
  matches(payload: unknown): boolean
  normalize(payload: unknown, context: NormalizeContext): NormalizedAlert[]
}

const compiled = new Map<string, Path>()

/** Compiled once per path written in this source tree; never called with a path from outside, so it stays small. */
function pathOf(text: string): Path {
  const known = compiled.get(text)
  if (known) return known
  const path = parsePath(text)
  compiled.set(text, path)
  return path
}

function usable(value: unknown): string | null {
  const text = textOf(Array.isArray(value) ? value[0] : value)
  return text === null || isPlaceholder(text) ? null : text
}

function firstText(payload: JsonObject, paths: readonly Path[]): string | null {
  for (const path of paths) {
    const found = usable(at(payload, path))
    if (found !== null) return found
  }
  return null
}

export function reader(payload: JsonObject): Reader {
  const text = (...paths: readonly string[]): string | null => {
    for (const path of paths) {
      const found = usable(at(payload, pathOf(path)))
      if (found !== null) return found
    }
    return null
  }
  return {
    payload,
    text,
    number(...paths) {
      const found = text(...paths)
      const value = found === null ? Number.NaN : Number(found)
      return Number.isFinite(value) ? value : null
    },
    value: (path) => at(payload, pathOf(path)),
  }
}

function collected(payload: JsonObject, paths: readonly Path[]): string[] {
  const texts = new Set<string>()
  for (const path of paths) {
    for (const value of allAt(payload, path)) {
      const text = usable(value)
      if (text !== null) texts.add(text)
    }
  }
  return [...texts]
}

/** An adapter from its table. It reads only the table's paths, so its cost does not grow with the payload. */
export function tableAdapter(table: AlertTable): Adapter {
  const texts = Object.entries(table.text).map(([slot, paths]) => [slot as TextSlot, paths.map(pathOf)] as const)
  const times = Object.entries(table.times).map(([slot, paths]) => [slot as TimeSlot, paths.map(pathOf)] as const)
  const types = (table.types ?? []).map(pathOf)
  const techniques = (table.techniques ?? []).map(pathOf)
  const tactics = (table.tactics ?? []).map(pathOf)

  const one = (payload: JsonObject, { receivedAt, unmapped }: NormalizeContext): NormalizedAlert => {
    const facts: Facts = {}
    for (const [slot, paths] of texts) facts[slot] = firstText(payload, paths)
    for (const [slot, paths] of times) {
      for (const path of paths) {
        facts[slot] = parseTime(at(payload, path), receivedAt)
        if (facts[slot]) break
      }
    }
    const read = reader(payload)
    if (table.derive) Object.assign(facts, table.derive(read))
    const reading: Reading = {
      adapter: table.type,
      vendor: table.vendorOf?.(read) ?? table.vendor,
      product: table.productOf?.(read) ?? table.product,
      facts,
      severity: table.severity(read),
      status: table.status?.(read) ?? 'new',
      isAlert: table.isAlert?.(read) ?? true,
      types: types.length > 0 ? collected(payload, types) : [],
      techniqueTexts: techniques.length > 0 ? collected(payload, techniques) : [],
      tacticTexts: tactics.length > 0 ? collected(payload, tactics) : [],
      receivedAt,
    }
    if (unmapped) reading.unmapped = unmapped
    return buildAlert(reading)
  }

  return {
    type: table.type,
    label: table.label,
    vendor: table.vendor,
    setUp: table.setUp,
    matches(payload) {
      if (!isObject(payload)) return false
      const items = table.unwrap?.(payload) ?? [payload]
      return items.length > 0 && items.every((item) => isObject(item) && table.matches(item))
    },
    normalize(payload, context) {
      if (!isObject(payload)) return []
      const items = table.unwrap?.(payload) ?? [payload]
      return items.filter(isObject).map((item) => one(item, context))
    },
  }
}
