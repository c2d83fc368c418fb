import { techniquesIn } from '../attack/techniques.ts'
import { extractObservables } from '../observables/extract.ts'
import type { Observable, ObservableRole, ObservableType } from '../observables/observable.ts'
import type { Facts } from './facts.ts'
import { buildAlert } from './finding.ts'
import { type Found, searchPayload } from './generic-search.ts'
import { isObject } from './json.ts'
import { type CompiledMappings, compileMappings, type Mappings } from './mappings.ts'
import type { JsonObject, NormalizedAlert, Severity } from './normalized-alert.ts'
import { allAt, at, textOf } from './paths.ts'
import { severityOfAny } from './severity.ts'
import type { NormalizeContext } from './table.ts'
import { parseTextLine, type TextLine } from './text-line.ts'
import { parseTime, timeWithin } from './time.ts'

/**
 * Any JSON at all, and lines of text (as a JSON string, or as the `message` of a shipper's object): declared
 * mappings first, then the best effort. A severity nobody states is medium: unknown waits for triage, it does not
 * hide.
 */

const UNKNOWN_SEVERITY: Severity = 'medium'
const TEXT_KEYS = ['message', 'raw', '_raw', 'log', 'rawlog', 'event_original', 'text', 'line'] as const

type Tree = { [key: string]: unknown }

/** The line's named values as an object without prototype; of a repeated name the first value. */
function lineObject(line: TextLine): Tree {
  const tree = Object.create(null) as Tree
  for (const [key, value] of [...Object.entries(line.header), ...line.fields]) tree[key] ??= value
  if (line.json !== undefined) tree['json'] = line.json
  return tree
}

type View = { searched: unknown; line: TextLine | null }

/** What to search: the payload, and in it a line of text as what it says. */
function viewOf(payload: unknown): View {
  if (typeof payload === 'string') {
    const line = parseTextLine(payload)
    return { searched: lineObject(line), line }
  }
  if (!isObject(payload)) return { searched: payload, line: null }
  for (const key of TEXT_KEYS) {
    const text = payload[key]
    if (typeof text !== 'string') continue
    const line = parseTextLine(text)
    if (line.format === 'plain' && Object.keys(payload).length > 1) continue
    return { searched: { ...payload, [key]: line.rest, line: lineObject(line) }, line }
  }
  return { searched: payload, line: null }
}

function titleOfLine(line: TextLine, payload: unknown): string | null {
  if (line.format === 'cef') return line.header['name'] ?? null
  const whole = typeof payload === 'string' ? payload : null
  const rest = line.rest.trim()
  // Between fields only their separators may be left.
  return (
    (/\p{L}{2}.*\p{L}{2}/su.test(rest) ? rest : '') ||
    (line.format === 'leef' ? (line.header['name'] ?? null) : null) ||
    whole
  )
}

function entities(observables: readonly Observable[]): Facts {
  const pick = (types: readonly ObservableType[], role?: ObservableRole): string | null =>
    observables.find((found) => types.includes(found.type) && (role === undefined || found.role === role))?.value ??
    null
  const ip: readonly ObservableType[] = ['ipv4', 'ipv6']
  const facts: Facts = {
    hostName: pick(['host']),
    userName: pick(['user'], 'actor') ?? pick(['user']),
    userEmail: pick(['email'], 'actor'),
    srcIp: pick(ip, 'source') ?? pick(ip, 'actor'),
    dstIp: pick(ip, 'destination') ?? pick(ip, 'target'),
    url: pick(['url']),
    query: pick(['domain']),
    fileName: pick(['file-name']),
    processName: pick(['process']),
    md5: pick(['md5']),
    sha1: pick(['sha1']),
    sha256: pick(['sha256']),
  }
  if (facts.srcIp === null && facts.dstIp === null) facts.hostIp = pick(ip)
  return facts
}

const TIME_LIKE = /time|date|stamp|created|updated|seen|start|end|duration|count|seq|offset|^ts$|uptime|elapsed/i
const MAX_CONTENT = 200

/** The scalars that would be the same if the same thing were reported again, in order. */
function stableContent(value: unknown, into: string[] = [], depth = 0): string[] {
  if (into.length >= MAX_CONTENT || depth > 16) return into
  if (Array.isArray(value)) for (const element of value) stableContent(element, into, depth + 1)
  else if (isObject(value)) {
    for (const [key, inner] of Object.entries(value)) if (!TIME_LIKE.test(key)) stableContent(inner, into, depth + 1)
  } else if (into.length < MAX_CONTENT) {
    const text = textOf(value)
    if (text !== null && parseTime(text) === null) into.push(text.slice(0, 512))
  }
  return into
}

function mapped(
  payload: unknown,
  mappings: CompiledMappings,
  receivedAt: Date,
): Partial<Found> & { techniques?: string[] } {
  const found: Partial<Found> & { techniques?: string[] } = {}
  for (const slot of ['title', 'description', 'ref'] as const) {
    const path = mappings[slot]
    const text = path && textOf(at(payload, path))
    if (text) found[slot] = text
  }
  if (mappings.time) found.time = parseTime(at(payload, mappings.time), receivedAt)
  if (mappings.techniques) found.techniques = allAt(payload, mappings.techniques).map(String)
  if (mappings.severity) {
    const value = at(payload, mappings.severity.path)
    const text = textOf(value)
    const severity =
      (text === null ? undefined : mappings.severity.map.get(text.toLowerCase())) ??
      severityOfAny(value) ??
      mappings.severity.fallback
    if (severity) found.severity = severity
  }
  return found
}

/** Spreads what is set, so that a mapping that found nothing does not erase the best effort. */
function overlaid(found: Found, declared: Partial<Found>): Found {
  const result = { ...found }
  for (const [slot, value] of Object.entries(declared))
    if (value !== null && value !== undefined) Object.assign(result, { [slot]: value })
  return result
}

const RESOLVED = /^(?:resolved|closed|ok|recovered|recovery|inactive|deactivated|done|up|fixed|normal)$/i

function one(payload: unknown, mappings: CompiledMappings | null, context: NormalizeContext): NormalizedAlert {
  const { receivedAt } = context
  const { searched, line } = viewOf(payload)
  const declared = mappings ? mapped(payload, mappings, receivedAt) : {}
  const found = overlaid(searchPayload(searched, receivedAt), declared)
  const lineTitle = line && declared.title === undefined ? titleOfLine(line, payload) : null
  const prefersLine =
    line !== null && (line.format === 'cef' || found.title === null || (line.format === 'plain' && lineTitle !== null))
  const title = prefersLine ? (lineTitle ?? found.title) : found.title
  const facts: Facts = {
    ...entities(extractObservables(payload)),
    title: title ?? scalarTitle(payload),
    description: found.description ?? (line ? line.rest : null),
    ref: found.ref,
    time: found.time ?? (line ? timeWithin(line.rest) : null),
    link: found.link,
    ruleId: found.rule,
  }
  const texts = declared.techniques ?? techniquesIn(payload)
  return buildAlert({
    adapter: 'generic',
    vendor: found.vendor ?? 'Unknown',
    product: found.product ?? 'Generic',
    facts,
    severity: found.severity ?? UNKNOWN_SEVERITY,
    status: found.status !== null && RESOLVED.test(found.status) ? 'resolved' : 'new',
    isAlert: true,
    types: [],
    techniqueTexts: texts,
    tacticTexts: [],
    content: line ? line.rest : stableContent(payload).join('\n'),
    ...(context.unmapped ? { unmapped: context.unmapped } : {}),
    receivedAt,
  })
}

function scalarTitle(payload: unknown): string | null {
  if (isObject(payload)) {
    const keys = Object.keys(payload)
    return keys.length === 0 ? 'Empty alert' : `Alert with ${keys.slice(0, 5).join(', ')}`
  }
  if (Array.isArray(payload)) return payload.length === 0 ? 'Empty list' : `List of ${payload.length} values`
  const text = textOf(payload)
  return text === null ? `Alert without content (${String(payload)})` : text
}

/** Normalizes any JSON value; a list of objects is one alert each. Never refuses, never throws on JSON. */
export function normalizeGeneric(payload: unknown, context: NormalizeContext, mappings?: Mappings): NormalizedAlert[] {
  const compiled = mappings ? compileMappings(mappings) : null
  if (Array.isArray(payload) && payload.length > 0 && payload.every(isObject)) {
    return (payload as JsonObject[]).map((item) => one(item, compiled, context))
  }
  return [one(payload, compiled, context)]
}
