import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import type { CaseId, Run, RunId, RunReport } from '@redoubt/contract'
import { type RunningRunner, startRunner } from '@redoubt/runner'
import {
  CertificateHolder,
  createCertificateRequest,
  importSigningKey,
  internalClientOptions,
  internalServerOptions,
  Secret,
  type SigningKey,
  type SpiffeId,
  signRunnerToken,
} from '@redoubt/trust'
import { pino } from 'pino'
import { workflowTasks } from '../src/modules/playbooks/index.ts'
import { runJobsOnce } from '../src/platform/jobs.ts'
import { startApi } from '../src/services/api.ts'
import { openCase, teamOf } from './cases-fixture.ts'
import { startTestPlatform, type TestPerson } from './harness.ts'

export type ResponseFixture = Awaited<ReturnType<typeof startResponseFixture>>
export type TestRunner = Awaited<ReturnType<ResponseFixture['runner']>>

/** The platform with its REST port, real runners in this process, and a small target for their steps. */
export async function startResponseFixture() {
  const t = await startTestPlatform()
  const api = await startApi(t.kernel, t.databases.redoubt_api, t.operations, t.guards)
  t.onStop(api.stop)
  const target = await startTarget()
  t.onStop(target.stop)
  const tasks = workflowTasks(t.parts.redoubt_workflow.kernel, t.databases.redoubt_workflow)
  const { trustDomain } = t.kernel.config
  const apiId = { trustDomain, kind: 'service', name: 'api' } as const
  const deliverer = t.parts.redoubt_workflow.kernel.certificate

  return {
    t,
    api: api.url,
    runnersUrl: api.runnersUrl,
    apiId,
    /** The workflow-processor’s own certificate. */
    deliverer,
    target,
    tasks,

    /** A new organization with people of each role, a playbook and a case that names an address. */
    async tenant() {
      const team = await teamOf(t)
      const playbook = await t.call(team.moderator, 'playbooks.create', { yaml: playbookFor(target.port) })
      return { ...team, playbook, ...(await this.caseOf(team.user)) }
    },

    async caseOf(by: TestPerson, tlp: 'AMBER' | 'RED' | 'AMBER+STRICT' = 'AMBER') {
      const opened = await openCase(t, by, { title: 'Beacon to a known host', tlp })
      await t.call(by, 'cases.addObservable', { id: opened.id, text: '203.0.113.7' })
      return { case: opened, caseId: opened.id as CaseId }
    },

    /** An enrolled runner of the admin's organization. */
    async runner(admin: TestPerson, options: { port?: number } = {}) {
      const { token } = await t.call(admin, 'runners.invite', { name: 'Vienna' })
      const home = mkdtempSync(join(tmpdir(), 'redoubt-runner-'))
      writeFileSync(join(home, 'enrolment.json'), JSON.stringify({ controlPlane: api.runnersUrl, token }))
      const clock = { now: () => t.clock.now(), sleep: async () => undefined }
      let running: RunningRunner | undefined
      const start = async (port = options.port ?? 0) => {
        running = await startRunner({ home, port, clock, log: pino({ level: 'silent' }), reportBackoffMs: 10 })
        await enrolled(home, running.url, deliverer)
        return running.url
      }
      const stop = async () => {
        await running?.stop()
        running = undefined
      }
      t.onStop(async () => {
        await stop()
        rmSync(home, { recursive: true, force: true })
      })
      const url = await start()
      const { items } = await t.call(admin, 'runners.list', {})
      const id = items.find((each) => each.url === url)?.id as NonNullable<(typeof items)[number]>['id']
      const { default: jwk } = await import(join(home, 'runner-key.json'), { with: { type: 'json' } })
      const { organizationId } = admin
      const spiffeId: SpiffeId = { trustDomain, kind: 'runner', organizationId, runnerId: id }
      const holder = holderOf(home, spiffeId, t.clock)
      return { id, url, home, start, stop, key: importSigningKey(jwk), organizationId, spiffeId, holder }
    },

    /** Runs the queue's jobs of the workflow-processor that are due. */
    work: () => runJobsOnce(t.parts.redoubt_workflow.kernel, t.loginOf('redoubt_workflow'), tasks),

    /** One attempt of a job by hand, as the queue would make it. */
    push: (run: { id: RunId }, of: TestPerson, attempt = { last: false }) =>
      tasks['runs.push']?.({ runId: run.id, organizationId: of.organizationId }, attempt),
    check: (run: { id: RunId }, of: TestPerson) =>
      tasks['runs.check']?.({ runId: run.id, organizationId: of.organizationId }, { last: false }),

    /** The run as soon as it is in this state; live notices tell when to look again. */
    async until(who: TestPerson, id: RunId, state: Run['state']): Promise<Run> {
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const off = t.live.onNotice(({ topics }) => topics.includes('runs') && resolve())
        const run = await t.call(who, 'runs.get', { id })
        if (run.state === state) off()
        if (run.state === state) return run
        if (run.endedAt !== null) throw new Error(`the run ended as ${run.state}: ${run.failure}`)
        await promise
        off()
      }
    },

    /** A report as the holder of this key would send it, over a connection with this certificate. */
    async report(
      as: { id: string; organizationId: string; key: SigningKey; holder: CertificateHolder },
      report: RunReport,
      over: object = {},
    ) {
      const body = Buffer.from(JSON.stringify({ ...report, ...over }))
      const token = signRunnerToken(
        {
          runnerId: as.id,
          organizationId: as.organizationId,
          tokenId: crypto.randomUUID(),
          body: Buffer.from(JSON.stringify(report)),
          now: t.clock.now(),
        },
        as.key,
      )
      const tls = internalClientOptions(as.holder, apiId)
      return send(`${api.runnersUrl}/api/v1/runner/reports`, tls, {
        body,
        headers: { authorization: `Runner ${token}` },
      })
    },

    /** An enrolment by somebody without a certificate. */
    enrol(body: object) {
      const { requestPem: certificateRequest } = createCertificateRequest()
      const sent = Buffer.from(JSON.stringify({ certificateRequest, ...body }))
      return send(`${api.runnersUrl}/api/v1/runner/enroll`, this.stranger, { body: sent })
    },

    /** Believes the api, and shows no certificate. */
    get stranger(): ConnectionOptions {
      const { key: _key, cert: _cert, ...options } = internalClientOptions(deliverer, apiId)
      return options
    },
  }
}

/** What the runner keeps in its home, as the one would use it who has taken the home. */
export function holderOf(home: string, spiffeId: SpiffeId, clock: { now(): Date }): CertificateHolder {
  const kept = JSON.parse(readFileSync(join(home, 'certificate.json'), 'utf8'))
  const holder = new CertificateHolder({ spiffeId, rootsPem: kept.rootsPem, clock, denied: () => false })
  holder.replace({ ...kept, privateKeyPem: new Secret(kept.privateKeyPem) })
  return holder
}

type Sent = { readonly method?: string; readonly body?: Buffer; readonly headers?: Record<string, string> }
/** One request on a connection of its own; rejects with what the handshake failed with. */
export function send(url: string, tls: ConnectionOptions, { method = 'POST', body, headers = {} }: Sent = {}) {
  const type = body ? { 'content-type': 'application/json' } : {}
  return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
    const asking = request(url, { ...tls, method, headers: { ...type, ...headers }, agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : JSON.parse(text) }))
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

/** Once the home has an identity and its runner hears the workflow-processor. */
async function enrolled(home: string, url: string, deliverer: CertificateHolder): Promise<void> {
  for (;;) {
    const identity = join(home, 'identity.json')
    if (existsSync(identity)) {
      const { trustDomain, organizationId, runnerId } = JSON.parse(readFileSync(identity, 'utf8'))
      const tls = internalClientOptions(deliverer, { trustDomain, kind: 'runner', organizationId, runnerId })
      const health = await send(`${url}/v1/health`, tls, { method: 'GET' }).catch(() => undefined)
      if (health?.body['status'] === 'ok') return
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Answers lookups and blocks, and remembers what it was asked. */
async function startTarget() {
  const seen: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${body}`.trim())
      const [status, answer] = request.method === 'POST' ? [201, { id: 'rule-1' }] : [200, { score: 90 }]
      response.writeHead(status as number, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Stands where a runner should, with its certificate: answers each plan with a status, or breaks the line off when there is none. */
export async function listen(
  holder: CertificateHolder,
  answer: (body: string) => number | undefined | Promise<number | undefined>,
  headers: Record<string, string> = {},
) {
  const server = createTlsServer(internalServerOptions(holder), async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const status = await answer(Buffer.concat(chunks).toString('utf8'))
    if (status === undefined) request.socket.destroy()
    else response.writeHead(status, headers).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** Looks an address up, asks, blocks it, and says so. */
export const playbookFor = (port: number): string => `name: Block address
tlp: AMBER
egress:
  - host: 127.0.0.1
    port: ${port}
    private: true
steps:
  - id: lookup
    type: http.request
    method: GET
    url: http://127.0.0.1:${port}/reputation/\${{ observables[0].value }}
    expect:
      status: [200]
  - id: ok
    type: wait-for-approval
    prompt: "Block \${{ observables[0].value }}? Its score is \${{ steps.lookup.body.score }}."
    role: moderator
  - id: block
    type: http.request
    method: POST
    url: http://127.0.0.1:${port}/blocks
    body:
      address: \${{ observables[0].value }}
    expect:
      status: [201]
  - id: tell
    type: case.comment
    text: "Blocked as \${{ steps.block.body.id }}."
`
