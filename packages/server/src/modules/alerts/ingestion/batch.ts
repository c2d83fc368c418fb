import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import type { IngestReceipt } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import { severityRank } from '../../../platform/severity.ts'
import { type BodyPart, splitBody, splitJsonArray, splitLines } from '../adapters/body.ts'
import { PayloadError, parsePayload } from '../adapters/json.ts'
import { normalize } from '../adapters/normalize.ts'
import type { NormalizedAlert } from '../adapters/normalized-alert.ts'
import type { DoorSource } from './source-door.ts'

/** Events that one request may hold. */
export const MAX_EVENTS = 10_000
/** Characters of one event. */
const MAX_EVENT = 1_048_576
/** A group of alerts in one payload keeps that payload with each: characters that one request may become in all. */
const MAX_RAW = 67_108_864
const MAX_REASON = 300
/** Events between two turns of the event loop: a large batch must not keep the other requests waiting. */
const EVENTS_A_TURN = 100

/** One row for the database: an alert and how often this batch holds it. */
export type BatchRow = {
  /** 32 bytes, each as one character, so that it serves as a map's key and sorts by byte. */
  readonly dedupKey: string
  readonly title: string
  readonly description: string | null
  severity: number
  count: number
  readonly occurredAt: Date | null
  readonly sourceRef: string | null
  readonly finding: object
  /** What a vendor sends on the same feed and is no alert. */
  readonly telemetry: boolean
  readonly raw: string
  /** The last payload of this alert in the batch where it differs from the first. */
  latestRaw: string | null
  readonly techniques: readonly string[]
}

export type Batch = {
  /** Each alert once, sorted by `dedupKey`: two batches that share alerts lock them in one order. */
  readonly rows: readonly BatchRow[]
  readonly accepted: number
  readonly rejected: IngestReceipt['rejected']
}

type ReadOptions = {
  readonly receivedAt: Date
  /** True when the sender says that the body is newline-delimited JSON; otherwise its form is found out. */
  readonly declaredLines: boolean
  /** Lets other requests have a turn. */
  readonly pause: () => Promise<void>
  /** Told of an event that broke the reader: our defect, not the sender's. */
  readonly onDefect: (error: unknown) => void
}

/**
 * The alerts of a request body, duplicates within it folded. A broken event is refused by its index and does not take
 * its neighbours with it.
 * @throws AppError bad_request when the body has no readable form, too_large for too many events
 */
export async function readBatch(body: Buffer, source: DoorSource, options: ReadOptions): Promise<Batch> {
  const rows = new Map<string, BatchRow>()
  const rejected: { index: number; reason: string }[] = []
  let accepted = 0
  let rawCharacters = 0
  for (const [index, text] of eventsOf(body, options.declaredLines).entries()) {
    if (index % EVENTS_A_TURN === EVENTS_A_TURN - 1) await options.pause()
    const alerts = readEvent(text, source, options)
    if (typeof alerts === 'string') {
      rejected.push({ index, reason: alerts.slice(0, MAX_REASON) })
      continue
    }
    for (const alert of alerts) {
      accepted += 1
      rawCharacters += fold(rows, source, alert, text as string)
    }
    if (accepted > MAX_EVENTS) throw tooMany()
    if (rawCharacters > MAX_RAW) {
      throw new AppError('too_large', 'Groups of alerts in this request are too large together: send fewer at once.')
    }
  }
  const sorted = [...rows.values()].sort((a, b) => (a.dedupKey < b.dedupKey ? -1 : 1))
  return { rows: sorted, accepted, rejected }
}

/** The alerts of one event, or why it is refused. */
function readEvent(text: string | null, source: DoorSource, options: ReadOptions): NormalizedAlert[] | string {
  if (text === null) return 'not valid UTF-8'
  if (text.length > MAX_EVENT) return `larger than ${MAX_EVENT} characters`
  try {
    const { receivedAt } = options
    const mappings = source.mapping === null ? {} : { mappings: source.mapping }
    return normalize(source.type, parsePayload(text), { receivedAt, ...mappings })
  } catch (error) {
    if (error instanceof PayloadError) return error.message
    options.onDefect(error)
    return 'could not be read; your operator has the cause in the log'
  }
}

/** Adds an alert to the rows, or counts it there. @returns characters of payload newly kept */
function fold(rows: Map<string, BatchRow>, source: DoorSource, alert: NormalizedAlert, raw: string): number {
  const dedupKey = dedupKeyOf(source, alert)
  const severity = severityRank(alert.severity)
  const known = rows.get(dedupKey)
  if (!known) {
    const { title, description, occurredAt, sourceRef, finding, techniques } = alert
    rows.set(dedupKey, {
      dedupKey,
      title,
      description,
      severity,
      count: 1,
      occurredAt: storable(occurredAt),
      sourceRef,
      finding,
      telemetry: !finding.is_alert,
      raw,
      latestRaw: null,
      techniques,
    })
    return raw.length
  }
  known.count += 1
  known.severity = Math.max(known.severity, severity)
  known.latestRaw = raw === known.raw ? null : raw
  return 0
}

const firstMoment = Date.parse('0001-01-01T00:00:00Z')
const lastMoment = Date.parse('9999-12-31T23:59:59.999Z')

/** A vendor's nonsense of a date would be refused by the database, and the whole batch with it. */
function storable(date: Date | null): Date | null {
  return date !== null && date.getTime() >= firstMoment && date.getTime() <= lastMoment ? date : null
}

/** What makes two events the same alert: type, source and the vendor's reference, or what it is about. */
function dedupKeyOf(source: DoorSource, alert: NormalizedAlert): string {
  const identity = alert.sourceRef === null ? `fingerprint|${alert.fingerprint}` : `ref|${alert.sourceRef}`
  // 'latin1' keeps the 32 bytes as 32 characters.
  return hash('sha256', `${source.type}|${source.id}|${identity}`, 'latin1')
}

/** The verbatim text of each event; null where its bytes are not UTF-8. */
function eventsOf(body: Buffer, declaredLines: boolean): (string | null)[] {
  const first = body.find((byte) => byte > 0x20 && ![0xef, 0xbb, 0xbf].includes(byte))
  const isArray = first === 0x5b && !declaredLines
  // Counted before they are split: a body of commas alone would otherwise become millions of strings.
  if (isArray ? hasMoreElements(body, MAX_EVENTS) : body.length > MAX_EVENT && hasMoreLines(body, MAX_EVENTS)) {
    throw tooMany()
  }
  const intact = isUtf8(body)
  // Latin-1 keeps every byte, and all that structures JSON is ASCII: so one broken event can be told from the others.
  const text = intact ? body.toString('utf8') : body.toString('latin1')
  const parts = partsOf(text, isArray, declaredLines)
  if (parts.length > MAX_EVENTS) throw tooMany()
  return intact ? parts : parts.map(utf8OfLatin1)
}

function partsOf(text: string, isArray: boolean, declaredLines: boolean): string[] {
  const textOf = (parts: readonly BodyPart[]) => parts.map((part) => part.text)
  try {
    if (isArray) return splitJsonArray(text)
    return textOf(declaredLines ? splitLines(text) : splitBody(text))
  } catch (cause) {
    if (cause instanceof PayloadError)
      throw new AppError('bad_request', `The body cannot be read: ${cause.message}.`, { cause })
    throw cause
  }
}

function utf8OfLatin1(text: string): string | null {
  const bytes = Buffer.from(text, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : null
}

function hasMoreLines(body: Buffer, most: number): boolean {
  let lines = 0
  for (let start = 0; start < body.length; ) {
    const next = body.indexOf(0x0a, start)
    const end = next < 0 ? body.length : next
    let at = start
    while (at < end && (body[at] ?? 0) <= 0x20) at += 1
    if (at < end && ++lines > most) return true
    start = end + 1
  }
  return false
}

function hasMoreElements(body: Buffer, most: number): boolean {
  let depth = 0
  let elements = 1
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at]
    if (byte === 0x22) {
      at += 1
      while (at < body.length && body[at] !== 0x22) at += body[at] === 0x5c ? 2 : 1
    } else if (byte === 0x5b || byte === 0x7b) depth += 1
    else if (byte === 0x5d || byte === 0x7d) depth -= 1
    else if (byte === 0x2c && depth === 1 && ++elements > most) return true
  }
  return false
}

function tooMany(): AppError {
  return new AppError('too_large', `Send at most ${MAX_EVENTS} events in one request.`)
}
