import { endOfString, PayloadError } from './json.ts'

/** One alert's verbatim text within a request body; `position` counts from 0 over the parts of the body. */
export type BodyPart = { position: number; line: number | null; offset: number; text: string }

const SPACE = /[\s\uFEFF]/

function skipSpace(text: string, from: number): number {
  let index = from
  while (index < text.length && SPACE.test(text.charAt(index))) index += 1
  return index
}

function trimmedPart(text: string, start: number, end: number, position: number): BodyPart {
  const from = Math.min(skipSpace(text, start), end)
  return { position, line: null, offset: from, text: text.slice(from, end).trimEnd() }
}

/** Index just after the value that starts at `start`, stopping before `,` or `]` of an enclosing array; -1 when broken. */
function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let index = start; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x22) {
      const end = endOfString(text, index)
      if (end < 0) return -1
      index = end - 1
    } else if (code === 0x7b || code === 0x5b) depth += 1
    else if (code === 0x7d || code === 0x5d) {
      if (depth === 0) return index
      depth -= 1
    } else if (code === 0x2c && depth === 0) return index
  }
  return depth === 0 ? text.length : -1
}

function arrayParts(text: string): BodyPart[] {
  const open = skipSpace(text, 0)
  if (text.charAt(open) !== '[') throw new PayloadError('not-json', `expected "[" at character ${open}`, open)
  const parts: BodyPart[] = []
  let start = open + 1
  if (text.charAt(skipSpace(text, start)) === ']') {
    refuseTrailing(text, skipSpace(text, start) + 1)
    return parts
  }
  for (;;) {
    const end = endOfValue(text, start)
    if (end < 0 || end >= text.length) {
      throw new PayloadError(
        'unbalanced',
        `the array is not closed: element ${parts.length} begins at character ${start}`,
        start,
      )
    }
    const closer = text.charAt(end)
    if (closer === '}') throw new PayloadError('unbalanced', `unexpected "}" at character ${end}`, end)
    parts.push(trimmedPart(text, start, end, parts.length))
    start = end + 1
    if (closer === ']') break
  }
  refuseTrailing(text, start)
  return parts
}

function refuseTrailing(text: string, from: number): void {
  const rest = skipSpace(text, from)
  if (rest < text.length)
    throw new PayloadError('not-json', `unexpected text after the array at character ${rest}`, rest)
}

/**
 * The verbatim source text of each element of a JSON array, so that the raw payload is kept byte for byte. Only
 * the structure is checked: a bad element is refused later, by its own index, while the good ones are kept.
 * Throws `PayloadError` when the array itself is broken.
 */
export function splitJsonArray(text: string): string[] {
  return arrayParts(text).map((part) => part.text)
}

/** The lines of newline-delimited JSON, without blank ones; `line` counts from 1. */
export function splitLines(text: string): BodyPart[] {
  const parts: BodyPart[] = []
  let offset = 0
  let line = 1
  while (offset <= text.length) {
    const next = text.indexOf('\n', offset)
    const end = next < 0 ? text.length : next
    const part = trimmedPart(text, offset, end, parts.length)
    if (part.text !== '') parts.push({ ...part, line })
    if (next < 0) break
    offset = next + 1
    line += 1
  }
  return parts
}

/**
 * The alerts of a request body whatever its shape: a JSON array, one JSON value (also printed over many lines), or
 * newline-delimited JSON. A broken line does not take its neighbours with it. Throws `PayloadError` for an array
 * that is not closed and for an empty body.
 */
export function splitBody(text: string): BodyPart[] {
  const start = skipSpace(text, 0)
  if (start >= text.length) throw new PayloadError('empty', 'the body is empty: send a JSON object, array or lines', 0)
  const isArray = text.charAt(start) === '['
  const lines = text.indexOf('\n', start) < 0 ? [] : splitLines(text)
  const [first] = lines
  if (first && lines.length > 1) {
    if (isComplete(first.text)) return lines
    // A broken first line also leaves the rest unbalanced; only an array is then better refused as a whole.
    if (!isArray && (!isComplete(text.slice(start)) || severalValues(lines))) return lines
  }
  if (isArray) return arrayParts(text)
  return [{ position: 0, line: null, offset: start, text: text.slice(start).trimEnd() }]
}

/** True when brackets and quotes close exactly at the end. */
function isComplete(text: string): boolean {
  const end = endOfValue(text, 0)
  return end >= 0 && skipSpace(text, end) >= text.length
}

/** True when a second value begins on a line of its own: `{…}\n{…}` also reads as balanced up to the end. */
function severalValues(lines: readonly BodyPart[]): boolean {
  let depth = 0
  for (const [index, part] of lines.entries()) {
    if (depth === 0 && index > 0) return true
    for (let at = 0; at < part.text.length; at += 1) {
      const code = part.text.charCodeAt(at)
      if (code === 0x22) {
        const end = endOfString(part.text, at)
        if (end < 0) return true
        at = end - 1
      } else if (code === 0x7b || code === 0x5b) depth += 1
      else if (code === 0x7d || code === 0x5d) depth -= 1
    }
  }
  return false
}
