import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { TrustError } from './trust-error.ts'

/** Deeper values are refused, which also ends a circular one. */
const MAX_DEPTH = 200

/**
 * RFC 8785 (JCS) text of a value. Throws `canonical_json` with the JSON path for anything JSON cannot carry without
 * loss: `undefined`, functions, symbols, bigint, NaN, Infinity, lone surrogates, holes, and objects other than plain
 * ones (a Date becomes a string first, by the caller).
 */
export function canonicalJson(value: unknown): string {
  refuseUnrepresentable(value, '$', 0)
  const text = canonicalize(value)
  if (text === undefined) throw new TrustError('canonical_json', '$: has no JSON form')
  return text
}

/** SHA-256, in hexadecimal, of the UTF-8 bytes of {@link canonicalJson}. */
export const canonicalSha256 = (value: unknown): string =>
  createHash('sha256').update(canonicalJson(value), 'utf8').digest('hex')

/**
 * The engine underneath drops `undefined` and turns holes into null, so two different values would share one hash and
 * one signature. Everything that is not exactly JSON is refused here instead.
 */
function refuseUnrepresentable(value: unknown, path: string, depth: number): void {
  const refuse = (what: string): never => {
    throw new TrustError('canonical_json', `${path}: ${what}`)
  }
  if (depth > MAX_DEPTH) refuse(`nested deeper than ${MAX_DEPTH}, or circular`)
  switch (typeof value) {
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) refuse(`${value} has no JSON form`)
      return
    case 'string':
      if (!value.isWellFormed()) refuse('a lone surrogate has no UTF-8 form')
      return
    case 'object':
      break
    default:
      refuse(`${typeof value} has no JSON form`)
  }
  if (value === null) return
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) refuseUnrepresentable(value[at], `${path}[${at}]`, depth + 1)
    return
  }
  const object = value as object
  const prototype: unknown = Object.getPrototypeOf(object)
  if (prototype !== Object.prototype && prototype !== null)
    refuse('only plain objects have a JSON form; convert it to a string or a plain object first')
  if (Object.getOwnPropertySymbols(object).length > 0) refuse('symbol keys have no JSON form')
  for (const [key, child] of Object.entries(object)) {
    if (!key.isWellFormed()) refuse('a key with a lone surrogate has no UTF-8 form')
    refuseUnrepresentable(child, `${path}${segment(key)}`, depth + 1)
  }
}

const segment = (key: string): string => (/^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`)
