import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs'
import { extname, join, normalize, sep } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../platform/app-error.ts'
import { sessionCookie } from '../platform/browser-session.ts'
import type { Database } from '../platform/database.ts'
import { createDispatch, type Guards, type Operation } from '../platform/dispatch.ts'
import { createServer } from '../platform/http.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import { mountTrpc } from '../platform/trpc.ts'
import { mountEventStream } from './event-stream.ts'

const dist = join(import.meta.dirname, '..', '..', '..', 'console', 'dist')

// console.md. No inline code or style anywhere, so an injected tag has nothing to run.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ')

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
}

/** The console and its tRPC API (SVC-1), port 3000. */
export async function startWeb(
  kernel: Kernel,
  database: Database,
  live: LiveFeed,
  operations: readonly Operation[],
  guards: Guards,
): Promise<{ url: string; stop: Stop }> {
  const server = createServer(kernel, 'web', async () => (await database.pool.query('select 1')).rowCount === 1)
  mountTrpc(server, kernel, operations, createDispatch(kernel, database, guards))
  const stopStreams = mountEventStream(server, kernel, live, guards, sessionCookie)

  if (!existsSync(join(dist, 'index.html')))
    throw new AppError('unavailable', 'The console is not built: run npm run build --workspace packages/console.')
  const index = readFileSync(join(dist, 'index.html'))
  server.mount('public: the console’s files hold no data', {
    method: 'GET',
    url: '/*',
    handler: (request, reply) => serveFile(request, reply, index),
  })
  const { url, stop } = await server.listen(kernel.config.ports.web)
  return {
    url,
    stop: async () => {
      stopStreams()
      await stop()
    },
  }
}

/** A built file, or the console itself for every address of its own; never anything outside `dist`. */
function serveFile(request: FastifyRequest, reply: FastifyReply, index: Buffer): FastifyReply {
  reply.header('content-security-policy', contentSecurityPolicy)
  reply.header('permissions-policy', 'camera=(), geolocation=(), microphone=(), payment=(), usb=()')
  reply.header('cross-origin-opener-policy', 'same-origin')
  const path = normalize((request.params as { '*': string })['*'])
  const file = join(dist, path)
  const type = types[extname(file)]
  if (path !== '.' && type && file.startsWith(dist + sep) && existsSync(file) && statSync(file).isFile()) {
    // Names under assets/ carry a hash of their content.
    if (path.startsWith(`assets${sep}`)) reply.header('cache-control', 'public, max-age=31536000, immutable')
    return reply.type(type).send(createReadStream(file))
  }
  if (extname(path) !== '') throw new AppError('not_found', 'There is no such file.')
  return reply.type(types['.html'] as string).send(index)
}
