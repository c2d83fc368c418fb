import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ExtendedKeyUsage, Extension, KeyUsageFlags, SubjectAlternativeNameExtension } from '@peculiar/x509'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Authority,
  CertificateHolder,
  createAuthority,
  createCertificateRequest,
  formatSpiffeId,
  issueSvid,
  type PeerRules,
  readRoots,
  Secret,
  TrustError,
  type TrustErrorCode,
  verifySvid,
} from '../src/index.ts'
import {
  DAY_MS,
  type Forgery,
  forge,
  newAuthority,
  newHolder,
  newSvid,
  runner,
  service,
  trustDomain,
} from './certificate-fixture.ts'

const now = new Date('2026-05-04T10:00:00.750Z')
const after = (ms: number) => new Date(now.getTime() + ms)
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })
const api = service('api')

let authority: Authority
let rules: PeerRules
beforeAll(async () => {
  authority = await newAuthority(now)
  rules = { trustDomain, roots: readRoots([authority.certificatePem]), now, denied: () => false }
})
const verify = (pem: string, change: Partial<PeerRules> = {}) =>
  verifySvid(new X509Certificate(pem), { ...rules, ...change })

describe('the authority', () => {
  test('certifies a key for one identity, for both ends of TLS, for a day, from a minute ago', async () => {
    for (const id of [api, runner]) {
      const { requestPem } = createCertificateRequest()
      const issued = await issueSvid(authority, requestPem, id, { now })
      const leaf = new X509Certificate(issued.certificatePem)
      expect(verify(issued.certificatePem)).toEqual({
        spiffeId: id,
        serial: issued.serial,
        notBefore: new Date('2026-05-04T09:59:00Z'),
        notAfter: new Date('2026-05-05T10:00:00Z'),
      })
      expect(leaf.subjectAltName).toBe(`URI:${formatSpiffeId(id)}`)
      expect(leaf.ca).toBe(false)
    }
  })

  test('gives every certificate a positive serial number with 128 random bits', async () => {
    const { requestPem } = createCertificateRequest()
    const serials = new Set<string>()
    for (let i = 0; i < 20; i++) serials.add((await issueSvid(authority, requestPem, api, { now })).serial)
    expect(serials.size).toBe(20)
    for (const serial of serials) expect(serial).toMatch(/^01[0-9a-f]{32}$/)
  })

  test('adds host names and addresses for other clients, and refuses what is none', async () => {
    const { requestPem } = createCertificateRequest()
    const { certificatePem } = await issueSvid(authority, requestPem, api, {
      now,
      dnsNames: ['api.redoubt.internal'],
      ipAddresses: ['127.0.0.1', '::1'],
    })
    expect(new X509Certificate(certificatePem).subjectAltName).toBe(
      'URI:spiffe://redoubt.test/service/api, DNS:api.redoubt.internal, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    )
    expect(verify(certificatePem).spiffeId).toEqual(api)
    for (const dnsNames of [['*'], ['a b'], ['UPPER'], ['a..b'], ['a, URI:spiffe://redoubt.test/service/keeper']])
      await expect(issueSvid(authority, requestPem, api, { now, dnsNames })).rejects.toEqual(
        refusal('certificate_request'),
      )
    for (const ipAddresses of [['localhost'], ['1.2.3']])
      await expect(issueSvid(authority, requestPem, api, { now, ipAddresses })).rejects.toEqual(
        refusal('certificate_request'),
      )
  })

  test('never certifies beyond its own end, and nothing before its beginning or after its end', async () => {
    const short = await newAuthority(now, trustDomain, 3_600_000)
    const { requestPem } = createCertificateRequest()
    const issued = await issueSvid(short, requestPem, api, { now })
    expect(issued.notAfter).toEqual(new Date('2026-05-04T11:00:00Z'))
    for (const at of [after(3_600_000), after(-3_600_000)])
      await expect(issueSvid(short, requestPem, api, { now: at })).rejects.toEqual(refusal('certificate_authority'))
  })

  test('certifies nobody of another trust domain', async () => {
    const { requestPem } = createCertificateRequest()
    for (const domain of ['redoubt.other', `${trustDomain}.evil`, 'test'])
      await expect(issueSvid(authority, requestPem, service('api', domain), { now })).rejects.toEqual(
        refusal('certificate_authority'),
      )
    await expect(createAuthority({ trustDomain: 'Bad Domain', now, validityMs: DAY_MS })).rejects.toEqual(
      refusal('spiffe_id'),
    )
  })

  test('refuses a request that does not prove its key, is of another kind of key, or is none', async () => {
    const mine = createCertificateRequest().requestPem
    const bytes = Buffer.from(mine.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const pem = (der: Buffer) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    await expect(issueSvid(authority, pem(bytes), api, { now })).resolves.toBeTruthy()

    // Somebody else's signed part, with their public key, over our signature: it fills the bytes from 3 to 103.
    const [begin, end] = [3, 103]
    const other = Buffer.from(createCertificateRequest().requestPem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    const stolen = Buffer.concat([bytes.subarray(0, begin), other.subarray(begin, end), bytes.subarray(end)])
    await expect(issueSvid(authority, pem(stolen), api, { now })).rejects.toThrow('its signature is not by its key')

    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
    const otherCurve = createCertificateRequest(new Secret(p384.export({ type: 'pkcs8', format: 'pem' }).toString()))
    for (const wrong of [otherCurve.requestPem, '', 'no request', authority.certificatePem, mine + ' '.repeat(8192)])
      await expect(issueSvid(authority, wrong, api, { now })).rejects.toEqual(refusal('certificate_request'))

    await fc.assert(
      fc.asyncProperty(fc.integer({ min: begin, max: end - 1 }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const altered = Buffer.from(bytes)
        altered[at] = (altered[at] ?? 0) ^ flip
        await expect(issueSvid(authority, pem(altered), api, { now })).rejects.toBeInstanceOf(TrustError)
      }),
      { numRuns: 60 },
    )
  })

  test('shows its key to nobody who prints it, nor does a request', () => {
    expect(JSON.stringify([authority, createCertificateRequest()])).not.toContain('PRIVATE')
  })
})

test('a process that issues nothing does not load the certificate library, which costs 25 MB', () => {
  const program = `
    const trust = await import('@redoubt/trust')
    trust.createCertificateRequest()
    console.log(typeof Reflect.getMetadata)
    await trust.createAuthority({ trustDomain: 'redoubt.test', now: new Date(), validityMs: 1000 })
    console.log(typeof Reflect.getMetadata)`
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  expect(printed.split('\n')).toEqual(['undefined', 'function', ''])
})

describe('a peer', () => {
  const forged = async (change: Omit<Forgery, 'now'>) =>
    (await forge({ now, issuer: authority, ...change })).certificatePem

  test('with a certificate such as the authority issues is verified (control of the refusals below)', async () => {
    expect(verify(await forged({})).spiffeId).toEqual(api)
  })

  const uri = 'spiffe://redoubt.test/service/api'
  const otherNames = () =>
    new SubjectAlternativeNameExtension([{ type: 'url', value: 'spiffe://redoubt.test/service/keeper' }])
  const unknown = (critical: boolean) => new Extension('1.3.6.1.4.1.99999.1', critical, Buffer.from([0x05, 0x00]))
  const cases: readonly [string, TrustErrorCode, () => Omit<Forgery, 'now'>][] = [
    ['that signed its certificate itself', 'certificate_chain', () => ({ issuer: undefined }) as never],
    ['that is an authority', 'certificate_usage', () => ({ authority: true })],
    [
      'that may sign certificates',
      'certificate_usage',
      () => ({ keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign }),
    ],
    [
      'that may sign revocations',
      'certificate_usage',
      () => ({ keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign }),
    ],
    ['that may not sign', 'certificate_usage', () => ({ keyUsage: KeyUsageFlags.keyAgreement })],
    ['without a key usage', 'certificate_usage', () => ({ keyUsage: null })],
    ['whose key usage may be overlooked', 'certificate_usage', () => ({ keyUsageCritical: false })],
    ['for servers alone', 'certificate_usage', () => ({ purposes: [ExtendedKeyUsage.serverAuth] })],
    ['for clients alone', 'certificate_usage', () => ({ purposes: [ExtendedKeyUsage.clientAuth] })],
    ['with two URIs', 'certificate_id', () => ({ uris: [uri, 'spiffe://redoubt.test/service/keeper'] })],
    ['with the same URI twice', 'certificate_id', () => ({ uris: [uri, uri] })],
    ['with no URI', 'certificate_id', () => ({ uris: [] })],
    ['with a URI that is no SPIFFE ID', 'certificate_id', () => ({ uris: ['https://redoubt.test/service/api'] })],
    ['of a kind we do not issue', 'certificate_id', () => ({ uris: ['spiffe://redoubt.test/admin'] })],
    ['of another trust domain', 'certificate_trust_domain', () => ({ uris: ['spiffe://redoubt.other/service/api'] })],
    ['with another list of names', 'certificate_chain', () => ({ more: [otherNames()] })],
    ['with an extension twice', 'certificate_malformed', () => ({ more: [unknown(false), unknown(false)] })],
    ['with a critical extension nobody knows', 'certificate_malformed', () => ({ more: [unknown(true)] })],
    ['whose certificate has ended', 'certificate_expired', () => ({ beginsInMs: -2 * DAY_MS })],
    ['whose certificate has not begun', 'certificate_not_yet_valid', () => ({ beginsInMs: 60_000 })],
  ]
  test.each(cases)('%s is refused', async (_who, code, change) => {
    const pem = await forged(change())
    expect(() => verify(pem)).toThrow(refusal(code))
  })

  test('is refused from the very moment its certificate ends', async () => {
    const { certificatePem } = await newSvid(authority, api, now)
    expect(verify(certificatePem, { now: new Date('2026-05-05T09:59:59.999Z') }).spiffeId).toEqual(api)
    expect(() => verify(certificatePem, { now: new Date('2026-05-05T10:00:00Z') })).toThrow(
      refusal('certificate_expired'),
    )
  })

  test('certified by another authority of the same name and trust domain is refused, unless both are trusted', async () => {
    const other = await newAuthority(now)
    const { certificatePem } = await newSvid(other, api, now)
    expect(() => verify(certificatePem)).toThrow(refusal('certificate_chain'))
    const both = readRoots([authority.certificatePem, other.certificatePem])
    expect(verify(certificatePem, { roots: both }).spiffeId).toEqual(api)
    expect(verify((await newSvid(authority, api, now)).certificatePem, { roots: both }).spiffeId).toEqual(api)
  })

  test('certified by a leaf is refused, and so is one whose authority has ended', async () => {
    const leaf = await newSvid(authority, api, now)
    expect(() => verify(leaf.certificatePem)).not.toThrow()
    const below = await forge({ now, issuer: leaf })
    expect(() => verify(below.certificatePem)).toThrow(refusal('certificate_chain'))
    // The key of the leaf under the name of the authority.
    const posing = await forge({ now, issuer: { ...authority, privateKeyPem: leaf.privateKeyPem } })
    expect(() => verify(posing.certificatePem)).toThrow(refusal('certificate_chain'))
    const short = await newAuthority(now, trustDomain, 3_600_000)
    const late = await forge({ now, issuer: short })
    expect(() =>
      verify(late.certificatePem, { roots: readRoots([short.certificatePem]), now: after(4_000_000) }),
    ).toThrow(refusal('certificate_chain'))
  })

  test('on the deny-list is refused, by its serial or by its name', async () => {
    const { certificatePem, serial } = await newSvid(authority, runner, now)
    expect(verify(certificatePem).serial).toBe(serial)
    expect(() => verify(certificatePem, { denied: (each) => each === serial })).toThrow(refusal('certificate_denied'))
    const name = formatSpiffeId(runner)
    expect(() => verify(certificatePem, { denied: (_, each) => each === name })).toThrow(refusal('certificate_denied'))
  })

  test('with a single altered byte in its certificate is refused', async () => {
    const { certificatePem } = await newSvid(authority, api, now)
    const { raw } = new X509Certificate(certificatePem)
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Buffer.from(raw)
        altered[at] = (altered[at] ?? 0) ^ flip
        expect(() => verifySvid(altered, rules)).toThrow(TrustError)
      }),
      { numRuns: 300 },
    )
    expect(() => verifySvid(Buffer.alloc(20_000), rules)).toThrow(refusal('certificate_malformed'))
  })

  test('is trusted through nothing but a self-signed authority', async () => {
    const { certificatePem } = await newSvid(authority, api, now)
    const keyUsage = KeyUsageFlags.keyCertSign
    const root = await forge({ now, keyUsage, authority: true })
    expect(readRoots([root.certificatePem]).length).toBe(1)
    const leaf = await forge({ now, keyUsage, authority: false })
    const below = await forge({ now, keyUsage, authority: true, issuer: authority })
    for (const roots of [[], [certificatePem], [leaf.certificatePem], [below.certificatePem]])
      expect(() => readRoots(roots)).toThrow(refusal('certificate_authority'))
    expect(() => readRoots(['no certificate'])).toThrow(refusal('certificate_malformed'))
  })
})

describe('the holder', () => {
  test('takes no certificate of somebody else, without its key, ended, or by an authority it was not given', async () => {
    const holder = await newHolder(authority, api, { now: () => now })
    const before = holder.held
    const good = await newSvid(authority, api, now)
    const stranger = await newAuthority(now)
    const refuses = (change: Partial<typeof good>, code: TrustErrorCode) => {
      expect(() => holder.replace({ ...good, ...change })).toThrow(refusal(code))
      expect(holder.held).toBe(before)
    }
    refuses(await newSvid(authority, service('web'), now), 'certificate_id')
    refuses({ privateKeyPem: createCertificateRequest().privateKeyPem }, 'certificate_key')
    refuses({ rootsPem: [stranger.certificatePem] }, 'certificate_chain')
    refuses({ rootsPem: [] }, 'certificate_authority')
    refuses(await forge({ now, issuer: authority, beginsInMs: -2 * DAY_MS }), 'certificate_expired')
    expect(holder.replace(good).serial).toBe(good.serial)
    expect(JSON.stringify(holder.held)).not.toContain('PRIVATE')
  })

  test('begins with roots and no certificate, and tells its listeners of each replacement until they stop', async () => {
    const holder = new CertificateHolder({
      spiffeId: api,
      rootsPem: [authority.certificatePem],
      clock: { now: () => now },
      denied: () => false,
    })
    expect(holder.held).toBeNull()
    let changes = 0
    const stop = holder.onChange(() => changes++)
    holder.replace(await newSvid(authority, api, now))
    holder.replaceRoots([authority.certificatePem, (await newAuthority(now)).certificatePem])
    expect(changes).toBe(2)
    expect(holder.rules().roots.length).toBe(2)
    stop()
    holder.replace(await newSvid(authority, api, now))
    expect(changes).toBe(2)
  })
})

describe('OpenSSL, which shares nothing with us,', () => {
  const available = (() => {
    try {
      execFileSync('openssl', ['version'], { stdio: 'ignore' })
      return true
    } catch {
      console.log('skipped: there is no openssl command on this machine')
      return false
    }
  })()
  const withFiles = (files: Readonly<Record<string, string>>, check: (path: (name: string) => string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'redoubt-certificates-'))
    try {
      for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
      check((name) => join(folder, name))
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })

  test.runIf(available)('accepts our request and our chain by its strict rules, and reads the SPIFFE ID', async () => {
    const today = new Date()
    const root = await newAuthority(today)
    const { requestPem } = createCertificateRequest()
    const { certificatePem } = await issueSvid(root, requestPem, api, { now: today })
    withFiles({ 'ca.pem': root.certificatePem, 'leaf.pem': certificatePem, 'request.pem': requestPem }, (path) => {
      expect(openssl('req', '-in', path('request.pem'), '-noout', '-verify', '-subject')).toMatch(/^subject=\s*$/)
      for (const purpose of ['sslserver', 'sslclient'])
        expect(
          openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', path('ca.pem'), path('leaf.pem')),
        ).toContain('OK')
      const leaf = openssl('x509', '-in', path('leaf.pem'), '-noout', '-text')
      expect(leaf).toContain('URI:spiffe://redoubt.test/service/api')
      expect(leaf).toMatch(/Key Usage: critical\s+Digital Signature\n/)
      expect(leaf).toMatch(/Basic Constraints: critical\s+CA:FALSE/)
      const ca = openssl('x509', '-in', path('ca.pem'), '-noout', '-text')
      expect(ca).toMatch(/CA:TRUE, pathlen:0/)
      expect(ca).toMatch(/Name Constraints: critical\s+Permitted:\s+URI:redoubt\.test/)
    })
  })

  test.runIf(available)(
    'refuses by the name constraint what our authority signs for another trust domain',
    async () => {
      const today = new Date()
      const root = await newAuthority(today)
      const foreign = await forge({ now: today, issuer: root, uris: ['spiffe://redoubt.other/service/api'] })
      withFiles({ 'ca.pem': root.certificatePem, 'leaf.pem': foreign.certificatePem }, (path) => {
        expect(() => openssl('verify', '-CAfile', path('ca.pem'), path('leaf.pem'))).toThrow(
          /permitted subtree violation/,
        )
      })
    },
  )
})
