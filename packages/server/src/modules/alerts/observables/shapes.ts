import { domainToASCII } from 'node:url'
import ipaddr from 'ipaddr.js'
import { parse as parseDomain } from 'tldts'

/** Reading single values: is this text, as a whole, an address, a domain, a hash, …? */

export type Address = { type: 'ipv4' | 'ipv6'; value: string; internal: boolean }

/** Ranges that mean nothing outside the network they are used in. */
const INTERNAL_RANGES = new Set(['private', 'uniqueLocal', 'linkLocal', 'carrierGradeNat'])
/** Addresses that identify no one. */
const NOBODY = new Set(['loopback', 'unspecified', 'broadcast', 'multicast'])

const IPV4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/

/** An address in canonical form; null for anything else, for loopback, unspecified, broadcast and multicast ones. */
export function addressOf(text: string): Address | null {
  if (text.length < 3 || text.length > 64) return null
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const isV6 = bare.includes(':')
  if (isV6 ? !/^[0-9a-fA-F:.]+(?:%[\w.-]{1,16})?$/.test(bare) || !/[0-9a-fA-F]/.test(bare) : !IPV4.test(bare))
    return null
  const zoneless = bare.split('%', 1)[0] ?? ''
  if (!ipaddr.isValid(zoneless)) return null
  const address = ipaddr.process(zoneless)
  const range = address.range()
  if (NOBODY.has(range)) return null
  const type = address.kind()
  // ::ffff:0 and other forms of zero are written where no address was known.
  if (type === 'ipv6' && range === 'ipv4Mapped') return null
  return { type, value: address.toString(), internal: INTERNAL_RANGES.has(range) }
}

const HOSTNAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,62}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/

/** Names that resolve only inside a network (RFC 6762, RFC 8375, and what administrators choose anyway). */
const INTERNAL_SUFFIX =
  /\.(?:local|localdomain|lan|internal|intranet|intra|corp|home|private|home\.arpa|localnet|domain|ad)$/

export type DomainName = { value: string; registrable: boolean; internal: boolean }

/** A dotted domain name in lower-case punycode, and whether its suffix is in the public suffix list. */
export function domainOf(text: string): DomainName | null {
  if (text.length < 4 || text.length > 254 || !text.includes('.')) return null
  const plain = text.endsWith('.') ? text.slice(0, -1) : text
  const lower = /^[\x20-\x7e]+$/.test(plain) ? plain.toLowerCase() : domainToASCII(plain)
  if (!HOSTNAME.test(lower) || lower.endsWith('.arpa')) return null
  const parsed = parseDomain(lower, { allowPrivateDomains: false, detectIp: false, validateHostname: false })
  return {
    value: lower,
    registrable: parsed.isIcann === true && parsed.domain !== null,
    internal: INTERNAL_SUFFIX.test(lower),
  }
}

const HASHES = { 32: 'md5', 40: 'sha1', 64: 'sha256', 128: 'sha512' } as const
const HEX = /^[0-9a-fA-F]+$/

export type Hash = { type: (typeof HASHES)[keyof typeof HASHES]; value: string }

/** A file hash by its length in hex; null for one digit repeated, which vendors write for "not computed". */
export function hashOf(text: string): Hash | null {
  const type = HASHES[text.length as keyof typeof HASHES]
  if (!type || !HEX.test(text)) return null
  const value = text.toLowerCase()
  return value === value.charAt(0).repeat(value.length) ? null : { type, value }
}

const MAC = /^[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2}){4}$/
const CISCO_MAC = /^[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}$/

/** A hardware address in colon form; null for the zero, broadcast and multicast ones. */
export function macOf(text: string): string | null {
  if (!MAC.test(text) && !CISCO_MAC.test(text)) return null
  const hex = text.replace(/[^0-9a-fA-F]/g, '').toLowerCase()
  if (/^(?:0{12}|f{12})$/.test(hex) || hex.startsWith('01005e') || hex.startsWith('3333')) return null
  return hex.replace(/(..)(?=.)/g, '$1:')
}

const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}$/i

/** An e-mail address in lower case. The domain needs a dot, not a public suffix: companies use their own. */
export function emailOf(text: string): string | null {
  const split = text.lastIndexOf('@')
  if (split < 1 || text.length > 320) return null
  const local = text.slice(0, split)
  const domain = domainOf(text.slice(split + 1))
  if (!domain || !LOCAL_PART.test(local) || local.startsWith('.') || local.endsWith('.')) return null
  return `${local.toLowerCase()}@${domain.value}`
}

const WINDOWS_PATH = /^(?:[a-z]:[\\/]|\\\\|\\(?:device|systemroot|\?\?|windows|users)\\|%\w+%\\)/i
const UNIX_PATH =
  /^\/(?:usr|bin|sbin|etc|var|home|tmp|opt|root|users|applications|library|system|private|dev|proc|lib|lib64|mnt|srv|run|snap|volumes|media|boot|data|app|sys)(?:\/|$)/i

/** True when the text starts like a path of a file system, rather than the path of a URL. */
export function isFilePath(text: string): boolean {
  return WINDOWS_PATH.test(text) || UNIX_PATH.test(text)
}

/** Last step of a Windows or Unix path, or the text itself. */
export function baseName(path: string): string {
  const trimmed = path.replace(/[\\/"']+$/, '')
  return trimmed.slice(Math.max(trimmed.lastIndexOf('\\'), trimmed.lastIndexOf('/')) + 1)
}
