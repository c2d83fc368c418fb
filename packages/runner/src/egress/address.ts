import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * - `public`: may be called when the plan lists the host.
 * - `private`: only when the rule for the host says `allowPrivate`.
 * - `never`: whatever the plan says.
 */
export type AddressClass = 'public' | 'private' | 'never'

/** Where clouds hand credentials to whoever asks from the inside; 168.63.129.16 even looks public. */
const metadataServices: ReadonlySet<string> = new Set(
  [
    '169.254.169.254',
    '169.254.170.2',
    '169.254.170.23',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
  ].map((address) => ipaddr.parse(address).toNormalizedString()),
)

const privateRanges: ReadonlySet<string> = new Set([
  'private',
  'loopback',
  'linkLocal',
  'carrierGradeNat',
  'uniqueLocal',
])
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * The class of an address in its usual text form. Unknown, reserved, multicast, 0/8 and every form of IPv6 that
 * carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) is `never`: each is a way around the other checks.
 */
export const classifyAddress = (text: string): AddressClass => {
  // A zone (fe80::1%eth0) chooses an interface, which is nothing a plan may do; 127.1 and 0x7f.1 are no usual form.
  if (text.includes('%') || isIP(text) === 0) return 'never'
  const address = ipaddr.parse(text)
  if (metadataServices.has(address.toNormalizedString())) return 'never'
  const range = address.range()
  if (privateRanges.has(range)) return 'private'
  if (range !== 'unicast') return 'never'
  return address instanceof ipaddr.IPv6 && !address.match(globalUnicast) ? 'never' : 'public'
}
