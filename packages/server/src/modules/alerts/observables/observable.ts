/**
 * What an alert is about, as values other alerts and intelligence can be compared with.
 *
 * | type | value |
 * | --- | --- |
 * | ipv4, ipv6 | canonical text (RFC 5952); an IPv4-mapped IPv6 address is its IPv4 address |
 * | domain | lower case, punycode, no final dot |
 * | url | scheme and host in lower case, the rest as given, at most 2048 characters |
 * | email | lower case |
 * | md5, sha1, sha256, sha512 | lower-case hex |
 * | file-name, process | last step of the path, lower case |
 * | file-path | as given, at most 1024 characters |
 * | user | account name without its Windows domain, lower case |
 * | host | lower case |
 * | mac | `00:11:22:33:44:55` |
 * | cve | `CVE-2024-12345` |
 * | asn | `AS64500` |
 */
export const OBSERVABLE_TYPES = [
  'ipv4',
  'ipv6',
  'domain',
  'url',
  'email',
  'md5',
  'sha1',
  'sha256',
  'sha512',
  'file-name',
  'file-path',
  'process',
  'user',
  'host',
  'mac',
  'cve',
  'asn',
] as const
export type ObservableType = (typeof OBSERVABLE_TYPES)[number]

export type ObservableRole = 'source' | 'destination' | 'actor' | 'target'

export type Observable = {
  type: ObservableType
  value: string
  /** Where it was found: `event.src_ip`, `evidence[0].url`, `message#suser`. */
  source: string
  role?: ObservableRole
  /** True for addresses and names that mean nothing outside the network they come from (RFC 1918, RFC 4193, .local). */
  internal?: true
}
