import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  type webcrypto,
} from 'node:crypto'
import { isIP } from 'node:net'
import { tag, writeDer } from './der.ts'
import { Secret } from './secret.ts'
import { formatSpiffeId, requireTrustDomain, type SpiffeId } from './spiffe-id.ts'
import { readCertificate, readRoots, verifySvid } from './svid.ts'
import { TrustError } from './trust-error.ts'

/** The internal CA of a trust domain. Whoever holds its key is every service: it stays with the keeper. */
export type Authority = { readonly certificatePem: string; readonly privateKeyPem: Secret<string> }

export type IssuedSvid = {
  readonly certificatePem: string
  readonly spiffeId: SpiffeId
  /** Lower-case hex, as the deny-list has it. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
}

/** A service's clock may lag behind the authority's by this much and still use its certificate at once. */
const BACKDATED_MS = 60_000
const DAY_MS = 86_400_000
const REQUEST_MAX_BYTES = 8 * 1024
const SIGNATURE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const NAME_CONSTRAINTS = '2.5.29.30'
const dnsForm = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/

/**
 * A new authority: P-256, self-signed, for leaves only (path length 0) and by a critical name constraint for identities
 * of this trust domain only (RFC 5280 §4.2.1.10), so that its key is worth nothing in another one.
 * @throws TrustError `spiffe_id` for a malformed trust domain
 */
export async function createAuthority(options: {
  readonly trustDomain: string
  readonly now: Date
  readonly validityMs: number
}): Promise<Authority> {
  const { trustDomain, now, validityMs } = options
  requireTrustDomain(trustDomain)
  const x509 = await library()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = 'O=Redoubt, CN=Internal CA'
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: subject,
    notBefore: wholeSeconds(now.getTime() - BACKDATED_MS),
    notAfter: wholeSeconds(now.getTime() + validityMs),
    publicKey: spkiOf(publicKey),
    signingKey: signingKeyOf(privateKey),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
      new x509.Extension(NAME_CONSTRAINTS, true, permittedUri(trustDomain)),
      await x509.SubjectKeyIdentifierExtension.create(spkiOf(publicKey)),
    ],
  })
  const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return { certificatePem: readCertificate(Buffer.from(certificate.rawData)).toString(), privateKeyPem }
}

/**
 * Certifies the key of a request (PKCS#10, PEM) as `spiffeId`. The caller has decided that the asker is that one; what the
 * request says about names, usages or times is not looked at. The certificate begins a minute ago and never outlives
 * the authority.
 * @param options.lifetimeMs 24 hours unless told otherwise
 * @param options.dnsNames for clients that compare host names; Redoubt's own do not
 * @throws TrustError `certificate_request` for a request that does not prove its key or a name that cannot be in a
 *   certificate; `certificate_authority` when the authority has ended, is damaged, or is of another trust domain
 */
export async function issueSvid(
  authority: Authority,
  requestPem: string,
  spiffeId: SpiffeId,
  options: {
    readonly now: Date
    readonly lifetimeMs?: number
    readonly dnsNames?: readonly string[]
    readonly ipAddresses?: readonly string[]
  },
): Promise<IssuedSvid> {
  const { now, lifetimeMs = DAY_MS, dnsNames = [], ipAddresses = [] } = options
  const uri = formatSpiffeId(spiffeId)
  const [root] = readRoots([authority.certificatePem])
  if (root === undefined || root.subjectAltName !== `URI:spiffe://${spiffeId.trustDomain}`)
    throw new TrustError('certificate_authority', `the authority does not speak for ${spiffeId.trustDomain}`)
  if (now < root.validFromDate || now >= root.validToDate)
    throw new TrustError(
      'certificate_authority',
      `the authority is valid from ${root.validFromDate.toISOString()} to ${root.validToDate.toISOString()}: rotate it`,
    )
  for (const name of dnsNames) if (!dnsForm.test(name)) throw badRequest(`${JSON.stringify(name)} is no DNS name`)
  for (const address of ipAddresses)
    if (isIP(address) === 0) throw badRequest(`${JSON.stringify(address)} is no IP address`)

  const publicKey = await provenKey(requestPem)
  const x509 = await library()
  const notAfter = wholeSeconds(Math.min(now.getTime() + lifetimeMs, root.validToDate.getTime()))
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: 'O=Redoubt',
    issuer: new x509.X509Certificate(root.raw).subjectName,
    notBefore: wholeSeconds(Math.max(now.getTime() - BACKDATED_MS, root.validFromDate.getTime())),
    notAfter,
    publicKey: spkiOf(publicKey),
    signingKey: signingKeyOf(createPrivateKey(authority.privateKeyPem.reveal())),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: uri },
        ...dnsNames.map((value) => ({ type: 'dns', value }) as const),
        ...ipAddresses.map((value) => ({ type: 'ip', value }) as const),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(spkiOf(root.publicKey)),
      await x509.SubjectKeyIdentifierExtension.create(spkiOf(publicKey)),
    ],
  })
  const leaf = readCertificate(Buffer.from(certificate.rawData))
  // The reader that peers use, so that nothing is handed out that they would refuse.
  const { trustDomain } = spiffeId
  const verified = verifySvid(leaf, { trustDomain, roots: [root], now, denied: () => false })
  return { certificatePem: leaf.toString(), ...verified }
}

/** The P-256 key of a request, once its signature shows that the asker holds the private half (RFC 2986 §3). */
async function provenKey(requestPem: string): Promise<KeyObject> {
  if (requestPem.length > REQUEST_MAX_BYTES) throw badRequest(`it is larger than ${REQUEST_MAX_BYTES} bytes`)
  const x509 = await library()
  try {
    const request = new x509.Pkcs10CertificateRequest(x509.PemConverter.decodeFirst(requestPem))
    const publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), type: 'spki', format: 'der' })
    if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw badRequest('its key must be on P-256')
    if (!(await request.verify())) throw badRequest('its signature is not by its key')
    return publicKey
  } catch (cause) {
    if (cause instanceof TrustError) throw cause
    throw badRequest('it is no PKCS#10 request', { cause })
  }
}

/** Loaded by those who issue alone: it costs 25 MB. Its container wants reflect-metadata before it. */
async function library() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

const signingKeyOf = (key: KeyObject): webcrypto.CryptoKey => key.toCryptoKey(SIGNATURE, false, ['sign'])
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })
const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000)

/** 128 random bits behind a leading 1, so that a serial is positive and always 17 bytes (RFC 5280 §4.1.2.2 allows 20). */
const randomSerial = (): string => `01${randomBytes(16).toString('hex')}`

/** NameConstraints { permittedSubtrees [0] { GeneralSubtree { base: uniformResourceIdentifier [6] } } } */
const permittedUri = (host: string): Buffer =>
  writeDer(tag.sequence, writeDer(0xa0, writeDer(tag.sequence, writeDer(0x86, Buffer.from(host, 'latin1')))))

const badRequest = (why: string, options?: ErrorOptions) =>
  new TrustError('certificate_request', `the certificate request is not usable: ${why}`, options)
