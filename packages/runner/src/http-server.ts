import { randomUUID } from 'node:crypto'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import type { Plan } from '@redoubt/contract'
import {
  type CertificateHolder,
  followCertificate,
  internalServerOptions,
  peerIdentity,
  type VerifiedSvid,
} from '@redoubt/trust'
import { type FastifyError, type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'
import { DeliveryRefused } from './intake.ts'

const BODY_MAX_BYTES = 512 * 1024
const HANDSHAKE_TIMEOUT_MS = 10_000
/** The one service that pushes plans. */
const DELIVERER = 'workflow-processor'

export type ServerParts = {
  readonly log: Logger
  /** What the runner proves itself with and measures others by; undefined until it is enrolled. */
  readonly holder: () => CertificateHolder | undefined
  readonly health: () => { readonly runnerId: string | null; readonly running: number }
  /** Takes a delivery or throws {@link DeliveryRefused}; the plan is on disk when it returns. */
  readonly take: (body: unknown) => Promise<Plan>
}

/** Lets the server prove itself with each new certificate of the holder. @returns how to stop that */
export const proveBy = (server: FastifyInstance, holder: CertificateHolder): (() => void) => {
  // Fastify's type does not tell that `https` makes it a server of node:tls.
  const tls = server.server as unknown as TlsServer
  if (holder.held !== null) tls.setSecureContext(internalServerOptions(holder))
  return followCertificate({ setSecureContext: (context) => holder.held && tls.setSecureContext(context) }, holder)
}

/**
 * The runner's two routes, for the workflow-processor of its own control plane alone (SVC-4). Everything else is 404;
 * errors are RFC 9457 problem details. It speaks TLS 1.3, and until {@link proveBy} has given it a certificate no handshake
 * succeeds.
 */
export const createServer = ({ log, holder, health, take }: ServerParts): FastifyInstance => {
  const server: FastifyInstance = fastify({
    https: {
      minVersion: 'TLSv1.3',
      requestCert: true,
      // Who shows no good certificate is told so by an answer; `peerIdentity` decides.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: 30_000,
    genReqId: () => randomUUID(),
    logger: false,
    forceCloseConnections: 'idle',
  })

  server.removeContentTypeParser('text/plain')

  const problem = (requestId: string, status: number, code: string, title: string, detail?: string) => ({
    type: `/problems/${code}`,
    title,
    status,
    code,
    requestId,
    ...(detail === undefined ? {} : { detail }),
  })

  const peerOf = (socket: TLSSocket): VerifiedSvid | null => {
    const own = holder()
    return own === undefined ? null : peerIdentity(socket, own.rules())
  }
  // Before the body is read: a stranger costs a handshake and nothing more.
  server.addHook('onRequest', async (request, reply) => {
    const peer = peerOf(request.raw.socket as TLSSocket)?.spiffeId
    if (peer?.kind === 'service' && peer.name === DELIVERER) return
    log.warn({ requestId: request.id, peer: peer ?? null }, 'a request of somebody else than the control plane')
    const detail = `only the ${DELIVERER} of this runner’s control plane is heard here`
    await reply
      .code(403)
      .header('connection', 'close')
      .type('application/problem+json')
      .send(problem(request.id, 403, 'not_control_plane', 'Not allowed', detail))
  })

  server.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .type('application/problem+json')
      .send(problem(request.id, 404, 'not_found', 'Not found')),
  )

  server.setErrorHandler((error: FastifyError, request, reply) => {
    const send = (status: number, code: string, title: string, detail?: string) =>
      reply
        .code(status)
        .type('application/problem+json')
        .send(problem(request.id, status, code, title, detail))
    if (error instanceof DeliveryRefused) {
      log.warn({ requestId: request.id, code: error.code }, 'a plan was refused')
      return send(error.status, error.code, 'The plan is not taken', error.message)
    }
    if (error.statusCode === 413) return send(413, 'too_large', `At most ${BODY_MAX_BYTES} bytes`)
    if (error.statusCode === 415) return send(415, 'unsupported_media_type', 'Send application/json')
    if (error.statusCode !== undefined && error.statusCode < 500) return send(400, 'bad_request', 'Not a valid request')
    log.error({ requestId: request.id, fault: error.message }, 'a request failed')
    return send(500, 'internal', 'Something failed in the runner')
  })

  server.get('/v1/health', async () => {
    const { runnerId, running } = health()
    return { status: runnerId === null ? 'not-enrolled' : 'ok', runnerId, running }
  })

  server.post('/v1/plans', async (request, reply) => {
    const plan = await take(request.body)
    log.info({ requestId: request.id, runId: plan.runId, planId: plan.planId }, 'a plan was taken')
    return reply.code(202).send({ planId: plan.planId, runId: plan.runId })
  })

  return server
}
