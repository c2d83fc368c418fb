import { X509Certificate } from 'node:crypto'
import { readDer, tag } from './der.ts'
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from './spiffe-id.ts'
import { TrustError } from './trust-error.ts'

/** What a peer's certificate is measured by. */
export type PeerRules = {
  readonly trustDomain: string
  /** Read with {@link readRoots}. During a rotation of the authority the old and the new one. */
  readonly roots: readonly X509Certificate[]
  readonly now: Date
  /** The deny-list: whether this certificate, or whoever it speaks for, is revoked. */
  readonly denied: (serial: string, spiffeId: string) => boolean
}

export type VerifiedSvid = {
  readonly spiffeId: SpiffeId
  /** Lower-case hex. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
}

const MAX_BYTES = 16 * 1024
const URI_NAME = 0x86
/** Object identifiers of the extensions a leaf may mark as critical, as the DER spells them (RFC 5280 §4.2.1). */
const extension = {
  keyUsage: '551d0f',
  subjectAlternativeName: '551d11',
  basicConstraints: '551d13',
  extendedKeyUsage: '551d25',
} as const
/** Bits of the first byte of keyUsage (RFC 5280 §4.2.1.3). */
const usage = { digitalSignature: 0x80, certSign: 0x04, crlSign: 0x02 } as const
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/**
 * Verifies a peer's X.509-SVID (X509-SVID §5) beside TLS's own check of the chain: issued by one of the roots itself
 * (the authority's path length is 0), valid now, a leaf for both ends of TLS, exactly one URI and that one a SPIFFE ID of
 * our trust domain, and not on the deny-list.
 * Throws `certificate_malformed`, `certificate_chain`, `certificate_not_yet_valid`, `certificate_expired`,
 * `certificate_usage`, `certificate_id`, `certificate_trust_domain` or `certificate_denied`.
 */
export function verifySvid(certificate: X509Certificate | Uint8Array, rules: PeerRules): VerifiedSvid {
  const leaf = certificate instanceof X509Certificate ? certificate : readCertificate(certificate)
  requireIssuedBy(leaf, rules)
  const extensions = readExtensions(leaf)
  requireLeafUsage(leaf, extensions)
  const spiffeId = readSpiffeId(extensions)
  const svid = {
    spiffeId,
    serial: leaf.serialNumber.toLowerCase(),
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate,
  }
  return requireCurrent(svid, rules)
}

/** What of a verified certificate can change while a connection lasts: the clock and the deny-list. Returns it, or throws. */
export function requireCurrent(svid: VerifiedSvid, rules: PeerRules): VerifiedSvid {
  const { spiffeId, serial, notBefore, notAfter } = svid
  if (rules.now < notBefore)
    throw new TrustError('certificate_not_yet_valid', `the certificate is valid from ${notBefore.toISOString()}`)
  if (rules.now >= notAfter)
    throw new TrustError('certificate_expired', `the certificate ended at ${notAfter.toISOString()}`)
  if (spiffeId.trustDomain !== rules.trustDomain)
    throw new TrustError(
      'certificate_trust_domain',
      `the certificate is of the trust domain ${spiffeId.trustDomain}, not of ${rules.trustDomain}`,
    )
  const name = formatSpiffeId(spiffeId)
  if (rules.denied(serial, name))
    throw new TrustError('certificate_denied', `the certificate ${serial} of ${name} is on the deny-list`)
  return svid
}

/** The roots of a bundle. Throws `certificate_authority` unless there is one and each is a self-signed authority. */
export function readRoots(rootsPem: readonly string[]): readonly X509Certificate[] {
  if (rootsPem.length === 0) throw new TrustError('certificate_authority', 'there is no root certificate to trust')
  return rootsPem.map((pem) => {
    const root = readCertificate(pem)
    if (!root.ca || !root.checkIssued(root) || !root.verify(root.publicKey))
      throw new TrustError('certificate_authority', 'a root must be a self-signed certificate authority')
    return root
  })
}

/** Throws `certificate_malformed`. */
export function readCertificate(certificate: string | Uint8Array): X509Certificate {
  if (certificate.length > MAX_BYTES)
    throw new TrustError('certificate_malformed', `the certificate is larger than ${MAX_BYTES} bytes`)
  try {
    return new X509Certificate(certificate)
  } catch (cause) {
    throw new TrustError('certificate_malformed', 'the bytes are no X.509 certificate', { cause })
  }
}

function requireIssuedBy(leaf: X509Certificate, { roots, now }: PeerRules): void {
  // Directly, with no way for a chain: a leaf that signs another leaf has signed nothing we look at.
  const issued = roots
    .filter((root) => root.validFromDate <= now && now < root.validToDate)
    .some((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey))
  if (!issued) throw new TrustError('certificate_chain', 'the certificate was not issued by an authority we trust')
}

type Extensions = ReadonlyMap<string, { readonly critical: boolean; readonly value: Buffer }>

/** All extensions by object identifier. One that stands twice, or is critical and unknown, is refused (RFC 5280 §4.2). */
function readExtensions(leaf: X509Certificate): Extensions {
  const extensions = new Map<string, { critical: boolean; value: Buffer }>()
  try {
    const [certificate] = readDer(leaf.raw)
    const [toBeSigned] = readDer(certificate?.content ?? Buffer.alloc(0))
    const wrapped = readDer(toBeSigned?.content ?? Buffer.alloc(0)).find((field) => field.tag === 0xa3)
    const [list] = readDer(wrapped?.content ?? Buffer.alloc(0))
    for (const { content } of readDer(list?.content ?? Buffer.alloc(0))) {
      const [name, ...rest] = readDer(content)
      const critical = rest[0]?.tag === tag.boolean
      const value = rest[critical ? 1 : 0]
      if (name?.tag !== tag.objectIdentifier || value?.tag !== tag.octetString) throw new Error('no extension')
      const oid = name.content.toString('hex')
      if (extensions.has(oid)) throw new Error('an extension stands twice')
      if (critical && !(Object.values(extension) as string[]).includes(oid)) throw new Error('unknown and critical')
      extensions.set(oid, { critical, value: value.content })
    }
  } catch (cause) {
    throw new TrustError('certificate_malformed', 'the extensions of the certificate cannot be understood', { cause })
  }
  return extensions
}

function requireLeafUsage(leaf: X509Certificate, extensions: Extensions): void {
  const refuse = (why: string) => new TrustError('certificate_usage', `a service's certificate ${why}`)
  // node:crypto's `ca` is also false for an authority that forgot its key usage. DER leaves the default, false, out.
  const constraints = extensions.get(extension.basicConstraints)
  if (constraints && onlyValue(constraints.value, tag.sequence).length > 0) throw refuse('must not be an authority')
  const keyUsage = extensions.get(extension.keyUsage)
  if (keyUsage === undefined || !keyUsage.critical) throw refuse('must have a critical key usage')
  const bits = onlyValue(keyUsage.value, tag.bitString)[1] ?? 0
  if ((bits & usage.digitalSignature) === 0) throw refuse('must be for digital signatures')
  if ((bits & (usage.certSign | usage.crlSign)) !== 0) throw refuse('must not sign certificates or revocations')
  // node:crypto calls the extended key usages `keyUsage`.
  const purposes = leaf.keyUsage ?? []
  if (!purposes.includes(SERVER_AUTH) || !purposes.includes(CLIENT_AUTH)) throw refuse('must be for both ends of TLS')
}

function readSpiffeId(extensions: Extensions): SpiffeId {
  const names = extensions.get(extension.subjectAlternativeName)
  const uris = names ? readValues(onlyValue(names.value, tag.sequence)).filter((name) => name.tag === URI_NAME) : []
  const [uri] = uris
  // X509-SVID §2: with two of them, two readers could each pick another one.
  if (uri === undefined || uris.length !== 1)
    throw new TrustError('certificate_id', `the certificate has ${uris.length} URIs and must have exactly one`)
  try {
    return parseSpiffeId(uri.content.toString('latin1'))
  } catch (cause) {
    throw new TrustError('certificate_id', 'the URI of the certificate is no SPIFFE ID of ours', { cause })
  }
}

const onlyValue = (bytes: Buffer, expected: number): Buffer => {
  const [value, more] = readValues(bytes)
  if (value?.tag !== expected || more !== undefined)
    throw new TrustError('certificate_malformed', 'an extension of the certificate is not what its name says')
  return value.content
}

const readValues = (bytes: Buffer) => {
  try {
    return readDer(bytes)
  } catch (cause) {
    throw new TrustError('certificate_malformed', 'an extension of the certificate is not DER', { cause })
  }
}
