import { parseCookie, stringifySetCookie } from 'cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BrowserSession } from './operation.ts'

// `__Host-`: Secure, no Domain, Path=/, so no sibling host and no plain-HTTP page can plant one (RFC 6265bis §4.1.3.2).
const name = '__Host-redoubt'

export function sessionCookie(request: FastifyRequest): string | null {
  const header = request.headers.cookie
  if (!header) return null
  return parseCookie(header)[name] ?? null
}

export function browserSession(reply: FastifyReply): BrowserSession {
  const set = (value: string, maxAge: number) =>
    reply.header(
      'set-cookie',
      stringifySetCookie({ name, value, path: '/', secure: true, httpOnly: true, sameSite: 'strict', maxAge }),
    )
  return { start: (token, maxAgeSeconds) => void set(token, maxAgeSeconds), end: () => void set('', 0) }
}
