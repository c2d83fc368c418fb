import { z } from 'zod'
import { AppError } from '../platform/app-error.ts'
import type { sessionCookie } from '../platform/browser-session.ts'
import type { Guards } from '../platform/dispatch.ts'
import { answerProblem, type Server } from '../platform/http.ts'
import type { Kernel } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'

const heartbeatMs = 15_000
const maxStreams = 2000

/**
 * `GET /events?organization=<id>`: server-sent events that say what to look at again, never what is in it. A stream
 * ends when its session or membership does. @returns a function that ends all streams
 */
export function mountEventStream(
  server: Server,
  kernel: Kernel,
  live: LiveFeed,
  guards: Guards,
  cookie: typeof sessionCookie,
): () => void {
  const open = new Set<() => void>()
  server.mount('permission: alert:read', {
    method: 'GET',
    url: '/events',
    handler: async (request, reply) => {
      if (open.size >= maxStreams) throw new AppError('unavailable', 'Too many open consoles.', { retryAfter: 30 })
      const token = cookie(request)
      const organization = z.uuid().safeParse((request.query as { organization?: unknown }).organization)
      const call = {
        requestId: request.id,
        address: request.ip,
        userAgent: '',
        credentials: token === null ? { kind: 'none' as const } : { kind: 'browser' as const, token },
        organizationId: organization.data ?? null,
        input: null,
      }
      const person = await guards.person(call)
      const role = organization.success ? await guards.role(person, organization.data) : null
      if (
        !organization.success ||
        role === null ||
        !guards.decide({ userId: person.userId, role, organizationId: organization.data }, 'alert:read', {
          kind: 'Organization',
        }).allowed
      ) {
        throw new AppError('forbidden', 'You do not belong to this organization.')
      }

      const stream = reply.raw
      stream.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
      })
      stream.write('retry: 2000\n\n')
      const offNotice = live.onNotice((notice) => {
        if (notice.organizationId !== organization.data) return
        for (const topic of notice.topics) stream.write(`data: ${JSON.stringify({ topic })}\n\n`)
      })
      const offRevoked = live.onRevoked((id) => {
        if (id === person.sessionId || id === person.userId) end()
      })
      const heartbeat = setInterval(() => stream.write(': still here\n\n'), heartbeatMs)
      const end = () => {
        if (!open.delete(end)) return
        clearInterval(heartbeat)
        offNotice()
        offRevoked()
        kernel.metrics.liveClients.dec()
        stream.end()
      }
      open.add(end)
      kernel.metrics.liveClients.inc()
      stream.on('close', end)
      reply.hijack()
    },
    errorHandler: (error, request, reply) => answerProblem(kernel, error, request, reply),
  })
  return () => {
    for (const end of [...open]) end()
  }
}
