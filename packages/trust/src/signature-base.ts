import {
  type InnerList,
  type Item,
  isInnerList,
  parseDictionary,
  serializeInnerList,
  serializeItem,
} from 'structured-headers'
import { TrustError } from './trust-error.ts'

/*
 * The signature base of RFC 9421 §2.5: the text that a signature over an HTTP message covers. General enough for the
 * RFC's own vectors; what services may actually sign is the profile in http-signature.ts.
 */

/** Header fields by lower-case name; a list holds the lines of a field that was sent more than once. */
export type FieldValues = { readonly [name: string]: string | readonly string[] | undefined }

/** A request as the signature sees it: `authority` in lower case without a default port, `query` empty or with its `?`. */
export type RequestParts = {
  readonly method: string
  readonly authority: string
  readonly path: string
  readonly query: string
  readonly headers: FieldValues
}
export type ResponseParts = { readonly status: number; readonly headers: FieldValues }
export type MessageParts = RequestParts | ResponseParts

/** One covered component (RFC 9421 §2): its identifier as it is signed, and how its value is found. */
export type CoveredComponent = {
  readonly identifier: string
  readonly name: string
  /** `;req`: taken from the request that the response answers (§2.4). */
  readonly ofRequest: boolean
  /** `;key`: one member of a dictionary field (§2.1.2). */
  readonly member: string | undefined
  /** `;name` of `@query-param` (§2.2.8). */
  readonly queryParameter: string | undefined
}

/** Reads the list of a Signature-Input member. Throws `http_signature_components` on what this package cannot derive. */
export function coveredComponents([items]: InnerList): readonly CoveredComponent[] {
  const components = items.map(coveredComponent)
  // A component covered twice could be shown to one reader with the first value and to another with the second (§2.5).
  if (new Set(components.map((each) => each.identifier)).size !== components.length)
    throw underivable('a component is covered twice')
  return components
}

/**
 * The signature base: one line for each component, then `@signature-params`. `request` is what a response answers.
 * Throws `http_signature_components` when a component is not in the message, `http_signature_malformed` when its value
 * could not stand on one line of ASCII.
 */
export function signatureBase(
  components: readonly CoveredComponent[],
  params: string,
  message: MessageParts,
  request?: RequestParts,
): string {
  let base = ''
  for (const component of components) {
    const value = componentValue(component, message, request)
    // A line feed in a value would let it pose as the lines of other components; bytes beyond ASCII have no one spelling.
    if (!/^[\t\x20-\x7e]*$/.test(value))
      throw new TrustError('http_signature_malformed', `the value of ${component.identifier} is not one line of ASCII`)
    base += `${component.identifier}: ${value}\n`
  }
  return `${base}"@signature-params": ${params}`
}

function coveredComponent(item: Item): CoveredComponent {
  const [name, parameters] = item
  if (typeof name !== 'string' || name !== name.toLowerCase())
    throw underivable('a component is named by a lower-case string')
  let ofRequest = false
  let member: string | undefined
  let queryParameter: string | undefined
  for (const [parameter, value] of parameters) {
    if (parameter === 'req' && value === true) ofRequest = true
    else if (parameter === 'key' && typeof value === 'string' && !name.startsWith('@')) member = value
    else if (parameter === 'name' && typeof value === 'string' && name === '@query-param') queryParameter = value
    else throw underivable(`the parameter ${parameter} of "${name}" is unknown`)
  }
  return { identifier: serializeItem(item), name, ofRequest, member, queryParameter }
}

function componentValue(component: CoveredComponent, message: MessageParts, request?: RequestParts): string {
  const source = component.ofRequest ? request : message
  if (source === undefined || (component.ofRequest && 'method' in message))
    throw underivable(`${component.identifier} belongs into a response that is bound to its request`)
  if (!component.name.startsWith('@')) return fieldValue(component, source.headers)
  if ('status' in source) {
    if (component.name === '@status') return String(source.status)
    throw underivable(`${component.identifier} is not part of a response`)
  }
  switch (component.name) {
    case '@method':
      return source.method
    case '@authority':
      return source.authority
    case '@path':
      return source.path === '' ? '/' : source.path
    case '@query':
      return source.query === '' ? '?' : source.query
    case '@query-param':
      return queryParameter(component, source.query)
    default:
      throw underivable(`${component.identifier} is not part of a request, or not supported`)
  }
}

/** §2.1: the lines of the field without surrounding white space, joined; or one member of it as a dictionary. */
function fieldValue({ identifier, name, member }: CoveredComponent, headers: FieldValues): string {
  const lines = headers[name]
  if (lines === undefined) throw underivable(`the message has no field ${identifier}`)
  const value = typeof lines === 'string' ? stripped(lines) : lines.map(stripped).join(', ')
  if (member === undefined) return value
  const found = dictionaryMember(value, member)
  if (found === undefined) throw underivable(`the message has no ${identifier}`)
  return isInnerList(found) ? serializeInnerList(found) : serializeItem(found)
}

/** Blanks and tabs alone: what `trim` takes away besides has no place in a field and must be seen to be refused. */
const stripped = (line: string): string => line.replace(/^[\t ]+|[\t ]+$/g, '')

function dictionaryMember(value: string, member: string): Item | InnerList | undefined {
  try {
    return parseDictionary(value).get(member)
  } catch (cause) {
    throw new TrustError('http_signature_malformed', 'a field with ;key is not a dictionary of RFC 9651', { cause })
  }
}

/** §2.2.8: decoded and encoded again, so that every spelling of one value is signed alike. */
function queryParameter({ identifier, queryParameter }: CoveredComponent, query: string): string {
  const values = [...new URLSearchParams(query)].filter(([name]) => formEncoded(name) === queryParameter)
  const [value] = values
  if (value === undefined || values.length > 1) throw underivable(`the query does not have ${identifier} exactly once`)
  return formEncoded(value[1])
}

const formEncoded = (text: string): string =>
  new URLSearchParams([['', text]]).toString().slice(1).replaceAll('+', '%20')

const underivable = (why: string): TrustError => new TrustError('http_signature_components', why)
