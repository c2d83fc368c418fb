import { constants } from 'node:crypto'
import type { ConnectionOptions, SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import type { CertificateHolder, HeldSvid } from './certificate-holder.ts'
import type { Timers } from './certificate-renewal.ts'
import { formatSpiffeId, type SpiffeId } from './spiffe-id.ts'
import { type PeerRules, requireCurrent, type VerifiedSvid, verifySvid } from './svid.ts'
import { TrustError } from './trust-error.ts'

/*
 * Options of node:tls for connections between services, and with runners, where both ends prove who they are (SVC-4).
 * Nothing here opens a connection.
 */

/** NET-2, in this order; the server's order decides. */
export const TLS_CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'
/** The hybrid with ML-KEM first: what is recorded today stays closed to the quantum computer of tomorrow. */
export const TLS_GROUPS = 'X25519MLKEM768:X25519:P-256'

const HANDSHAKE_TIMEOUT_MS = 10_000
/** The longest delay of a timer; a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

const protocol = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: TLS_CIPHERS,
  ecdhCurve: TLS_GROUPS,
  honorCipherOrder: true,
  // A resumed session skips the certificates: it would outlive them, their authority and the deny-list.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const satisfies SecureContextOptions

/**
 * For `tls.createServer`, `https.createServer` and Fastify's `https`. Clients are asked for a certificate, and those
 * without a good one are still connected, for the one route that issues the first: every other route must ask
 * {@link peerIdentity}. Call {@link followCertificate} on the server, or it keeps this certificate for ever.
 * @throws TrustError `certificate_missing` when the holder has no certificate yet
 */
export function internalServerOptions(holder: CertificateHolder): TlsOptions {
  return {
    ...serverContext(holder),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  }
}

/** Gives the server each new certificate and root for its next connections; the open ones go on. @returns how to stop */
export function followCertificate(server: Pick<Server, 'setSecureContext'>, holder: CertificateHolder): () => void {
  return holder.onChange(() => server.setSecureContext(serverContext(holder)))
}

/**
 * For one `tls.connect`; ask for them anew at each connection. The server must be `expected`; the host name is only how it
 * is reached and proves nothing. Without a certificate of our own that is valid, the connection is made all the same: the
 * first one has to be asked for.
 */
export function internalClientOptions(holder: CertificateHolder, expected: SpiffeId): ConnectionOptions {
  const name = formatSpiffeId(expected)
  return {
    ...contextOf(holder, usable(holder)),
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => {
      try {
        const { spiffeId } = verifySvid(certificate.raw, holder.rules())
        const actual = formatSpiffeId(spiffeId)
        if (actual === name) return undefined
        return new TrustError('certificate_id', `the server is ${actual}, not ${name}`)
      } catch (error) {
        return error instanceof Error ? error : new Error('the certificate of the server could not be verified')
      }
    },
  }
}

/** A connector as undici's `Agent({ connect })` takes it. */
export type Connector = (
  to: { readonly hostname: string; readonly port: string; readonly protocol: string },
  done: (...result: [null, TLSSocket] | [Error, null]) => void,
) => void

/**
 * Opens connections to `expected` with the certificate of that moment. A connection ends by itself when the certificate of
 * either end does, so that a pool of kept connections outlives neither.
 * @param parts.connect node:tls's
 */
export function internalConnector(parts: {
  readonly connect: (options: ConnectionOptions) => TLSSocket
  readonly holder: CertificateHolder
  readonly expected: SpiffeId
  readonly timers: Timers
}): Connector {
  const { connect, holder, expected, timers } = parts
  return ({ hostname, port, protocol: scheme }, done) => {
    if (scheme !== 'https:') return done(new Error(`services speak https:, not ${scheme}`), null)
    const own = usable(holder)
    const socket = connect({ ...internalClientOptions(holder, expected), host: hostname, port: Number(port || 443) })
    const endAfter = (ms: number, why: string) => timers.after(ms, () => socket.destroy(new Error(why)))
    let cancel = endAfter(
      HANDSHAKE_TIMEOUT_MS,
      `${hostname} did not finish the handshake in ${HANDSHAKE_TIMEOUT_MS} ms`,
    )
    const fail = (error: Error) => done(error, null)
    socket.once('error', fail)
    socket.once('close', () => cancel())
    socket.once('secureConnect', () => {
      cancel()
      socket.off('error', fail)
      const rules = holder.rules()
      const peer = peerIdentity(socket, rules)
      if (peer === null) {
        socket.destroy()
        return done(new TrustError('certificate_chain', `${hostname} could not be verified`), null)
      }
      const ends = Math.min(peer.notAfter.getTime(), own?.notAfter.getTime() ?? Number.POSITIVE_INFINITY)
      cancel = endAfter(Math.min(ends - rules.now.getTime(), TIMER_MAX_MS), `a certificate of the connection has ended`)
      done(null, socket)
    })
  }
}

type Seen = { readonly svid: VerifiedSvid | null; readonly roots: PeerRules['roots'] }
const seen = new WeakMap<TLSSocket, Seen>()

/**
 * Who is at the other end, or null for nobody we trust: no certificate, or one that TLS or {@link verifySvid} refuses.
 * Ask at each request. The certificate is verified once per connection and set of roots; its time and the deny-list are
 * looked at every time, so that a connection cannot outlive them.
 */
export function peerIdentity(socket: TLSSocket, rules: PeerRules): VerifiedSvid | null {
  let known = seen.get(socket)
  if (known?.roots !== rules.roots) {
    known = { svid: attempt(() => verifyPeer(socket, rules)), roots: rules.roots }
    seen.set(socket, known)
  }
  const { svid } = known
  return svid === null ? null : attempt(() => requireCurrent(svid, rules))
}

function verifyPeer(socket: TLSSocket, rules: PeerRules): VerifiedSvid {
  const certificate = socket.getPeerX509Certificate()
  // `authorized` alone is true of a resumed session as well, which has shown no certificate.
  if (certificate === undefined || !socket.authorized || socket.isSessionReused())
    throw new TrustError('certificate_missing', 'the peer has shown no certificate that TLS accepts')
  return verifySvid(certificate, rules)
}

function attempt<T>(verify: () => T): T | null {
  try {
    return verify()
  } catch (error) {
    if (error instanceof TrustError) return null
    throw error
  }
}

function serverContext(holder: CertificateHolder): SecureContextOptions {
  if (holder.held === null)
    throw new TrustError('certificate_missing', `${formatSpiffeId(holder.spiffeId)} has no certificate yet`)
  return contextOf(holder, holder.held)
}

/** One that has ended proves nothing; without it, a new one can still be asked for as the first was. */
function usable(holder: CertificateHolder): HeldSvid | null {
  const { held } = holder
  return held !== null && holder.rules().now < held.notAfter ? held : null
}

function contextOf(holder: CertificateHolder, own: HeldSvid | null): SecureContextOptions {
  const ca = holder.rules().roots.map((root) => root.toString())
  return { ...protocol, ca, ...(own && { cert: own.certificatePem, key: own.privateKeyPem.reveal() }) }
}
