import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

/** The policy of the console. Nothing inline, nothing foreign, no string that becomes script. */
export const strictPolicy = [
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
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

/** Serves a built console under the strict policy, with no platform behind it: every operation answers 503. */
export async function serveStatic(directory: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname.startsWith('/trpc/') || pathname === '/events') return response.writeHead(503).end()
    const file = join(directory, normalize(pathname))
    const isAsset = extname(file) !== ''
    const body = await readFile(isAsset ? file : join(directory, 'index.html')).catch(() => null)
    if (body === null) return response.writeHead(404).end()
    response.writeHead(200, {
      'content-type': types[isAsset ? extname(file) : '.html'] ?? 'application/octet-stream',
      'content-security-policy': strictPolicy,
    })
    return response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
