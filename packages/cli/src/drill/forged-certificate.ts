import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { type Authority, derTag, readDer, writeDer } from '@redoubt/trust'
import type { Shown } from './channel.ts'

export type CertificateForgery = {
  /** Names of the subject. */
  readonly uris: readonly string[]
  readonly isAuthority?: boolean
  readonly notAfter?: Date
}

const utcTime = 0x17
const uriName = 0x86
const version3 = Buffer.from('a003020102', 'hex')
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const common = { keyUsage: '551d0f', subjectAlternativeName: '551d11', basicConstraints: '551d13', purposes: '551d25' }
const [serverAuth, clientAuth] = ['2b06010505070301', '2b06010505070302'] as const

/**
 * A certificate that says whatever its maker likes, without the checks of a certificate authority (RFC 5280 §4.1).
 * @param issuer whose name and key sign it; null to sign it with its own
 */
export function forgedCertificate(
  issuer: (Pick<Authority, 'certificatePem'> & { readonly privateKeyPem: string | Authority['privateKeyPem'] }) | null,
  { uris, isAuthority = false, notAfter = new Date(Date.now() + 3_600_000) }: CertificateForgery,
): Shown {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const own = sequence(writeDer(0x31, sequence(oid('55040a'), writeDer(0x0c, Buffer.from('Redoubt')))))
  const names = uris.map((uri) => writeDer(uriName, Buffer.from(uri)))
  const content = sequence(
    version3,
    writeDer(derTag.integer, Buffer.concat([Buffer.from([1]), randomBytes(16)])),
    ecdsaWithSha256,
    issuer ? subjectOf(issuer.certificatePem) : own,
    sequence(time(new Date(Date.now() - 600_000)), time(notAfter)),
    own,
    publicKey.export({ type: 'spki', format: 'der' }),
    writeDer(
      0xa3,
      sequence(
        extension(
          common.basicConstraints,
          true,
          isAuthority ? sequence(writeDer(derTag.boolean, Buffer.from([0xff]))) : sequence(),
        ),
        extension(common.keyUsage, true, writeDer(derTag.bitString, Buffer.from(isAuthority ? [2, 0x84] : [7, 0x80]))),
        extension(common.purposes, false, sequence(oid(serverAuth), oid(clientAuth))),
        extension(common.subjectAlternativeName, false, sequence(...names)),
      ),
    ),
  )
  const signer = issuer ? keyOf(issuer.privateKeyPem) : privateKey
  const signature = writeDer(derTag.bitString, Buffer.from([0]), sign('sha256', content, signer))
  const certificate = sequence(content, ecdsaWithSha256, signature)
  return {
    certificatePem: new X509Certificate(certificate).toString(),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return writeDer(derTag.sequence, ...parts)
}
function oid(hex: string): Buffer {
  return writeDer(derTag.objectIdentifier, Buffer.from(hex, 'hex'))
}
const time = (at: Date): Buffer =>
  writeDer(utcTime, Buffer.from(`${at.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  sequence(
    oid(id),
    ...(critical ? [writeDer(derTag.boolean, Buffer.from([0xff]))] : []),
    writeDer(derTag.octetString, value),
  )
const keyOf = (pem: string | Authority['privateKeyPem']): KeyObject =>
  createPrivateKey(typeof pem === 'string' ? pem : pem.reveal())

/** The name as it is encoded there, byte for byte: a chain is made by comparing these bytes. */
function subjectOf(pem: string): Buffer {
  const [certificate] = readDer(new X509Certificate(pem).raw)
  const [content] = readDer(certificate?.content ?? Buffer.alloc(0))
  const subject = readDer(content?.content ?? Buffer.alloc(0))[5]
  if (subject === undefined) throw new Error('the certificate has no subject')
  return writeDer(subject.tag, subject.content)
}
