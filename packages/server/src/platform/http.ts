import { randomUUIDv7 } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Server as TlsServer } from 'node:tls'
import { type ErrorCode, errorTable } from '@redoubt/contract'
import { type CertificateHolder, followCertificate, internalServerOptions } from '@redoubt/trust'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify'
import { AppError, problemOf, StartError } from './app-error.ts'
import type { Config, ServiceName } from './config.ts'
import type { Kernel, Stop } from './kernel.ts'

export type Server = {
  readonly app: FastifyInstance
  /** Mounts a route with its declared access; any other way of adding one stops the start. */
  mount(access: string, route: RouteOptions): void
  listen(port: number): Promise<{ url: string; stop: Stop }>
}

/** The bytes of each JSON body as they came, for signatures over them; dropped with the request. */
export const bodyBytes = new WeakMap<object, Uint8Array>()

const bodyLimitBytes = 1_048_576
const maxDepth = 32

/**
 * An HTTP server of one service: request ids, RFC 9457 answers, strict headers, bounded bodies, health.
 * @param ready answers whether the service can do its work now
 * @param mutual speaks TLS 1.3 with this certificate and asks clients for theirs; each route must ask `peerIdentity`
 */
export function createServer(
  kernel: Kernel,
  service: ServiceName,
  ready: () => Promise<boolean>,
  mutual?: { readonly certificate: CertificateHolder; readonly setting: string },
): Server {
  const app: FastifyInstance = Fastify({
    ...(mutual ? { https: internalServerOptions(mutual.certificate) } : {}),
    logger: false,
    bodyLimit: bodyLimitBytes,
    requestTimeout: 30_000,
    // Longer than a slow client's header trickle may take (Slowloris), shorter than a shift.
    connectionTimeout: 60_000,
    keepAliveTimeout: 30_000,
    // Names of ours only: a client's id would land in logs and audit rows.
    genReqId: () => randomUUIDv7(),
    requestIdHeader: false,
    routerOptions: { maxParamLength: 200, caseSensitive: true },
    forceCloseConnections: 'idle',
  })
  if (mutual) {
    // Fastify's type does not tell that `https` makes it a server of node:tls.
    const unfollow = followCertificate(app.server as unknown as TlsServer, mutual.certificate)
    app.addHook('onClose', async () => unfollow())
  }
  const declaredHandlers = new WeakSet<object>()
  const undeclared: string[] = []
  app.addHook('onRoute', (route) => {
    // Fastify adds HEAD beside GET itself, for the same handler.
    const handler = route.handler as object
    if (!declaredHandlers.has(handler)) undeclared.push(`${String(route.method)} ${route.url}`)
  })

  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      bodyBytes.set(request.raw, body as Buffer)
      done(null, parseBoundedJson(body as Buffer))
    } catch (error) {
      done(error as Error)
    }
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
      'strict-transport-security': 'max-age=31536000; includeSubDomains; preload',
    })
  })
  // A connection that was busy when the stop began would otherwise stay open, idle, for its whole keep-alive time.
  let closing = false
  app.addHook('preClose', async () => {
    closing = true
  })
  app.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close')
  })
  app.setErrorHandler((error, request, reply) => answerProblem(kernel, error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    answerProblem(kernel, new AppError('not_found', 'There is nothing at this address.'), request, reply),
  )

  function mount(access: string, route: RouteOptions): void {
    if (!access) throw new StartError(`The route ${String(route.method)} ${route.url} does not say who may call it.`)
    declaredHandlers.add(route.handler)
    app.route(route)
  }
  mount('public: liveness tells nothing', {
    method: 'GET',
    url: '/healthz',
    handler: async () => ({ status: 'ok', service }),
  })
  mount('public: readiness tells states and no more', {
    method: 'GET',
    url: '/readyz',
    handler: async (_request, reply) => {
      // A service whose keys are in OUTAGE or DEGRADED still serves: taken out of rotation, it would serve nobody (KEY-5).
      const keys = Object.fromEntries(Object.values(kernel.signing).map((key) => [key.use, key.state()]))
      const isReady = await ready().catch(() => false)
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready', service, keys })
    },
  })

  return {
    app,
    mount,
    async listen(port) {
      if (undeclared.length > 0)
        throw new StartError(
          `These routes were not mounted by the registrar, so nobody decided who may call them: ${undeclared.join(', ')}.`,
        )
      try {
        await app.listen({ host: kernel.config.host, port })
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') {
          throw new StartError(
            `Port ${port}, where ${service} listens, is taken: stop the other program or set ${mutual?.setting ?? `REDOUBT_${service.toUpperCase()}_PORT`}.`,
            { cause },
          )
        }
        throw new StartError(
          `${service} cannot listen on ${kernel.config.host}:${port}: ${(cause as Error).message}.`,
          { cause },
        )
      }
      const address = app.server.address()
      const actual = typeof address === 'object' && address ? address.port : port
      return { url: `${mutual ? 'https' : 'http'}://${hostOf(kernel.config)}:${actual}`, stop: () => app.close() }
    },
  }
}

function hostOf(config: Config): string {
  return config.host === '0.0.0.0' || config.host === '::' || config.host === '127.0.0.1' ? 'localhost' : config.host
}

/** JSON of at most `maxDepth` levels; deeper is refused before anything walks it. */
function parseBoundedJson(body: Buffer): unknown {
  if (body.length === 0) return {}
  let depth = 0
  let inString = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]
    if (inString) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) throw new AppError('bad_request', `The JSON is nested deeper than ${maxDepth} levels.`)
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  try {
    // `__proto__` stays an own property here and zod drops it: it never reaches a prototype.
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    // The parser's own message quotes the body, and a body may hold a password or a secret.
    const at = /at position (\d+)/.exec((error as Error).message)?.[1]
    throw new AppError('bad_request', `The body is not JSON${at === undefined ? '' : `, at character ${at}`}.`)
  }
}

export function answerProblem(
  kernel: Kernel,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known =
    error instanceof AppError ? error : fromFastify(error as { statusCode?: number; code?: string; message?: string })
  const problem = problemOf(known, request.id)
  if (problem.status >= 500) {
    kernel.log.error(
      { requestId: request.id, method: request.method, route: request.routeOptions.url, err: describe(known) },
      'request failed',
    )
  }
  if (known instanceof AppError && known.retryAfter !== undefined) reply.header('retry-after', String(known.retryAfter))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(problem.status).type('application/problem+json').send(problem)
}

/** Fastify's own refusals, in our words. */
function fromFastify(error: { statusCode?: number; code?: string; message?: string }): unknown {
  const status = error.statusCode ?? 500
  if (status < 400 || status >= 500) return error
  const code = (Object.entries(errorTable).find(([, row]) => row.status === status)?.[0] ?? 'bad_request') as ErrorCode
  const detail: Partial<Record<ErrorCode, string>> = {
    too_large: `The body is larger than ${bodyLimitBytes} bytes.`,
    unsupported_media_type: 'Send application/json.',
  }
  return new AppError(code, detail[code] ?? `${STATUS_CODES[status] ?? 'Bad request'}.`, { cause: error })
}

/** Name, code and stack, never the values a database error quotes. */
export function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: 'a value that is not an error was thrown' }
  const { code, table, constraint } = error as { code?: string; table?: string; constraint?: string }
  // SQLSTATE class 22, data exceptions: `invalid input syntax for type uuid: "…"` and the like.
  const message =
    code?.startsWith('22') && code.length === 5 ? 'a value that the database does not take' : error.message
  return {
    name: error.name,
    message,
    code,
    table,
    constraint,
    stack: error.stack?.replace(error.message, () => message),
    ...(error.cause ? { cause: describe(error.cause) } : {}),
  }
}
