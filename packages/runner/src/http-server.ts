import { randomUUID } from 'node:crypto'
import type { Plan } from '@redoubt/contract'
import { type FastifyError, type FastifyInstance, fastify } from 'fastify'
import type { Logger } from 'pino'
import { DeliveryRefused } from './intake.ts'

const BODY_MAX_BYTES = 512 * 1024

export type ServerParts = {
  readonly log: Logger
  readonly health: () => { readonly runnerId: string | null; readonly running: number }
  /** Takes a delivery or throws {@link DeliveryRefused}; the plan is on disk when it returns. */
  readonly take: (body: unknown) => Promise<Plan>
}

/** The runner's two routes. Everything else is 404; errors are RFC 9457 problem details. */
export const createServer = ({ log, health, take }: ServerParts): FastifyInstance => {
  const server = fastify({
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
