/**
 * Text from outside, made safe to store and to show. NUL and lone surrogates are refused by PostgreSQL; control
 * characters rewrite terminals; bidirectional overrides make a title read as something else (CVE-2021-42574).
 */

const UNSAFE_LINE = /[\p{Cc}\u202a-\u202e\u2066-\u2069\u200e\u200f]+/gu
const UNSAFE_TEXT = /(?:(?![\t\n\r])[\p{Cc}\u202a-\u202e\u2066-\u2069])+/gu
const NEEDS_CARE = /[^ -~]| {2}|^ | $/

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).trimEnd()}…`
}

/** One line of at most `max` characters: control characters become spaces, runs of spaces become one. */
export function cleanLine(value: string, max: number): string {
  if (!NEEDS_CARE.test(value)) return cut(value, max)
  const bounded = value.length > max * 4 ? value.slice(0, max * 4) : value
  return cut(bounded.replace(UNSAFE_LINE, ' ').replace(/ {2,}/g, ' ').trim(), max).toWellFormed()
}

/** Text of at most `max` characters with its line breaks and tabs kept. */
export function cleanText(value: string, max: number): string {
  if (!NEEDS_CARE.test(value)) return cut(value, max)
  return cut(
    value
      .slice(0, max * 2)
      .replace(UNSAFE_TEXT, '')
      .trim(),
    max,
  ).toWellFormed()
}

/** The words vendors write where a value is missing. */
const PLACEHOLDER =
  /^(?:[-_.*?]+|n\/?a|null|nil|none|undefined|unknown|not available|\(?null\)?|<?unknown>?|\(unknown\)|redacted|<?redacted>?|anonymized)$/i

/** True for what stands in for a missing value: `-`, `n/a`, `null`, `REDACTED`, … */
export function isPlaceholder(value: string): boolean {
  return value === '' || (value.length <= 16 && PLACEHOLDER.test(value))
}
