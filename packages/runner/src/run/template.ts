import { type Json, literalOrigin, originOf, splitTemplate, TemplateError } from '@redoubt/contract'

export type Values = ReadonlyMap<string, Json>

/** A template cannot be filled in safely. `code` goes into the report; the message never quotes a value. */
export class FillError extends Error {
  override readonly name = 'FillError'
  readonly code: 'url' | 'header' | 'template'
  constructor(code: FillError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** The expressions of all templates in a JSON value. */
export const expressionsIn = (value: Json | undefined): readonly string[] => {
  if (typeof value === 'string') {
    return splitTemplate(value).flatMap((part) => ('expression' in part ? part.expression : []))
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(expressionsIn) : []
}

const evaluated = (expression: string, values: Values): Json => {
  const value = values.get(expression)
  if (value === undefined) throw new FillError('template', 'a template was not evaluated')
  return value
}

const asText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Text with its templates filled in; anything but text is written as JSON. */
export const fillText = (template: string, values: Values): string =>
  splitTemplate(template)
    .map((part) => ('text' in part ? part.text : asText(evaluated(part.expression, values))))
    .join('')

/** A JSON value with its templates filled in. A string that is exactly one template keeps the type of its value. */
export const fillJson = (value: Json, values: Values): Json => {
  if (typeof value === 'string') {
    const parts = splitTemplate(value.trim())
    const only = parts.length === 1 ? parts[0] : undefined
    return only !== undefined && 'expression' in only ? evaluated(only.expression, values) : fillText(value, values)
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: Json) => fillJson(item, values))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillJson(item as Json, values)]))
}

/** RFC 3986 section 2.3: everything but unreserved characters is escaped, so a value stays one segment or one value. */
const escapeComponent = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const dotSegment = /(^|\/)(\.|%2e){1,2}(\/|$)/i

/**
 * The URL of a step. Values are escaped and cannot leave their place: not the host, which is literal, nor the path,
 * where an empty or dot segment (`DELETE /users/` + "" or "..") would address another resource. Throws FillError.
 */
export const fillUrl = (template: string, values: Values): URL => {
  try {
    const origin = literalOrigin(template)
    let filled = ''
    for (const part of splitTemplate(template)) {
      if ('text' in part) {
        filled += part.text
        continue
      }
      const value = evaluated(part.expression, values)
      if (typeof value === 'object') throw new FillError('url', 'a value in the URL is not text, a number or a boolean')
      const text = String(value)
      if (text === '' && !filled.includes('?')) throw new FillError('url', 'a value in the path of the URL is empty')
      filled += escapeComponent(text)
    }
    const path = filled.slice(filled.indexOf('/', 'https://'.length)).split('?')[0] ?? ''
    if (dotSegment.test(path)) throw new FillError('url', 'a value in the path of the URL is a "." or ".." segment')
    const url = new URL(filled)
    const reached = originOf(url)
    if (reached.scheme !== origin.scheme || reached.host !== origin.host || reached.port !== origin.port) {
      throw new FillError('url', 'a value changes the host of the URL')
    }
    return url
  } catch (error) {
    if (error instanceof FillError) throw error
    throw new FillError('url', error instanceof TemplateError ? error.message : 'is not a URL')
  }
}

/** RFC 9110 section 5.5: visible ASCII, space and tab. CR, LF and NUL would start a header or a request of their own. */
const headerValue = /^[\t\x20-\x7e]*$/

/** The headers of a step. Throws FillError. */
export const fillHeaders = (
  headers: Readonly<Record<string, string>>,
  values: Values,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, template]) => {
      const value = fillText(template, values)
      if (value.length > 8192 || !headerValue.test(value)) {
        throw new FillError(
          'header',
          `the value of the header ${name} holds a line break or another character it must not`,
        )
      }
      return [name, value]
    }),
  )
