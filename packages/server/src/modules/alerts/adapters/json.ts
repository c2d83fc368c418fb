import type { JsonObject } from './normalized-alert.ts'

export type PayloadFault = 'empty' | 'not-json' | 'too-deep' | 'unbalanced'

/** A payload that cannot be read. The message says what and where and is safe to send back to the sender. */
export class PayloadError extends Error {
  readonly fault: PayloadFault
  /** Character offset in the text given, when known. */
  readonly offset: number | null

  constructor(fault: PayloadFault, message: string, offset: number | null = null) {
    super(message)
    this.name = 'PayloadError'
    this.fault = fault
    this.offset = offset
  }
}

/** Far beyond any vendor's nesting, far below what would exhaust the stack of a recursive reader. */
export const MAX_DEPTH = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LINE_FEED = 0x0a

/** Index just after the string that opens at `start`, or -1 when it does not close on its line. */
export function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) return index + 1
    if (code === BACKSLASH) index += 1
    else if (code === LINE_FEED) return -1
  }
  return -1
}

function refuseDeep(text: string): void {
  let depth = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) {
      const end = endOfString(text, index)
      if (end < 0) return
      index = end - 1
    } else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > MAX_DEPTH) {
        throw new PayloadError('too-deep', `nested deeper than ${MAX_DEPTH} levels at character ${index}`, index)
      }
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
}

const INTEGER = /^-?\d+$/

function exactIntegers(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const { source } = context
  return source !== undefined && INTEGER.test(source) ? source : value
}

// Sixteen digits that do not begin with 9 stay below 2^53: such as the flow_id of every Suricata event.
const LONG_DIGITS = /\d{17}|9\d{15}/

function offsetOf(error: unknown): number | null {
  const found = /position (\d+)/.exec(error instanceof Error ? error.message : '')
  return found ? Number(found[1]) : null
}

/**
 * Reads one JSON value (RFC 8259). Integers beyond ±2^53 come back as strings of their exact digits, because a
 * vendor's 64-bit id that loses its last digits folds two alerts into one. A `__proto__` key is an ordinary own
 * key. Throws `PayloadError`.
 */
export function parsePayload(text: string): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  if (json.trim() === '') throw new PayloadError('empty', 'empty: a JSON value was expected', 0)
  refuseDeep(json)
  try {
    return LONG_DIGITS.test(json)
      ? JSON.parse(json, exactIntegers as (key: string, value: unknown) => unknown)
      : JSON.parse(json)
  } catch (error) {
    const offset = offsetOf(error) ?? (/end of JSON/i.test(String(error)) ? json.length : null)
    const where = offset === null ? '' : ` at character ${offset}`
    throw new PayloadError('not-json', `not valid JSON${where}`, offset)
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
