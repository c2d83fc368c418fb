/** Paths into a payload: `a.b[0].c`, with keys that contain dots or spaces as `a["b.c"]`. */

export type Path = readonly (string | number)[]

const SEGMENT = /([^.[\]"]+)|\[(\d{1,6})\]|\["([^"]{1,256})"\]|\./y

/** Compiles a path. Throws `TypeError` naming the character where it stops making sense. */
export function parsePath(text: string): Path {
  const path: (string | number)[] = []
  SEGMENT.lastIndex = 0
  let wasDot = true
  while (SEGMENT.lastIndex < text.length) {
    const at = SEGMENT.lastIndex
    const found = SEGMENT.exec(text)
    if (!found) throw new TypeError(`path "${text}" cannot be read at character ${at}`)
    const [token, key, index, quoted] = found
    if (token === '.') {
      if (wasDot) throw new TypeError(`path "${text}" has an empty step at character ${at}`)
      wasDot = true
      continue
    }
    path.push(key ?? quoted ?? Number(index))
    wasDot = false
  }
  if (wasDot) throw new TypeError(`path "${text}" is empty or ends with a dot`)
  return path
}

/**
 * The value at a path, or undefined. Where a key meets a list, its first element is entered, since vendors wrap
 * one thing in a list. Only own keys count, so `constructor` or `__proto__` in a path reach nothing.
 */
export function at(value: unknown, path: Path): unknown {
  let current = value
  for (const step of path) {
    if (typeof current !== 'object' || current === null) return undefined
    if (typeof step === 'string' && Array.isArray(current)) {
      current = current[0]
      if (typeof current !== 'object' || current === null) return undefined
    }
    if (!Object.hasOwn(current, step)) return undefined
    current = (current as Record<string | number, unknown>)[step]
  }
  return current
}

const MAX_COLLECTED = 100

/** Every scalar at a path, entering all elements of the lists on the way; at most 100. */
export function allAt(value: unknown, path: Path, from = 0, into: (string | number)[] = []): (string | number)[] {
  if (into.length >= MAX_COLLECTED) return into
  if (Array.isArray(value)) {
    for (const element of value.slice(0, MAX_COLLECTED)) allAt(element, path, from, into)
    return into
  }
  const step = path[from]
  if (step === undefined) {
    if (typeof value === 'string' || typeof value === 'number') into.push(value)
    return into
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return into
  return allAt((value as Record<string | number, unknown>)[step], path, from + 1, into)
}

/** A scalar as text: trimmed, integers in plain digits up to 1e21; null for anything else and for the empty string. */
export function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value.trim() || null
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return null
}
