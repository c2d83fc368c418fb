import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classifyAddress } from './address.ts'

/** The registries of special-purpose addresses (RFC 6890 and its successors), written down a second time. */
const special: readonly [string, number, 'private' | 'never'][] = [
  ['0.0.0.0', 8, 'never'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['127.0.0.0', 8, 'private'],
  ['169.254.0.0', 16, 'private'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'never'],
  ['192.0.2.0', 24, 'never'],
  ['192.88.99.0', 24, 'never'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'never'],
  ['198.51.100.0', 24, 'never'],
  ['203.0.113.0', 24, 'never'],
  ['224.0.0.0', 4, 'never'],
  ['240.0.0.0', 4, 'never'],
]
const metadata = ['169.254.169.254', '169.254.170.2', '169.254.170.23', '100.100.100.200', '168.63.129.16']
const inside = (prefix: string, bits: number) => {
  const list = new BlockList()
  list.addSubnet(prefix, bits, 'ipv4')
  return (address: string) => list.check(address, 'ipv4')
}
const ranges = special.map(([prefix, bits, kind]) => ({ kind, holds: inside(prefix, bits) }))
const ipv4 = fc.oneof(
  fc.ipV4(),
  // Random addresses seldom fall into small ranges: begin in one and change the end.
  fc
    .tuple(fc.constantFrom(...special), fc.nat(255), fc.nat(255))
    .map(([[prefix], c, d]) => `${prefix.split('.').slice(0, 2).join('.')}.${c}.${d}`),
)
const hex = (address: string) => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
}

describe('the class of an address', () => {
  it('is what the registries of special IPv4 addresses say', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        fc.pre(!metadata.includes(address) && !/^192\.(31\.196|52\.193|175\.48)\./.test(address))
        expect(classifyAddress(address)).toBe(ranges.find((range) => range.holds(address))?.kind ?? 'public')
      }),
      { numRuns: 2000 },
    )
  })

  it('is never public or private for IPv6 that carries IPv4', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        const low = hex(address)
        for (const carrier of [
          `::ffff:${address}`,
          `::ffff:${low}`,
          `::${low}`,
          `64:ff9b::${low}`,
          `64:ff9b:1::${low}`,
          `2002:${low}::1`,
          `2001:0:${low}::1`,
        ]) {
          // 0.0.0.1 in the compatible form is written exactly like IPv6 loopback.
          expect(classifyAddress(carrier), carrier).toBe(carrier === '::0:1' ? 'private' : 'never')
        }
      }),
      { numRuns: 2000, examples: [['0.0.0.0'], ['0.0.0.1'], ['0.0.0.2']] },
    )
  })

  it('is private for loopback, link-local and unique local IPv6, and never for the rest outside of 2000::/3', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1)
        const first = Number.parseInt(canonical.startsWith('::') ? '0' : (canonical.split(':')[0] ?? '0'), 16)
        const kind = classifyAddress(canonical)
        if (kind === 'public') expect(first >> 13).toBe(1)
        if (canonical === '::1' || first >> 6 === 0xfe80 >> 6 || first >> 9 === 0xfc00 >> 9)
          expect(kind).not.toBe('public')
        if (first >> 8 === 0xff) expect(kind).toBe('never')
      }),
      { numRuns: 2000 },
    )
    for (const address of ['::1', 'fe80::1', 'fc00::1', 'fdab::1']) expect(classifyAddress(address)).toBe('private')
    for (const address of ['::', 'ff02::1', 'fec0::1', '2001:db8::1', '3fff::1', '100::1', '5f00::1', 'fe80::1%eth0'])
      expect(classifyAddress(address), address).toBe('never')
    for (const address of ['2606:4700::1111', '8.8.8.8']) expect(classifyAddress(address)).toBe('public')
  })

  it('is never for the metadata services of clouds, in every spelling', () => {
    for (const address of [...metadata, 'fd00:ec2::254', 'fd00:0ec2:0:0:0:0:0:254', 'fd00:ec2::23', 'fd20:ce::254'])
      expect(classifyAddress(address), address).toBe('never')
  })

  it('is never for what is no address', () => {
    fc.assert(
      fc.property(fc.string(), (text) => void expect(['never', 'public', 'private']).toContain(classifyAddress(text))),
    )
    for (const text of ['', 'localhost', '1.2.3', '0x8.8.8.8', '256.1.1.1', ':::'])
      expect(classifyAddress(text)).toBe('never')
  })
})
