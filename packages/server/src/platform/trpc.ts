import { initTRPC, TRPCError } from '@trpc/server'
import { fastifyRequestHandler } from '@trpc/server/adapters/fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError, problemOf } from './app-error.ts'
import { browserSession, sessionCookie } from './browser-session.ts'
import type { Dispatch, Operation } from './dispatch.ts'
import { describe, type Server } from './http.ts'
import type { Kernel } from './kernel.ts'
import type { Call } from './operation.ts'
import { headerText } from './rest.ts'

type Context = { readonly call: Omit<Call, 'input'> }

/** Mounts the console's operations under `/trpc`, each through the same dispatch as REST. */
export function mountTrpc(server: Server, kernel: Kernel, operations: readonly Operation[], dispatch: Dispatch): void {
  const t = initTRPC.context<Context>().create({
    errorFormatter: ({ shape, error, ctx }) => ({
      ...shape,
      message: problemOf(cause(error), '').title,
      data: { ...problemOf(cause(error), ctx?.call.requestId ?? ''), httpStatus: problemOf(cause(error), '').status },
    }),
  })
  const groups: Record<string, Record<string, ReturnType<typeof procedureOf>>> = {}
  for (const operation of operations) {
    if (operation.spec.rpc === false) continue
    const [group, name] = operation.name.split('.') as [string, string]
    groups[group] ??= {}
    groups[group][name] = procedureOf(operation)
  }
  function procedureOf(operation: Operation) {
    // Dispatch parses the input; here it only passes through.
    const base = t.procedure.input((value: unknown) => value)
    const resolve = async ({ ctx, input }: { ctx: Context; input: unknown }) => {
      try {
        return await dispatch(operation, { ...ctx.call, input })
      } catch (error) {
        if (!(error instanceof AppError) || error.code === 'internal') {
          kernel.log.error(
            { requestId: ctx.call.requestId, operation: operation.name, err: describe(error) },
            'operation failed',
          )
        }
        throw new TRPCError({ code: trpcCodeOf(problemOf(error, '').status), cause: error })
      }
    }
    return operation.spec.kind === 'read' ? base.query(resolve) : base.mutation(resolve)
  }
  const router = t.router(
    Object.fromEntries(
      Object.entries(groups).map(([name, procedures]) => [name, t.router(procedures as never)]),
    ) as never,
  )

  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    refuseForeignOrigin(kernel, request)
    await fastifyRequestHandler({
      router: router as never,
      req: request,
      res: reply,
      path: (request.params as { '*': string })['*'],
      allowBatching: true,
      maxBatchSize: 20,
      createContext: () => ({ call: callOf(request, reply) }),
    } as never)
  }
  server.mount('each operation behind it declares its own', { method: ['GET', 'POST'], url: '/trpc/*', handler })
}

function cause(error: TRPCError): unknown {
  if (error.cause instanceof AppError) return error.cause
  if (error.code === 'NOT_FOUND') return new AppError('not_found', 'There is no such operation.')
  if (error.code === 'INTERNAL_SERVER_ERROR') return error.cause
  return new AppError('bad_request', 'The request is not of the form this address takes.')
}

function trpcCodeOf(status: number): TRPCError['code'] {
  const codes: Record<number, TRPCError['code']> = {
    400: 'BAD_REQUEST',
    401: 'UNAUTHORIZED',
    403: 'FORBIDDEN',
    404: 'NOT_FOUND',
    409: 'CONFLICT',
    413: 'PAYLOAD_TOO_LARGE',
    422: 'UNPROCESSABLE_CONTENT',
    429: 'TOO_MANY_REQUESTS',
    503: 'SERVICE_UNAVAILABLE',
  }
  return codes[status] ?? 'INTERNAL_SERVER_ERROR'
}

/**
 * CSRF: another site's page can make a browser send our cookie, but not our header, and it cannot hide where it is.
 * SameSite=Strict on the cookie is the third line.
 */
export function refuseForeignOrigin(kernel: Kernel, request: FastifyRequest): void {
  if (headerText(request, 'redoubt-csrf') !== '1') throw new AppError('forbidden', 'Send the header Redoubt-Csrf: 1.')
  const site = headerText(request, 'sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none')
    throw new AppError('forbidden', 'Requests from another site are refused.')
  const origin = headerText(request, 'origin')
  if (origin !== null && origin !== kernel.config.publicUrl && origin !== `${request.protocol}://${request.host}`) {
    throw new AppError('forbidden', 'Requests from another origin are refused.')
  }
}

function callOf(request: FastifyRequest, reply: FastifyReply): Omit<Call, 'input'> {
  const token = sessionCookie(request)
  return {
    requestId: request.id,
    address: request.ip,
    userAgent: String(request.headers['user-agent'] ?? '').slice(0, 300),
    credentials: token === null ? { kind: 'none' } : { kind: 'browser', token },
    organizationId: headerText(request, 'redoubt-organization'),
    browser: browserSession(reply),
  }
}
