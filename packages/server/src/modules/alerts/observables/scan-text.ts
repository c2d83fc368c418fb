import type { Observable } from './observable.ts'
import { isOwnHost } from './own-links.ts'
import { addressOf, domainOf, emailOf, hashOf, macOf } from './shapes.ts'

/**
 * Finds observables in running text. Work is linear in the text: it is cut into maximal runs of allowed characters
 * by patterns that cannot backtrack, and each run is judged once.
 */

export type Finding = Pick<Observable, 'type' | 'value'> & { internal?: boolean }
export type Emit = (finding: Finding) => void

/**
 * Endings that are file extensions or words of programs more often than top-level domains. In running text they
 * make no domain; in a URL, an e-mail address or a field that says "domain" they do.
 */
const FILE_LIKE_TLD = new Set(
  'py sh rs pl pm md so ps cc zip mov cab ai app id name host java bat cmd exe link download data report run bar box map mobi pub tel xyzw log cpp aspx doc docx xls xlsx ppt pdf txt json xml yaml yml html htm php asp jsp js ts css png jpg gif svg dll sys tmp lnk vbs ps1 jar war iso img msi bin dat ini cfg conf bak tar gz rar 7z eml msg property properties event events service services status type user users email group process network file files field fields value values version object'.split(
    ' ',
  ),
)

const URL_END = /[\s\p{Cc}<>"'`{}|\\^\u201c\u201d]/u
const SCHEMES = new Set([
  'http',
  'https',
  'ftp',
  'ftps',
  'sftp',
  'ws',
  'wss',
  'ldap',
  'ldaps',
  'smb',
  'rtsp',
  'ssh',
  'tcp',
  'udp',
  'telnet',
  'rdp',
])
const MAX_URL = 2048

/** A URL with scheme and host in lower case; emits the URL and its host. False when it is none or leads to a tool. */
export function emitUrl(raw: string, emit: Emit): boolean {
  const split = raw.indexOf('://')
  const scheme = raw.slice(0, split).toLowerCase()
  if (split < 2 || !SCHEMES.has(scheme)) return false
  const rest = raw.slice(split + 3)
  const end = rest.search(/[/?#]/)
  const authority = end < 0 ? rest : rest.slice(0, end)
  const withPort = authority.slice(authority.lastIndexOf('@') + 1)
  const host = withPort.startsWith('[') ? withPort.slice(1, withPort.indexOf(']')) : withPort.replace(/:\d{0,5}$/, '')
  const address = addressOf(host)
  const domain = address ? null : domainOf(host)
  if (!address && !domain) return false
  if (domain && isOwnHost(domain.value)) return true
  const tail = end < 0 ? '' : rest.slice(end)
  const credentials = authority.slice(0, authority.length - withPort.length)
  const internal = address?.internal ?? domain?.internal ?? false
  const port = withPort.slice(withPort.startsWith('[') ? host.length + 2 : host.length)
  const name = address ? (address.type === 'ipv6' ? `[${address.value}]` : address.value) : (domain?.value ?? '')
  emit({ type: 'url', value: `${scheme}://${credentials}${name}${port}${tail}`.slice(0, MAX_URL), internal })
  if (address) emit(address)
  else if (domain) emit({ type: 'domain', value: domain.value, internal })
  return true
}

/** Emits every URL in the text and returns the text with their places blanked out. */
function takeUrls(text: string, emit: Emit): string {
  let kept = ''
  let from = 0
  let delimiter = 0
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', Math.max(at + 3, from))) {
    let start = at
    while (start > from && at - start < 8 && /[a-z0-9+]/i.test(text.charAt(start - 1))) start -= 1
    // The delimiter found for one URL serves the next inside it: `http://http://…` would else be walked again each time.
    if (delimiter < at + 3) delimiter = at + 3
    while (delimiter < text.length && !URL_END.test(text.charAt(delimiter))) delimiter += 1
    const raw = text.slice(start, Math.min(delimiter, start + MAX_URL))
    const trimmed = withoutTrailing(raw)
    if (emitUrl(trimmed, emit)) {
      kept += `${text.slice(from, start)} `
      from = start + trimmed.length
    }
  }
  return from === 0 ? text : kept + text.slice(from)
}

/** A sentence's punctuation is not part of the URL; a closing bracket is, when the URL opened it. */
function withoutTrailing(url: string): string {
  const surplus = {
    ')': url.split(')').length - url.split('(').length,
    ']': url.split(']').length - url.split('[').length,
  }
  let end = url.length
  for (; end > 0; end -= 1) {
    const last = url.charAt(end - 1)
    if (last === ')' || last === ']') {
      if (surplus[last] <= 0) break
      surplus[last] -= 1
    } else if (!/[.,;:!?*]/.test(last)) break
  }
  return url.slice(0, end)
}

const MAX_LOCAL = 64
const LOCAL_CHARACTER = /[a-z0-9!#$%&'*+/=?^_`{|}~.-]/i
const DOMAIN_CHARACTER = /[a-z0-9.-]/i

function takeEmails(text: string, emit: Emit): string {
  let kept = ''
  let from = 0
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', Math.max(at + 1, from))) {
    let start = at
    while (start > from && at - start < MAX_LOCAL && LOCAL_CHARACTER.test(text.charAt(start - 1))) start -= 1
    let end = at + 1
    while (end < text.length && end - at <= 254 && DOMAIN_CHARACTER.test(text.charAt(end))) end += 1
    const local = text.slice(start, at).replace(/^.*[=/'`{|}]/, '')
    const host = text.slice(at + 1, end).replace(/[.-]+$/, '')
    const email = emailOf(`${local}@${host}`)
    if (email && domainOf(host)?.registrable) {
      emit({ type: 'email', value: email })
      kept += `${text.slice(from, at - local.length)} `
      from = at + 1 + host.length
    }
  }
  return from === 0 ? text : kept + text.slice(from)
}

const RUN = /[\p{L}\p{N}_][\p{L}\p{N}_.-]*/gu
const ADDRESS_RUN = /[0-9a-fA-F:.-]{3,}/g
const CVE = /^CVE-\d{4}-\d{4,7}$/i
const LABELS = /^(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]+$/

const COMMON_TLD = /^(?:com|net|org|info|biz|edu|gov)$/

/** In a sentence `end.In the` and in code `System.Net` have a dot too: there the case changes after it. */
function looksLikeProse(run: string): boolean {
  const tld = run.slice(run.lastIndexOf('.') + 1)
  if (tld !== tld.toLowerCase()) return run !== run.toUpperCase()
  return /[a-z][A-Z]/.test(run) && tld.length > 2 && !COMMON_TLD.test(tld)
}

function emitDomain(run: string, before: string, after: string, emit: Emit): void {
  // Steps of paths, calls, assignments, parts of identifiers, e-mail domains that were no addresses.
  if (
    before === '/' ||
    before === '\\' ||
    before === '@' ||
    before === '$' ||
    before === '#' ||
    before === '~' ||
    before === '-' ||
    before === '%'
  )
    return
  if (after === '(' || after === '\\' || after === '@' || after === '=' || after === '$' || after === '[') return
  const name = run.replace(/[.-]+$/, '')
  if (!LABELS.test(name) && /^[\x20-\x7e]*$/.test(name)) return
  if (looksLikeProse(name)) return
  const tld = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  if (FILE_LIKE_TLD.has(tld)) return
  const domain = domainOf(name)
  if (!domain?.registrable || isOwnHost(domain.value)) return
  emit({ type: 'domain', value: domain.value, internal: domain.internal })
}

function emitRun(text: string, run: string, index: number, hashes: boolean, emit: Emit): void {
  if (run.length > 320) return
  const before = index > 0 ? text.charAt(index - 1) : ''
  const after = text.charAt(index + run.length)
  if (run.includes('.')) {
    const dotted = run.replace(/[.-]+$/, '')
    const end = text.charAt(index + dotted.length)
    const address = /^\d/.test(dotted) ? addressOf(dotted) : null
    if (address) {
      if (isVersion(text, index, address.value, before, end)) return
      emit(address)
      return
    }
    emitDomain(run, before, after, emit)
  } else if (hashes && run.length >= 32) {
    const hash = hashOf(run)
    if (hash && !/[/\\{]/.test(before) && !/[/\\}]/.test(after)) emit(hash)
  } else if (CVE.test(run)) emit({ type: 'cve', value: run.toUpperCase() })
  else if (run.length === 17 && run.includes('-')) {
    const mac = macOf(run)
    if (mac) emit({ type: 'mac', value: mac })
  }
}

/** `10.0.0.0/8`: no bit is set after the prefix. `10.0.0.5/24` is an address, and `10.0.0.5/25` may be a port. */
function isNetwork(address: string, after: string): boolean {
  const prefix = /^(\d{1,2})(?!\d)/.exec(after)?.[1]
  if (prefix === undefined || Number(prefix) > 32 || !address.includes('.')) return false
  const bits = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  return bits % 2 ** (32 - Number(prefix)) === 0
}

/** `v1.2.3.4`, `version 1.2.3.4`, `Chrome/1.2.3.4`, networks (`10.0.0.0/8`) and ranges are no addresses. */
function isVersion(text: string, index: number, address: string, before: string, after: string): boolean {
  if (
    before === '/' &&
    /[A-Za-z]\/$/.test(text.slice(Math.max(0, index - 2), index)) &&
    !/(?:^|[^A-Za-z])(?:to|from|inside|outside|dmz|any)\/$/i.test(text.slice(Math.max(0, index - 9), index))
  )
    return true
  if (after === '/' && isNetwork(address, text.slice(text.indexOf('/', index) + 1, text.indexOf('/', index) + 4)))
    return true
  return /(?:v|ver|version|release|build|firmware)[\s:=.]{0,2}$/i.test(text.slice(Math.max(0, index - 12), index))
}

function takeColonRuns(text: string, emit: Emit): void {
  for (const match of text.matchAll(ADDRESS_RUN)) {
    if (match[0].length > 80 || !match[0].includes(':')) continue
    const run = match[0].replace(/^[.-]+|[.,-]+$/g, '').replace(/(?<!:):$/, '')
    const before = match.index > 0 ? text.charAt(match.index - 1) : ''
    const after = text.charAt(match.index + match[0].length)
    if (/[\p{L}\p{N}_]/u.test(before) || /[\p{L}\p{N}_]/u.test(after)) continue
    const mac = run.length === 17 ? macOf(run) : null
    if (mac) emit({ type: 'mac', value: mac })
    else if (run.split(':').length > 3 || (run.includes('::') && /\d/.test(run))) {
      const address = addressOf(run)
      if (address) emit(address)
    }
  }
}

/** Emits the URLs, e-mail addresses, IP addresses, domains, hashes, MAC addresses and CVE ids in a text, in order. */
export function scanText(text: string, emit: Emit, options: { hashes: boolean } = { hashes: true }): void {
  let rest = text
  if (rest.includes('://')) rest = takeUrls(rest, emit)
  if (rest.includes('@')) rest = takeEmails(rest, emit)
  if (rest.includes(':')) takeColonRuns(rest, emit)
  for (const match of rest.matchAll(RUN)) {
    if (match[0].length >= 7 || match[0].includes('.')) emitRun(rest, match[0], match.index, options.hashes, emit)
  }
}
