import { isObject, parsePayload } from '../adapters/json.ts'
import type { OcsfFinding } from '../adapters/normalized-alert.ts'
import { isPlaceholder } from '../adapters/sanitize.ts'
import { parseTextLine } from '../adapters/text-line.ts'
import { type KeyMeaning, meaningOf } from './key-knowledge.ts'
import { namedValues } from './named-values.ts'
import type { Observable } from './observable.ts'
import { refang } from './refang.ts'
import { type Finding, scanText } from './scan-text.ts'
import { readTyped } from './typed-value.ts'

export const MAX_OBSERVABLES = 500
const MAX_NODES = 50_000
const MAX_CHARACTERS = 4_194_304
const MAX_DEPTH = 80
/** JSON in a string in JSON in a string: deeper is an attack, not a log. */
const MAX_EMBEDDED = 3

export type Extraction = {
  observables: Observable[]
  /** True when the alert had more than is kept or more text than is searched. */
  cut: boolean
}

type Place = {
  key: string
  parent: string
  path: string
  depth: number
  embedded: number
  /** Beside a command line a file's name is that of the running program. */
  launched?: boolean
}

const COMMAND_LINE = /^(?:process)?_?(?:command_?line|cmd_?line)$/i

class Collector {
  readonly #byValue = new Map<string, Observable>()
  #nodes = 0
  #characters = 0
  cut = false

  get observables(): Observable[] {
    return [...this.#byValue.values()]
  }

  add(finding: Finding, source: string, role: Observable['role']): void {
    const id = `${finding.type} ${finding.value}`
    const known = this.#byValue.get(id)
    if (known) {
      if (role && !known.role) known.role = role
      return
    }
    if (this.#byValue.size >= MAX_OBSERVABLES) {
      this.cut = true
      return
    }
    const made: Observable = { type: finding.type, value: finding.value.toWellFormed(), source: source.slice(0, 512) }
    if (role) made.role = role
    if (finding.internal) made.internal = true
    this.#byValue.set(id, made)
  }

  walk(value: unknown, place: Place): void {
    this.#nodes += 1
    if (this.#nodes > MAX_NODES || place.depth > MAX_DEPTH) {
      this.cut = true
      return
    }
    if (typeof value === 'string') this.#text(value, place)
    else if (typeof value === 'number') this.#number(value, place)
    else if (Array.isArray(value)) {
      for (let index = 0; index < value.length && this.#nodes <= MAX_NODES; index += 1) {
        this.walk(value[index], { ...place, path: `${place.path}[${index}]`, depth: place.depth + 1 })
      }
    } else if (isObject(value)) this.#object(value, place)
  }

  #object(value: Readonly<Record<string, unknown>>, place: Place): void {
    const named = namedValues(value)
    const launched = Object.keys(value).some((key) => COMMAND_LINE.test(key))
    const within = (key: string): Place => ({
      key,
      parent: place.key,
      path: place.path ? `${place.path}.${key}` : key,
      depth: place.depth + 1,
      embedded: place.embedded,
      launched,
    })
    if (named) {
      for (const [field, inner] of named.values) this.walk(inner, { ...within(field), key: named.name })
      return
    }
    for (const key in value) {
      if (Object.hasOwn(value, key)) this.walk(value[key], within(key))
    }
  }

  #number(value: number, place: Place): void {
    if (
      meaningOf(place.key, place.parent).kind === 'asn' &&
      Number.isSafeInteger(value) &&
      value > 0 &&
      value < 2 ** 32
    ) {
      this.add({ type: 'asn', value: `AS${value}` }, place.path, undefined)
    }
  }

  #text(raw: string, place: Place): void {
    this.#characters += raw.length
    if (this.#characters > MAX_CHARACTERS) {
      this.cut = true
      return
    }
    const trimmed = raw.trim()
    if (isPlaceholder(trimmed)) return
    const meaning = meaningOf(place.key, place.parent)
    if (meaning.kind === 'skip') return
    if (this.#structured(trimmed, place, meaning)) return
    const text = refang(trimmed)
    const emit = (finding: Finding): void => this.add(finding, place.path, meaning.role)
    if (!readTyped(place.launched ? { ...meaning, launched: true } : meaning, text, emit))
      scanText(text, emit, { hashes: meaning.kind !== 'identifier' })
  }

  /** JSON, CEF, `key=value` and the like inside a string are read as what they are. */
  #structured(text: string, place: Place, meaning: KeyMeaning): boolean {
    if (place.embedded >= MAX_EMBEDDED) return false
    const inner = { ...place, embedded: place.embedded + 1, depth: place.depth + 1 }
    if (/^[[{]/.test(text) && /[\]}]$/.test(text)) {
      const json = embedded(text)
      if (json !== undefined) {
        this.walk(json, { ...inner, parent: '' })
        return true
      }
    }
    if (meaning.kind !== 'text' || !/[=:|]/.test(text) || !/\s|\|/.test(text)) return false
    const line = parseTextLine(text)
    if (line.format === 'plain' && Object.keys(line.header).length === 0) return false
    const at = place.path ? `${place.path}#` : ''
    for (const [key, value] of Object.entries(line.header)) {
      if (key === 'hostname' || key === 'process_name')
        this.walk(value, { ...inner, key, parent: '', path: `${at}${key}` })
    }
    for (const [key, value] of line.fields) this.walk(value, { ...inner, key, parent: '', path: `${at}${key}` })
    if (line.json !== undefined) this.walk(line.json, { ...inner, key: '', parent: '' })
    if (line.rest) scanText(refang(line.rest), (finding) => this.add(finding, place.path || 'text', undefined))
    return true
  }
}

function embedded(text: string): unknown {
  try {
    const json = parsePayload(text)
    return typeof json === 'object' ? json : undefined
  } catch {
    return undefined
  }
}

/** As `extractObservables`, and whether anything was left out. */
export function collectObservables(payload: unknown, finding?: OcsfFinding): Extraction {
  const collector = new Collector()
  collector.walk(payload, { key: '', parent: '', path: '', depth: 0, embedded: 0 })
  if (finding) {
    const { device, actor, evidences } = finding
    collector.walk(
      { device, actor, evidences },
      { key: '', parent: '', path: 'finding', depth: 0, embedded: MAX_EMBEDDED },
    )
  }
  return { observables: collector.observables, cut: collector.cut }
}

/**
 * The observables of an alert, each once, at most 500, in the order found: from the vendor's payload (parsed JSON
 * or a line of text), then what only the finding names. Work is bounded whatever the payload.
 */
export function extractObservables(payload: unknown, finding?: OcsfFinding): Observable[] {
  return collectObservables(payload, finding).observables
}
