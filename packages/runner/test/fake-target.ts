import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Step } from '@redoubt/contract'

export type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A target that remembers what it saw. `answer` may be replaced; it can hold a request back by awaiting something. */
export class FakeTarget {
  readonly seen: Seen[] = []
  answer: (seen: Seen) => Promise<{ status: number; body?: unknown; headers?: Record<string, string> }> = async () => ({
    status: 200,
    body: {},
  })
  port = 0
  #server: Server | undefined
  #arrived: (() => void)[] = []

  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      void readBody(request).then(async (body) => {
        const { method = '', url = '', headers } = request
        const seen = { method, url, headers, body: body.toString('utf8') }
        this.seen.push(seen)
        for (const wake of this.#arrived.splice(0)) wake()
        const answer = await this.answer(seen)
        const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {})
        response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(text)
      })
    })
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get egress() {
    return [{ host: '127.0.0.1', port: this.port, allowPrivate: true }]
  }

  async arrivals(count: number): Promise<void> {
    while (this.seen.length < count) await new Promise<void>((resolve) => this.#arrived.push(resolve))
  }
}

export const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Steps as short as a test wants them. */
export const step = {
  http: (id: string, method: 'GET' | 'POST' | 'PUT', url: string, more: object = {}): Step =>
    ({
      id,
      type: 'http.request',
      method,
      url,
      headers: {},
      expect: { status: [200] },
      timeoutMs: 10_000,
      ...more,
    }) as Step,
  transform: (id: string, set: Record<string, string>): Step => ({ id, type: 'transform', set }),
  condition: (id: string, test: string, whenTrue: Step[], whenFalse: Step[] = []): Step => ({
    id,
    type: 'condition',
    if: test,
    whenTrue,
    whenFalse,
  }),
  wait: (id: string, prompt: string): Step => ({ id, type: 'wait-for-approval', prompt, role: 'moderator' }),
  comment: (id: string, text: string): Step => ({ id, type: 'case.comment', text }),
}
