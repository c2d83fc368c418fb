import type { FastifyRequest } from 'fastify'
import type { Dispatch, Operation } from './dispatch.ts'
import { bodyBytes, type Server } from './http.ts'
import type { Call, Credentials } from './operation.ts'

/** The first path segment of every REST operation. */
export const apiPrefix = '/api/v1'

/**
 * Mounts every operation that has a REST route. Path parameters win over the body, the body over the query.
 * @param more what this server knows of a request beside that
 */
export function mountRest(
  server: Server,
  operations: readonly Operation[],
  dispatch: Dispatch,
  more: (request: FastifyRequest) => Partial<Call> = () => ({}),
): void {
  for (const operation of operations) {
    const { rest, access } = operation.spec
    if (!rest) continue
    server.mount(accessText(access), {
      method: rest.method,
      url: apiPrefix + rest.path.replaceAll(/\{(\w+)\}/g, ':$1'),
      handler: (request) => dispatch(operation, { ...callOf(request), ...more(request) }),
    })
  }
}

export function accessText(access: Operation['spec']['access']): string {
  const [kind, value] = Object.entries(access)[0] as [string, string]
  return `${kind}: ${value}`
}

/** The call a REST request makes. */
export function callOf(request: FastifyRequest): Call {
  const body =
    request.body !== null && typeof request.body === 'object' && !Array.isArray(request.body) ? request.body : {}
  return {
    requestId: request.id,
    address: request.ip,
    userAgent: String(request.headers['user-agent'] ?? '').slice(0, 300),
    credentials: credentialsOf(request),
    organizationId: headerText(request, 'redoubt-organization'),
    input: { ...(request.query as object), ...body, ...(request.params as object) },
  }
}

/** RFC 6750 in the header alone: a token in a query string ends up in logs. */
export function credentialsOf(request: FastifyRequest): Credentials {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ', 2)
  if (!scheme || !token) return { kind: 'none' }
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token }
  if (scheme.toLowerCase() === 'runner')
    return { kind: 'runner', token, body: bodyBytes.get(request.raw) ?? new Uint8Array() }
  return { kind: 'none' }
}

export function headerText(request: FastifyRequest, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' ? value.slice(0, 100) : null
}
