import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type OrganizationId,
  PLAN_FORMAT,
  Plan,
  type PlaybookId,
  type RunId,
  type RunnerId,
  RunReport,
  type Step,
} from '@redoubt/contract'
import {
  generateSigningKey,
  importJwks,
  Keyring,
  type KeySet,
  type PlanGrant,
  signPlan,
  verifyRunnerToken,
} from '@redoubt/trust'

const uuid = <T extends string>() => randomUUID() as string as T

/** The edge of the runner's world: a control plane small enough to read at one sight. */
export class FakeControlPlane {
  readonly organizationId = uuid<OrganizationId>()
  readonly runnerId = uuid<RunnerId>()
  readonly issuer = 'https://control-plane.test'
  readonly enrolmentToken = `enrol-${randomUUID()}`
  keyring = new Keyring(generateSigningKey('ES256'))
  now = () => new Date()
  jwksStatus = 200
  jwksRequests = 0
  /** Status for the next reports; 200 when the list is empty. */
  reportStatuses: number[] = []
  readonly reports: RunReport[] = []
  readonly #seen = new Set<string>()
  #runnerKeys: KeySet | undefined
  #server: Server | undefined
  #arrived: (() => void)[] = []
  url = ''

  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      void readBody(request).then((body) => {
        const [status, answer] = this.#answer(request, body)
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
      })
    })
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  #answer(request: IncomingMessage, body: Buffer): readonly [number, unknown] {
    if (request.url === '/.well-known/plan-jwks.json') {
      this.jwksRequests++
      return [this.jwksStatus, this.keyring.jwks()]
    }
    if (request.url === '/api/v1/runner/enroll') {
      const { token, publicKey } = JSON.parse(body.toString('utf8'))
      if (token !== this.enrolmentToken || this.#runnerKeys !== undefined) return [410, {}]
      this.#runnerKeys = importJwks({ keys: [publicKey] })
      return [200, { runnerId: this.runnerId, organizationId: this.organizationId, issuer: this.issuer }]
    }
    if (request.url === '/api/v1/runner/reports') {
      const status = this.reportStatuses.shift() ?? 200
      if (status !== 200) return [status, {}]
      const token = request.headers.authorization?.replace(/^Runner /, '') ?? ''
      const { runnerId, organizationId } = this
      const keys = this.#runnerKeys ?? { find: () => undefined }
      try {
        verifyRunnerToken(token, { runnerId, organizationId, body, now: this.now(), keys })
      } catch {
        return [401, {}]
      }
      const report = RunReport.parse(JSON.parse(body.toString('utf8')))
      const id = `${report.runId}/${report.sequence}`
      if (!this.#seen.has(id)) this.reports.push(report)
      this.#seen.add(id)
      for (const wake of this.#arrived.splice(0)) wake()
      return [200, { done: true }]
    }
    return [404, {}]
  }

  reportsOf(runId: string): readonly RunReport[] {
    return this.reports.filter((report) => report.runId === runId)
  }

  /** The first report of the run with this status. */
  async reported(runId: string, status: RunReport['status'], after = 0): Promise<RunReport> {
    for (;;) {
      const found = this.reportsOf(runId).find((report) => report.status === status && report.sequence > after)
      if (found !== undefined) return found
      await new Promise<void>((resolve) => this.#arrived.push(resolve))
    }
  }

  plan(steps: readonly Step[], changes: Partial<Plan> = {}): Plan {
    return Plan.parse({
      format: PLAN_FORMAT,
      planId: randomUUID(),
      runId: uuid<RunId>(),
      organizationId: this.organizationId,
      runnerId: this.runnerId,
      playbook: { id: uuid<PlaybookId>(), version: 1, sha256: 'a'.repeat(64) },
      caseId: null,
      tlp: 'AMBER',
      issuedAt: new Date().toISOString(),
      inputs: { case: null, observables: [{ type: 'ipv4', value: '203.0.113.7' }] },
      egress: [],
      steps,
      approvals: [],
      ...changes,
    })
  }

  sign(plan: Plan, changes: Partial<PlanGrant> = {}): string {
    return signPlan(plan, {
      issuer: this.issuer,
      organizationId: plan.organizationId,
      runnerId: plan.runnerId,
      planId: plan.planId,
      runId: plan.runId,
      now: new Date(),
      key: this.keyring.active,
      ...changes,
    })
  }

  /** Pushes a plan; the answer's status and JSON. */
  async push(
    runner: string,
    plan: Plan,
    token = this.sign(plan),
  ): Promise<{ status: number; body: { code?: string } }> {
    const response = await fetch(`${runner}/v1/plans`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, plan }),
    })
    return { status: response.status, body: (await response.json()) as { code?: string } }
  }
}

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

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
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
