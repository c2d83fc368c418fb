/**
 * The template syntax of plans: `${{ expression }}` inside strings, where the expression is CEL. It is part of the
 * plan format, because the control plane that checks a playbook and the runner that fills it in must cut a string
 * in the very same places. Nothing here evaluates anything.
 */

export const EXPRESSION_MAX = 1000

export type TemplatePart = { readonly text: string } | { readonly expression: string; readonly offset: number }

/** A template that cannot be cut: `offset` is the UTF-16 position of the fault in the string. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** `}}` ends an expression only outside of string literals and map literals: `${{ {"a": {"b": 1}} }}`. */
const endOfExpression = (source: string, from: number): number => {
  let depth = 0
  let quote = ''
  for (let at = from; at < source.length; at++) {
    const character = source[at]
    if (quote !== '') {
      if (character === '\\') at++
      else if (character === quote) quote = ''
    } else if (character === '"' || character === "'") quote = character
    else if (character === '{') depth++
    else if (character === '}') {
      if (depth === 0) return source[at + 1] === '}' ? at : -1
      depth--
    }
  }
  return -1
}

/** Cuts a string into literal text and expressions. Throws {@link TemplateError}. */
export const splitTemplate = (source: string): readonly TemplatePart[] => {
  const parts: TemplatePart[] = []
  let at = 0
  while (at < source.length) {
    const open = source.indexOf('${{', at)
    if (open === -1) {
      parts.push({ text: source.slice(at) })
      break
    }
    if (open > at) parts.push({ text: source.slice(at, open) })
    const close = endOfExpression(source, open + 3)
    if (close === -1) throw new TemplateError('a template is never closed; end the expression with }}', open)
    const expression = source.slice(open + 3, close).trim()
    if (expression === '') throw new TemplateError('a template holds no expression', open)
    if (expression.length > EXPRESSION_MAX) {
      throw new TemplateError(`an expression has at most ${EXPRESSION_MAX} characters`, open)
    }
    parts.push({ expression, offset: open + 3 })
    at = close + 2
  }
  return parts
}

export type Origin = { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number }

/** A host as `URL` writes it (lower case, IPv4 in dotted form), IPv6 without brackets. */
export const isCanonicalHost = (host: string): boolean => {
  // URL lets `*` and other odd characters pass in a host; DNS names and addresses have none of them.
  if (!/^[a-z0-9._:-]+$/.test(host)) return false
  try {
    return hostOf(new URL(`http://${host.includes(':') ? `[${host}]` : host}/`)) === host && !host.endsWith('.')
  } catch {
    return false
  }
}

/** The host of a URL without the brackets of IPv6. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1')

/** Scheme, host and port of a whole URL. Throws {@link TemplateError} for anything but plain http and https. */
export const originOf = (url: URL): Origin => {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TemplateError('use https:// or http://', 0)
  if (url.username !== '' || url.password !== '') {
    throw new TemplateError('put no user name or password into the URL; use a header', 0)
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  return { scheme, host: hostOf(url), port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port) }
}

/**
 * The origin of a URL template. It has to be literal to its end, up to and with the `/`, so that no value found at
 * run time (an observable that an attacker chose, a response) can steer a request to another host.
 * Throws {@link TemplateError}.
 */
export const literalOrigin = (template: string): Origin => {
  const first = splitTemplate(template)[0]
  const literal = first !== undefined && 'text' in first ? first.text : ''
  const whole = literal.length === template.length
  const match = /^https?:\/\/[^/?#\\\s]+(\/|$)/.exec(literal)
  if (match === null || (match[1] === '' && !whole)) {
    throw new TemplateError(
      'scheme, host and port must be written out and end with a /, as in https://host.example/; ' +
        'templates may stand in the path and the query only',
      0,
    )
  }
  if (literal.includes('#') || template.includes('#')) throw new TemplateError('a URL here has no #fragment', 0)
  try {
    return originOf(new URL(match[0]))
  } catch (error) {
    if (error instanceof TemplateError) throw error
    throw new TemplateError('is not a URL', 0)
  }
}

/** Headers that belong to the connection (RFC 9110 section 7.6.1) or would let a step speak as another host. */
export const connectionHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What expressions can name. `case` is null in a run without one. */
export const expressionVariables = ['case', 'observables', 'run', 'steps'] as const
/** Limits of the CEL parser, the same where a playbook is written and where it runs. */
export const expressionLimits = {
  maxAstNodes: 300,
  maxDepth: 32,
  maxListElements: 100,
  maxMapEntries: 100,
  maxCallArguments: 16,
} as const
