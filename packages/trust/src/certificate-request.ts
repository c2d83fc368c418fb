import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { tag, writeDer } from './der.ts'
import { toPem } from './pem.ts'
import { Secret } from './secret.ts'

const VERSION_1 = Buffer.from([0])
/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758 §3.2). */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex')
const NO_ATTRIBUTES = 0xa0

export type CertificateRequest = { readonly requestPem: string; readonly privateKeyPem: Secret<string> }

/**
 * A PKCS#10 request (RFC 2986) for a P-256 key, made here and never sent. It carries no name: the authority decides whom
 * it certifies, and the signature shows that the asker holds the key.
 * @param privateKeyPem PKCS#8; without one a new key is made, which is what each renewal should do.
 */
export function createCertificateRequest(privateKeyPem?: Secret<string>): CertificateRequest {
  const privateKey = privateKeyPem
    ? createPrivateKey(privateKeyPem.reveal())
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const info = writeDer(
    tag.sequence,
    writeDer(tag.integer, VERSION_1),
    writeDer(tag.sequence),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    writeDer(NO_ATTRIBUTES),
  )
  const request = writeDer(
    tag.sequence,
    info,
    writeDer(tag.sequence, writeDer(tag.objectIdentifier, ECDSA_WITH_SHA256)),
    writeDer(tag.bitString, Buffer.from([0]), sign('sha256', info, privateKey)),
  )
  return {
    requestPem: toPem('CERTIFICATE REQUEST', request),
    privateKeyPem: privateKeyPem ?? new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
  }
}
