import type { OpSpec } from '@redoubt/contract'

type Rest = NonNullable<OpSpec['rest']>

/**
 * The HTTP request of an operation: `{name}` segments from the input, the rest of it into the query string (GET,
 * DELETE) or the JSON body. Throws a TypeError when a segment is missing or would lead to another path.
 */
export function requestOf(
  url: string,
  { method, path }: Rest,
  input: Readonly<Record<string, unknown>>,
): { url: URL; init: { method: string; headers: Record<string, string>; body?: string } } {
  const rest = { ...input }
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name]
    delete rest[name]
    // `..` survives encoding and would climb to another operation's path.
    if (typeof value !== 'string' || ['', '.', '..'].includes(value)) {
      throw new TypeError(`${name} must be a text that names one thing; ${method} ${path} needs it in its path.`)
    }
    return encodeURIComponent(value)
  })
  const target = new URL(`${url.replace(/\/+$/, '')}/api/v1${filled}`)
  if (method === 'GET' || method === 'DELETE') {
    for (const [name, value] of Object.entries(rest)) {
      for (const each of Array.isArray(value) ? value : [value]) {
        if (each !== undefined) target.searchParams.append(name, String(each))
      }
    }
    return { url: target, init: { method, headers: {} } }
  }
  return { url: target, init: { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(rest) } }
}
