import { isObject, parsePayload } from './json.ts'

/**
 * Log lines that are not JSON: syslog (RFC 3164, RFC 5424), CEF, LEEF, `key=value`, `Label: value` lines, and JSON
 * after a syslog header. Every reader here walks the text once or with patterns that cannot backtrack.
 */

export type TextLine = {
  format: 'cef' | 'leef' | 'pairs' | 'json' | 'plain'
  /** What the header says; keys are those the generic adapter knows. */
  header: Readonly<Record<string, string>>
  /** Named values in the order found; a name may repeat. */
  fields: readonly (readonly [string, string])[]
  /** JSON found after the header. */
  json?: unknown
  /** The text that no field covers. */
  rest: string
}

const MAX_TEXT = 262_144
const MAX_FIELDS = 500

/** rsyslog writes control characters as # and three octal digits. */
function decodeOctal(text: string): string {
  return text.includes('#01') ? text.replace(/#011/g, '\t').replace(/#01[25]/g, '\n') : text
}

const PRIORITY = /^<(\d{1,3})>(?:(\d)\s)?/
const STAMP =
  /^(?:(\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)|([A-Z][a-z]{2}\s{1,2}\d{1,2}\s(?:\d{4}\s)?\d\d:\d\d:\d\d))\s+/
const HOST_AND_PROGRAM =
  /^([\w.:-]{1,255})\s+(?:([\w./-]{1,64})(?:\[(\d{1,10})\])?:\s|([\w./-]{1,64})\s+(?:\d{1,10}|-)\s+(?:[\w.-]{1,64}|-)\s+(?:-|\[)|(-)\s+-\s+-\s+-?\s?)/
const PROGRAM = /^([\w./-]{1,64})\[(\d{1,10})\]:\s/

/** Takes a syslog header off the front: priority, time, host, program. */
function syslogHeader(text: string): { header: Record<string, string>; body: string } {
  const header: Record<string, string> = {}
  let body = text
  const priority = PRIORITY.exec(body)
  if (priority && Number(priority[1]) < 192) {
    header['syslog_level'] = String(Number(priority[1]) % 8)
    body = body.slice(priority[0].length)
  }
  const stamp = STAMP.exec(body)
  if (stamp) {
    header['timestamp'] = stamp[1] ?? stamp[2] ?? ''
    body = body.slice(stamp[0].length)
    const sender = HOST_AND_PROGRAM.exec(body)
    if (sender) {
      header['hostname'] = sender[1] ?? ''
      const program = sender[2] ?? sender[4]
      if (program && program !== '-') header['process_name'] = program
      body = body.slice(sender[0].length)
    }
  }
  const program = PROGRAM.exec(body)
  if (program) {
    header['process_name'] ??= program[1] ?? ''
    body = body.slice(program[0].length)
  }
  return { header, body }
}

/** Splits on `|` that no backslash escapes, at most `count` parts; the last part is the remainder. */
function splitPipes(text: string, count: number): string[] {
  const parts: string[] = []
  let start = 0
  for (let index = 0; index < text.length && parts.length < count - 1; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 0x5c) index += 1
    else if (code === 0x7c) {
      parts.push(text.slice(start, index).replaceAll('\\|', '|').trim())
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}

const CEF_KEY = /(?:^|[\s|])([A-Za-z_][\w.[\]-]{0,63})=/g

/** CEF extension: values run to the next ` key=`; `\=`, `\\`, `\n` are escapes. */
function cefFields(extension: string): [string, string][] {
  const keys = [...extension.matchAll(CEF_KEY)].slice(0, MAX_FIELDS)
  return keys.map((match, index) => {
    const start = match.index + match[0].length
    const value = extension.slice(start, keys[index + 1]?.index ?? extension.length)
    return [match[1] ?? '', value.trim().replaceAll('\\=', '=').replaceAll('\\\\', '\\').replaceAll('\\n', '\n')]
  })
}

/** `cs1=x cs1Label=Policy` is one field, Policy=x. */
function labelled(fields: readonly [string, string][]): [string, string][] {
  const labels = new Map<string, string>()
  for (const [key, value] of fields) if (key.endsWith('Label') && value) labels.set(key.slice(0, -5), value)
  if (labels.size === 0) return [...fields]
  return fields.filter(([key]) => !key.endsWith('Label')).map(([key, value]) => [labels.get(key) ?? key, value])
}

const CEF_START = /(?:CEF:\s*|^\s*)\d(?:\.\d)?\|[^|]{1,128}\|[^|]{0,128}\|[^|]{0,64}\|[^|]{0,256}\|/

function cef(text: string, header: Record<string, string>): TextLine | null {
  const start = CEF_START.exec(text.slice(0, 2048))
  if (!start) return null
  const [, vendor = '', product = '', version = '', id = '', name = '', severity = '', extension = ''] = splitPipes(
    text.slice(start.index),
    8,
  )
  if (text.includes('LEEF:') || !extension.includes('=')) return null
  const fields = labelled(cefFields(extension))
  return {
    format: 'cef',
    header: { ...header, vendor, product, product_version: version, signature_id: id, name, severity },
    fields,
    rest: name,
  }
}

const LEEF_START = /(?:LEEF:\s*)?\d\.\d\|[^|]{1,128}\|[^|]{0,128}\|[^|]{0,64}\|[^|]{0,256}\|/

function leefDelimiter(text: string): string {
  const code = /^(?:0x|x)([0-9a-fA-F]{1,4})$/.exec(text)
  return code ? String.fromCharCode(Number.parseInt(code[1] ?? '9', 16)) : text
}

function leef(text: string, header: Record<string, string>): TextLine | null {
  const start = LEEF_START.exec(text.slice(0, 2048))
  if (!start) return null
  const [, vendor = '', product = '', version = '', id = '', tail = ''] = splitPipes(text.slice(start.index), 6)
  const custom = /^([^|\s=]{1,6})\|/.exec(tail)
  const delimiter = custom
    ? leefDelimiter(custom[1] ?? '\t')
    : tail.includes('\t')
      ? '\t'
      : tail.includes('|')
        ? '|'
        : '\t'
  const attributes = (custom ? tail.slice(custom[0].length) : tail).split(delimiter).slice(0, MAX_FIELDS)
  const fields = attributes.flatMap((attribute): [string, string][] => {
    const equals = attribute.indexOf('=')
    return equals > 0 ? [[attribute.slice(0, equals).trim(), attribute.slice(equals + 1).trim()]] : []
  })
  if (fields.length === 0) return null
  return {
    format: 'leef',
    header: { ...header, vendor, product, product_version: version, signature_id: id, name: id },
    fields,
    rest: '',
  }
}

const PAIR = /(?<![\w.-])"?([A-Za-z_@][\w.@-]{0,63})"?\s?=\s?(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s,;"'<>|[\](){}]*))/g

/** `key=value`, `key="quoted value"`, `"key"="value"`; two pairs at least, or a sentence with one `=` would count. */
function pairs(text: string): { fields: [string, string][]; rest: string } | null {
  if (!text.includes('=')) return null
  const fields: [string, string][] = []
  let rest = ''
  let from = 0
  for (const match of text.matchAll(PAIR)) {
    if (fields.length >= MAX_FIELDS) break
    const value = match[2] !== undefined ? match[2].replaceAll('\\"', '"') : (match[3] ?? match[4] ?? '')
    fields.push([match[1] ?? '', value])
    rest += `${text.slice(from, match.index)} `
    from = match.index + match[0].length
  }
  return fields.length < 2 ? null : { fields, rest: (rest + text.slice(from)).trim() }
}

const LABEL_LINE = /^[ \t]*([\p{L}][\p{L}\p{N} .'’/()-]{1,48}?)[ \t\u00a0]*:[ \t\u00a0]+(\S.{0,2048})$/u

/** Windows events and mail notices: `Account Name:	jdoe`, one to a line. */
function labelLines(text: string): { fields: [string, string][]; rest: string } | null {
  const lines = text.split('\n')
  if (lines.length < 3) return null
  const fields: [string, string][] = []
  const rest: string[] = []
  for (const line of lines.slice(0, 2000)) {
    const found = line.length <= 2200 ? LABEL_LINE.exec(line.trimEnd()) : null
    if (found && fields.length < MAX_FIELDS) fields.push([found[1] ?? '', (found[2] ?? '').trim()])
    else rest.push(line)
  }
  return fields.length < 3 ? null : { fields, rest: rest.join('\n') }
}

function embeddedJson(text: string): { json: unknown; rest: string } | null {
  const open = text.indexOf('{"') >= 0 ? text.indexOf('{"') : text.search(/\{\s{1,8}"/)
  const close = text.lastIndexOf('}')
  if (open < 0 || close <= open) return null
  try {
    const json = parsePayload(text.slice(open, close + 1))
    return isObject(json) ? { json, rest: `${text.slice(0, open)} ${text.slice(close + 1)}`.trim() } : null
  } catch {
    return null
  }
}

/** Reads a log line into its parts. Never throws; a line in no known form is `plain` with its text in `rest`. */
export function parseTextLine(line: string): TextLine {
  const text = decodeOctal(line.length > MAX_TEXT ? line.slice(0, MAX_TEXT) : line).replace(/^\uFEFF/, '')
  const { header, body } = syslogHeader(text.trimStart())
  const structured = cef(body, header) ?? leef(body, header)
  if (structured) return structured
  const embedded = embeddedJson(body)
  if (embedded) return { format: 'json', header, fields: [], ...embedded }
  const found = pairs(body) ?? labelLines(body)
  if (found) return { format: 'pairs', header, ...found }
  return { format: 'plain', header, fields: [], rest: body }
}
