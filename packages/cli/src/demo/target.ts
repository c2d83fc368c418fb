import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Somebody else's machine in miniature: a reputation service and a firewall's API, on loopback. */
export type Target = { readonly port: number; readonly blocked: readonly string[]; stop(): Promise<void> }

export async function startTarget(): Promise<Target> {
  const blocked: string[] = []
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    const url = new URL(request.url ?? '/', 'http://target')
    if (request.method === 'GET' && url.pathname.startsWith('/reputation/')) {
      return answer(200, { address: url.pathname.slice('/reputation/'.length), score: 94, lists: ['botnet-c2'] })
    }
    if (request.method === 'POST' && url.pathname === '/firewall/blocks') {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
      })
      request.on('end', () => {
        const { address } = JSON.parse(text) as { address: string }
        blocked.push(address)
        answer(201, { id: `block-${blocked.length}` })
      })
      return
    }
    answer(404, { error: 'not found' })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    port: (server.address() as AddressInfo).port,
    blocked,
    stop: () => new Promise((done) => void server.close(() => done())),
  }
}
