import type { FastifyRequest } from 'fastify'
import { mountAuditExport } from '../modules/audit/index.ts'
import type { Database } from '../platform/database.ts'
import { createDispatch, type Guards, type Operation } from '../platform/dispatch.ts'
import { createServer } from '../platform/http.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { openApiOf } from '../platform/openapi.ts'
import { apiPrefix, mountRest } from '../platform/rest.ts'
import { productVersion } from '../platform/version.ts'
import { mountReference } from './reference-page.ts'
import { startRunnersPort } from './runners-port.ts'

const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1'])
const localNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Whether somebody on this machine asks for themselves: not through a reverse proxy beside us, whose connection is local
 * whoever is behind it, nor from a page of a site whose name points here (DNS rebinding).
 */
function isLocal({ socket, hostname, headers }: FastifyRequest): boolean {
  const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined)
  return loopback.has(socket.remoteAddress ?? '') && localNames.has(hostname) && !forwarded
}

/**
 * REST for integrations (SVC-1), port 4000, with its OpenAPI description, reference page, key sets and metrics; and the
 * runners' own port beside it.
 */
export async function startApi(
  kernel: Kernel,
  database: Database,
  operations: readonly Operation[],
  guards: Guards,
): Promise<{ url: string; runnersUrl: string; stop: Stop }> {
  const ready = async () => (await database.pool.query('select 1')).rowCount === 1
  const server = createServer(kernel, 'api', ready)
  const dispatch = createDispatch(kernel, database, guards)
  const open = operations.filter(({ spec }) => spec.channel === undefined)
  mountRest(server, open, dispatch)
  mountAuditExport(server, kernel, dispatch)

  const description = openApiOf(open, productVersion)
  const get = (access: string, url: string, body: () => unknown) =>
    server.mount(access, { method: 'GET', url, handler: async () => body() })
  get('public: the description of the API is the same for everybody', `${apiPrefix}/openapi.json`, () => description)
  mountReference(server, open)

  get('public: public keys', '/.well-known/jwks.json', () => kernel.signing.access.jwks())
  get('public: public keys', '/.well-known/plan-jwks.json', () => kernel.signing.plan.jwks())
  server.mount('public: answers loopback alone', {
    method: 'GET',
    url: '/metrics',
    handler: async (request, reply) => {
      const { registry } = kernel.metrics
      if (!isLocal(request)) return reply.callNotFound()
      return reply.type(registry.contentType).send(await registry.metrics())
    },
  })
  const { url, stop } = await server.listen(kernel.config.ports.api)
  try {
    const runners = await startRunnersPort(kernel, operations, dispatch, ready)
    return { url, runnersUrl: runners.url, stop: async () => void (await Promise.all([stop(), runners.stop()])) }
  } catch (error) {
    await stop()
    throw error
  }
}
