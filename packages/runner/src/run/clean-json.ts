import type { Json } from '@redoubt/contract'

const DEPTH_MAX = 64

/** A value that has no JSON form; the message says which kind of value. */
export class NotJson extends Error {
  override readonly name = 'NotJson'
}

/**
 * A copy that is JSON and nothing else: CEL integers become numbers, timestamps RFC 3339, lone surrogates U+FFFD.
 * A key named `__proto__` stays a key. Throws {@link NotJson}.
 */
export const cleanJson = (value: unknown, depth = 0): Json => {
  if (depth > DEPTH_MAX) throw new NotJson(`is nested more than ${DEPTH_MAX} deep`)
  switch (typeof value) {
    case 'string':
      return value.toWellFormed()
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value)) throw new NotJson('comes to a number without a JSON form')
      return value
    case 'bigint':
      if (!Number.isSafeInteger(Number(value))) throw new NotJson('comes to an integer beyond 2^53; use string()')
      return Number(value)
    case 'object':
      break
    default:
      throw new NotJson('comes to a value without a JSON form')
  }
  if (value === null) return null
  if (Array.isArray(value)) return value.map((item) => cleanJson(item, depth + 1))
  if (value instanceof Date) return value.toISOString()
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotJson('comes to bytes, a duration or a type; use string(), .base64() or a comparison')
  }
  const entries = Object.entries(value as object)
  return Object.fromEntries(entries.map(([key, item]) => [key.toWellFormed(), cleanJson(item, depth + 1)]))
}
