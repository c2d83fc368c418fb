import { isPlaceholder } from '../src/modules/alerts/adapters/sanitize.ts'
import type { Observable, ObservableType } from '../src/modules/alerts/observables/observable.ts'
import { emitUrl } from '../src/modules/alerts/observables/scan-text.ts'
import { addressOf, domainOf, emailOf, hashOf, macOf } from '../src/modules/alerts/observables/shapes.ts'

/**
 * How extraction is scored against an ECS document a vendor's integration is expected to make of the same log.
 *
 * Recall: of the values in the ECS fields that name observables (`FIELDS`), the share extracted with that type.
 * Values the extractor leaves out on purpose (loopback and unspecified addresses, zero hashes and MACs,
 * placeholders such as `-`) are not expected. Two equivalences: a host name is found as `host` or `domain`; a user
 * that is an e-mail address is found as `user` or `email`.
 *
 * Precision: an extracted value is right when some leaf of the whole document (`related.*` included) equals it; one
 * that is nowhere in the document is a false positive, also when it truly is in the log and the integration just
 * does not map it. Hence the second figure, `mentioned`: right when a leaf equals or contains it.
 */

type Expected = { type: ObservableType; value: string; accepted: readonly string[] }

const FIELDS: readonly (readonly [RegExp, ObservableType])[] = [
  [
    /^(?:source|destination|client|server|host|observer|related|threat\.indicator|threat\.enrichments\.indicator)(?:\.nat)?\.ip$|^dns\.resolved_ip$/,
    'ipv4',
  ],
  [/^(?:source|destination|client|server)\.address$/, 'ipv4'],
  [/^(?:source|destination|client|server|url)\.domain$|^dns\.question\.name$/, 'domain'],
  [/^(?:url|threat\.indicator\.url|threat\.enrichments\.indicator\.url)\.(?:full|original)$/, 'url'],
  [
    /^user\.(?:target\.)?email$|^email\.(?:from|to|cc|bcc|sender|reply_to)\.address$|^(?:source|destination|client)\.user\.email$/,
    'email',
  ],
  [
    /^(?:file|process|process\.parent|email\.attachments\.file|threat\.indicator\.file|dll)\.hash\.\w+$|^related\.hash$/,
    'sha256',
  ],
  [/^(?:file|email\.attachments\.file|threat\.indicator\.file)\.name$/, 'file-name'],
  [/^(?:file|threat\.indicator\.file)\.path$|^process\.(?:parent\.)?executable$/, 'file-path'],
  [/^process\.(?:parent\.)?name$/, 'process'],
  [/^(?:(?:source|destination|client|server)\.)?user\.(?:target\.)?name$|^related\.user$/, 'user'],
  [/^host\.(?:name|hostname)$|^observer\.hostname$|^related\.hosts$|^log\.hostname$/, 'host'],
  [/^(?:source|destination|host|observer|client|server)\.mac$/, 'mac'],
  [/^vulnerability\.id$/, 'cve'],
  [/^(?:source|destination)\.as\.number$/, 'asn'],
]

function* leaves(value: unknown, path = ''): Generator<[string, string]> {
  if (Array.isArray(value)) for (const element of value) yield* leaves(element, path)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) yield* leaves(inner, path ? `${path}.${key}` : key)
  } else if (typeof value === 'string' || typeof value === 'number') yield [path, String(value)]
}

function normalizedUrl(text: string): string | null {
  let found: string | null = null
  if (text.includes('://') && !/\s/.test(text)) {
    emitUrl(text, (finding) => {
      if (finding.type === 'url') found = finding.value
    })
  }
  return found
}

function account(value: string): string {
  return value.slice(value.lastIndexOf('\\') + 1).toLowerCase()
}

/** All forms in which a leaf's value may come out of the extractor. */
function forms(value: string): string[] {
  const lower = value.trim().toLowerCase()
  const all = [
    lower,
    addressOf(value)?.value,
    domainOf(value)?.value,
    macOf(value),
    normalizedUrl(value),
    hashOf(value)?.value,
    account(lower),
    `as${lower}`,
    emailOf(value),
  ]
  return all.filter((form) => typeof form === 'string').map((form) => form.toLowerCase())
}

function expectedOf(type: ObservableType, value: string): Expected | null {
  const text = value.trim()
  if (isPlaceholder(text)) return null
  const lower = text.toLowerCase()
  const one = (as: ObservableType, known: string | null | undefined): Expected | null =>
    known ? { type: as, value: known, accepted: [`${as} ${known}`] } : null
  switch (type) {
    case 'ipv4': {
      const address = addressOf(text)
      return address ? one(address.type, address.value) : null
    }
    case 'domain': {
      const domain = domainOf(text)?.value
      return domain ? { type, value: domain, accepted: [`domain ${domain}`, `host ${domain}`] } : null
    }
    case 'url':
      return one('url', normalizedUrl(text))
    case 'email':
      return one('email', emailOf(text))
    case 'sha256': {
      const hash = hashOf(text)
      return hash ? one(hash.type, hash.value) : null
    }
    case 'mac':
      return one('mac', macOf(text))
    case 'cve':
      return /^cve-\d{4}-\d{4,}$/i.test(text) ? one('cve', text.toUpperCase()) : null
    case 'asn':
      return one('asn', `AS${text}`)
    case 'host': {
      const address = addressOf(text)
      if (address) return one(address.type, address.value)
      return /^[\d.:]+$/.test(text) && text.includes('.')
        ? null
        : { type, value: lower, accepted: [`host ${lower}`, `domain ${lower}`] }
    }
    case 'user': {
      const name = account(lower)
      return name ? { type, value: name, accepted: [`user ${name}`, `email ${name}`] } : null
    }
    case 'file-path':
      return one(type, text)
    default:
      return one(type, lower)
  }
}

export type Tally = { expected: number; found: number; extracted: number; right: number; mentioned: number }
export type Score = { byType: Map<string, Tally>; total: Tally }

const empty = (): Tally => ({ expected: 0, found: 0, extracted: 0, right: 0, mentioned: 0 })

export function newScore(): Score {
  return { byType: new Map(), total: empty() }
}

function count(score: Score, type: string, field: keyof Tally): void {
  const tally = score.byType.get(type) ?? empty()
  score.byType.set(type, tally)
  tally[field] += 1
  score.total[field] += 1
}

export type Misses = { missing: string[]; wrong: string[] }

/** Adds one log's result to the score; returns what was missed and what was wrong. */
export function scoreLog(score: Score, ecs: unknown, observables: readonly Observable[]): Misses {
  const all = [...leaves(ecs)]
  const extracted = new Set(
    observables.map(({ type, value }) => `${type} ${type === 'file-path' ? value.toLowerCase() : value}`),
  )
  const expected = new Map<string, Expected>()
  for (const [path, value] of all) {
    for (const [pattern, type] of FIELDS) {
      const wanted = pattern.test(path) ? expectedOf(type, value) : null
      if (wanted) expected.set(`${wanted.type} ${wanted.value}`, wanted)
    }
  }
  // related.hosts and related.user repeat values that a typed field has already asked for.
  for (const [id, { type, value }] of expected) {
    if (type === 'host' && expected.has(`domain ${value}`)) expected.delete(id)
    if (type === 'user' && expected.has(`email ${value}`)) expected.delete(id)
  }
  const misses: Misses = { missing: [], wrong: [] }
  for (const { type, value, accepted } of expected.values()) {
    count(score, type, 'expected')
    if (accepted.some((id) => extracted.has(type === 'file-path' ? id.toLowerCase() : id))) count(score, type, 'found')
    else misses.missing.push(`${type} ${value}`)
  }
  const known = new Set(all.flatMap(([, value]) => forms(value)))
  const whole = all.map(([, value]) => value.toLowerCase()).join('\n')
  for (const { type, value, source } of observables) {
    const lower = value.toLowerCase()
    count(score, type, 'extracted')
    if (known.has(lower)) count(score, type, 'right')
    else misses.wrong.push(`${type} ${value} (${source})`)
    if (known.has(lower) || whole.includes(lower)) count(score, type, 'mentioned')
  }
  return misses
}

export function ratio(part: number, whole: number): number {
  return whole === 0 ? 1 : part / whole
}

/** The score as text, one type a line. */
export function scoreTable(score: Score): string {
  const percent = (part: number, whole: number): string =>
    whole === 0 ? '    –' : `${(ratio(part, whole) * 100).toFixed(1)}`.padStart(5)
  const row = (name: string, t: Tally): string =>
    `${name.padEnd(10)} ${String(t.expected).padStart(8)} ${percent(t.found, t.expected)} % ${String(t.extracted).padStart(9)} ${percent(t.right, t.extracted)} %   ${percent(t.mentioned, t.extracted)} %`
  const rows = [...score.byType].sort(([a], [b]) => a.localeCompare(b)).map(([type, tally]) => row(type, tally))
  return ['type       expected  recall extracted precision mentioned', ...rows, row('all', score.total)].join('\n')
}
