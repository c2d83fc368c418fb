import { createServer } from 'node:http'
import { StartError } from '../platform/app-error.ts'
import type { Config } from '../platform/config.ts'
import type { Stop } from '../platform/kernel.ts'

/**
 * Answers on the platform's ports while its keys are sealed (SEC-4): health says so, and everything else is refused with
 * the same words, since nothing can be served without a secret.
 * @throws StartError when a port is taken
 */
export async function openSealedDoors({ host, ports }: Config): Promise<Stop> {
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    for (const service of ['web', 'api', 'ingestion'] as const) stops.push(await door(service, host, ports[service]))
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}

async function door(service: string, host: string, port: number): Promise<Stop> {
  const server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: 10_000 }, (request, response) => {
    const isAlive = request.url === '/healthz'
    const body = isAlive
      ? { status: 'sealed' }
      : {
          type: '/problems/unavailable',
          title: 'Unavailable',
          status: 503,
          detail: 'The platform is sealed: it serves nothing until its operators unseal it.',
          code: 'unavailable',
        }
    response.writeHead(isAlive ? 200 : 503, {
      'content-type': isAlive ? 'application/json' : 'application/problem+json',
      'cache-control': 'no-store',
      'retry-after': '30',
      connection: 'close',
    })
    response.end(JSON.stringify(body))
  })
  server.maxConnections = 64
  await new Promise<void>((done, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      fail(new StartError(`Port ${port}, where ${service} listens, cannot be opened (${cause.code}).`, { cause })),
    )
    server.listen(port, host, done)
  })
  return () =>
    new Promise((done) => {
      server.close(() => done())
      server.closeAllConnections()
    })
}
