import 'reflect-metadata'
import { createPrivateKey, randomUUID, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

export type ServerCertificate = { readonly certificatePem: string; readonly keyPem: string }

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const keyPair = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
const validity = () => ({ notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) })

/** An authority as an operator of a database might have one; nothing of the platform's own. */
export async function certificateAuthority(name: string): Promise<{
  readonly pem: string
  /** @param names DNS names and addresses that the certificate is good for */
  issue(names: readonly string[]): Promise<ServerCertificate>
}> {
  const keys = await keyPair()
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })
  return {
    pem: authority.toString('pem'),
    async issue(names) {
      const server = await keyPair()
      const certificate = await X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${names[0]}`,
        issuer: authority.subject,
        publicKey: server.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        ...validity(),
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
          ),
        ],
      })
      const key = createPrivateKey({
        key: Buffer.from(await webcrypto.subtle.exportKey('pkcs8', server.privateKey)),
        format: 'der',
        type: 'pkcs8',
      })
      return {
        certificatePem: certificate.toString('pem'),
        keyPem: key.export({ format: 'pem', type: 'pkcs8' }) as string,
      }
    },
  }
}

const serial = () => randomUUID().replaceAll('-', '').slice(0, 30)
