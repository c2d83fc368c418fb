import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AppError } from '../platform/app-error.ts'
import type { sessionCookie } from '../platform/browser-session.ts'
import type { Guards } from '../platform/dispatch.ts'
import { answerProblem, type Server } from '../platform/http.ts'
import type { Kernel } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import type { Person } from '../platform/operation.ts'

const heartbeatMs = 15_000
const maxStreams = 2000
/** More tabs than anybody watches: one member cannot take the places of all. */
const maxStreamsOfPerson = 20
/** A client that does not read what it asked for is let go before its notices fill the memory. */
const maxUnreadBytes = 65_536

/**
 * `GET /events?organization=<id>`: server-sent events that say what to look at again, never what is in it. A stream
 * ends when its session or membership does. @returns a function that ends all streams and takes no more
 */
export function mountEventStream(
  server: Server,
  kernel: Kernel,
  live: LiveFeed,
  guards: Guards,
  cookie: typeof sessionCookie,
): () => void {
  /** How to end each stream, and whose it is. */
  const open = new Map<() => void, string>()
  let stopped = false

  async function admit(request: FastifyRequest): Promise<{ person: Person; organizationId: string }> {
    const token = cookie(request)
    const organization = z.uuid().safeParse((request.query as { organization?: unknown }).organization)
    const person = await guards.person({
      requestId: request.id,
      address: request.ip,
      userAgent: '',
      credentials: token === null ? { kind: 'none' } : { kind: 'browser', token },
      organizationId: organization.data ?? null,
      input: null,
    })
    const membership = organization.success ? await guards.membership(person, organization.data) : null
    if (
      !organization.success ||
      membership === null ||
      !guards.decide({ userId: person.userId, ...membership, organizationId: organization.data }, 'alert:read', {
        kind: 'Organization',
      }).allowed
    ) {
      throw new AppError('forbidden', 'You do not belong to this organization.')
    }
    return { person, organizationId: organization.data }
  }

  // Notices of a gap in the feed never come, revocations among them: browsers come back by themselves and are asked anew.
  live.onReconnected(() => endAll(open))
  server.mount('permission: alert:read', {
    method: 'GET',
    url: '/events',
    handler: async (request, reply) => {
      if (open.size >= maxStreams) throw new AppError('unavailable', 'Too many open consoles.', { retryAfter: 30 })
      const { person, organizationId } = await admit(request)
      if (stopped) throw new AppError('unavailable', 'The platform is stopping.', { retryAfter: 30 })
      if ([...open.values()].filter((userId) => userId === person.userId).length >= maxStreamsOfPerson)
        throw new AppError('rate_limited', 'You have too many consoles open: close some.', { retryAfter: 30 })

      const stream = reply.raw
      reply.hijack()
      // Whoever left meanwhile has closed already, and no other `close` would come to clean up after them.
      if (stream.destroyed) return
      const send = (text: string) => {
        if (stream.writableLength > maxUnreadBytes) stream.destroy()
        else stream.write(text)
      }
      const end = () => {
        if (!open.delete(end)) return
        clearInterval(heartbeat)
        offNotice()
        offRevoked()
        kernel.metrics.liveClients.dec()
        if (!stream.destroyed) stream.end()
      }
      const heartbeat = setInterval(() => {
        if (person.sessionExpiresAt <= kernel.clock.now()) end()
        else send(': still here\n\n')
      }, heartbeatMs)
      const offNotice = live.onNotice((notice) => {
        if (notice.organizationId !== organizationId) return
        for (const topic of notice.topics) send(`data: ${JSON.stringify({ topic })}\n\n`)
      })
      const offRevoked = live.onRevoked((id) => {
        if (id === person.sessionId || id === person.userId) end()
      })
      open.set(end, person.userId)
      kernel.metrics.liveClients.inc()
      stream.on('close', end)
      stream.writeHead(200, {
        ...(reply.getHeaders() as OutgoingHttpHeaders),
        'content-type': 'text/event-stream',
        'x-accel-buffering': 'no',
      })
      send('retry: 2000\n\n')
      // Asked again now that revocations are heard: one between the first answer and here reached nobody.
      admit(request).catch(end)
    },
    errorHandler: (error, request, reply) => answerProblem(kernel, error, request, reply),
  })
  return () => {
    stopped = true
    endAll(open)
  }
}

function endAll(open: ReadonlyMap<() => void, string>): void {
  for (const end of [...open.keys()]) end()
}
