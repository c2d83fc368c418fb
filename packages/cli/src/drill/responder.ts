import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bodyOf, type Door } from './http.ts'
import { bearer, eventually, type Organization, type Person } from './organization.ts'

type Step = {
  readonly stepId: string
  readonly status: string
  readonly summary: string
  readonly error: { code: string; message: string } | null
}
export type EndedRun = {
  readonly id: string
  readonly state: string
  readonly failure: string | null
  readonly steps: readonly Step[]
  readonly plans: readonly { readonly id: string }[]
  readonly canonicalPlan: string | null
  readonly waitingFor: { readonly stepId: string; readonly prompt: string } | null
}
/** A machine on this host that counts who reached it. */
export type Listener = {
  readonly port: number
  readonly reached: readonly { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[]
  readonly stop: () => Promise<void>
}

/** Listens on loopback; `redirect` answers every request with 302 to that address. */
export async function listen(redirect?: string): Promise<Listener> {
  const reached: { path: string; headers: Record<string, unknown> }[] = []
  const server = createServer((request, response) => {
    reached.push({ path: request.url ?? '', headers: request.headers })
    if (redirect !== undefined) response.writeHead(302, { location: redirect }).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    port: (server.address() as AddressInfo).port,
    reached,
    stop: () => new Promise((done) => void server.close(() => done())),
  }
}

/** Runs playbooks of organization A on its runner, all through the doors: create, start, wait. */
export class Responder {
  readonly #api: Door
  readonly #of: Organization
  #made = 0

  constructor(api: Door, of: Organization) {
    this.#api = api
    this.#of = of
  }

  /** Saves a playbook. `text` holds egress and steps. @returns the answer, which may be a refusal */
  save(text: string, options: { readonly tlp?: string } = {}) {
    this.#made += 1
    const yaml = `name: Drill ${this.#made} ${this.#of.secret}\ntlp: ${options.tlp ?? 'AMBER'}\n${text}`
    return this.#api.post('/api/v1/playbooks', { yaml }, bearer(this.#of.admin))
  }

  /** Saves a playbook and runs it on A's case until it ends or waits. */
  async run(
    text: string,
    on: { readonly caseId?: string; readonly by?: Person; readonly tlp?: string } = {},
  ): Promise<EndedRun> {
    const by = bearer(on.by ?? this.#of.admin)
    const { id } = bodyOf<{ id: string }>(await this.save(text, on.tlp === undefined ? {} : { tlp: on.tlp }))
    const start = { playbookId: id, caseId: on.caseId ?? this.#of.caseId }
    const started = bodyOf<{ id: string }>(await this.#api.post('/api/v1/runs', start, by))
    return this.ended(started.id, by)
  }

  /** A run once it ended, or waits for somebody. */
  ended(id: string, by: Readonly<Record<string, string>> = bearer(this.#of.admin)): Promise<EndedRun> {
    return eventually('the run ends', async () => {
      const run = bodyOf<EndedRun & { endedAt: string | null }>(await this.#api.get(`/api/v1/runs/${id}`, by))
      return run.endedAt !== null || run.state === 'waiting' ? run : undefined
    })
  }
}
