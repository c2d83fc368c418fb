import 'reflect-metadata'
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import {
  type Authority,
  CertificateHolder,
  createAuthority,
  createCertificateRequest,
  issueSvid,
  type PeerRules,
  Secret,
  type SpiffeId,
  type Svid,
} from '../src/index.ts'

export const DAY_MS = 86_400_000
export const trustDomain = 'redoubt.test'
export const organizationId = '018f3c1e-7b1a-7c00-8000-000000000001'
export const runnerId = '018f3c1e-7b1a-7c00-8000-000000000002'
export const service = (name: string, domain = trustDomain): SpiffeId => ({
  trustDomain: domain,
  kind: 'service',
  name,
})
export const runner: SpiffeId = { trustDomain, kind: 'runner', organizationId, runnerId }

export const newAuthority = (now: Date, domain = trustDomain, validityMs = 3650 * DAY_MS) =>
  createAuthority({ trustDomain: domain, now, validityMs })

/** A certificate made the right way, with its key and the roots of its authority. */
export async function newSvid(
  authority: Authority,
  id: SpiffeId,
  now: Date,
  options: { readonly lifetimeMs?: number; readonly roots?: readonly Authority[] } = {},
): Promise<Svid & { readonly serial: string }> {
  const { requestPem, privateKeyPem } = createCertificateRequest()
  const { lifetimeMs = DAY_MS, roots = [authority] } = options
  const { certificatePem, serial } = await issueSvid(authority, requestPem, id, { now, lifetimeMs })
  return { certificatePem, privateKeyPem, rootsPem: roots.map((root) => root.certificatePem), serial }
}

export async function newHolder(
  authority: Authority,
  id: SpiffeId,
  clock: { now(): Date },
  denied: PeerRules['denied'] = () => false,
): Promise<CertificateHolder> {
  const holder = new CertificateHolder({ spiffeId: id, rootsPem: [authority.certificatePem], clock, denied })
  holder.replace(await newSvid(authority, id, clock.now()))
  return holder
}

/** What a forger who holds some key may write into a certificate. */
export type Forgery = {
  readonly now: Date
  readonly issuer?: { readonly certificatePem: string; readonly privateKeyPem: Secret<string> }
  readonly uris?: readonly string[]
  readonly authority?: boolean
  readonly keyUsage?: number | null
  readonly keyUsageCritical?: boolean
  readonly purposes?: readonly string[]
  readonly more?: readonly x509.Extension[]
  readonly beginsInMs?: number
  readonly lifetimeMs?: number
}

/** A certificate by the hand of a forger; without an issuer it is signed with its own key. */
export async function forge(forgery: Forgery): Promise<{ certificatePem: string; privateKeyPem: Secret<string> }> {
  const { now, issuer, uris = ['spiffe://redoubt.test/service/api'], authority = false, more = [] } = forgery
  const { keyUsage = x509.KeyUsageFlags.digitalSignature, keyUsageCritical = true } = forgery
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage
  const { purposes = [serverAuth, clientAuth], beginsInMs = -60_000, lifetimeMs = DAY_MS } = forgery
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = (key: string) => createPublicKey(key).export({ type: 'spki', format: 'der' })
  const own = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const signer = issuer?.privateKeyPem.reveal() ?? own
  const subject = 'O=Redoubt'
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(16).toString('hex')}`,
    subject,
    issuer: issuer ? new x509.X509Certificate(new X509Certificate(issuer.certificatePem).raw).subjectName : subject,
    notBefore: new Date(now.getTime() + beginsInMs),
    notAfter: new Date(now.getTime() + beginsInMs + lifetimeMs),
    publicKey: spki(own),
    signingKey: createPrivateKey(signer).toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(authority, undefined, true),
      ...(keyUsage === null ? [] : [new x509.KeyUsagesExtension(keyUsage, keyUsageCritical)]),
      new x509.ExtendedKeyUsageExtension([...purposes]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        ...uris.map((value) => ({ type: 'url', value }) as const),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(spki(signer)),
      await x509.SubjectKeyIdentifierExtension.create(spki(own)),
      ...more,
    ],
  })
  return {
    certificatePem: new X509Certificate(Buffer.from(certificate.rawData)).toString(),
    privateKeyPem: new Secret(own),
  }
}
