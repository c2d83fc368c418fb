import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import {
  type OrganizationId,
  PLAN_FORMAT,
  Plan,
  type PlaybookId,
  ROOTS_PATH,
  type RunId,
  type RunnerId,
  RunReport,
  type Step,
} from '@redoubt/contract'
import {
  type CertificateHolder,
  createOpaqueToken,
  followCertificate,
  formatEnrolmentToken,
  generateSigningKey,
  importJwks,
  internalServerOptions,
  Keyring,
  type KeySet,
  type PlanGrant,
  parseEnrolmentToken,
  peerIdentity,
  signPlan,
  type VerifiedSvid,
  verifyRunnerToken,
} from '@redoubt/trust'
import { readBody } from './fake-target.ts'
import { type Answered, ask, showing, TestAuthority } from './test-authority.ts'

const uuid = <T extends string>() => randomUUID() as string as T
const DAY_MS = 86_400_000

/** The edge of the runner's world: a control plane small enough to read at one sight. */
export class FakeControlPlane {
  readonly organizationId = uuid<OrganizationId>()
  readonly runnerId = uuid<RunnerId>()
  readonly issuer = 'https://control-plane.test'
  keyring = new Keyring(generateSigningKey('ES256'))
  now = () => new Date()
  trustStatus = 200
  trustRequests = 0
  /** Status for the next reports; 200 when the list is empty. */
  reportStatuses: number[] = []
  readonly reports: RunReport[] = []
  /** What the runner is told not to believe. */
  denied: string[] = []
  /** What its own requests are measured by: serials and SPIFFE ids. */
  readonly distrusted = new Set<string>()
  certificateLifetimeMs = DAY_MS
  renewalStatus = 200
  /** Serials of the certificates that the runner was given, in order. */
  readonly issued: string[] = []
  /** Every request as it came: its path, the token in it if any, and who the connection was of. */
  readonly seen: { readonly path: string; readonly body: string; readonly peer: VerifiedSvid | null }[] = []
  readonly #reported = new Set<string>()
  #runnerKeys: KeySet | undefined
  #server: Server | undefined
  #arrived: (() => void)[] = []
  #authority: TestAuthority | undefined
  #api: CertificateHolder | undefined
  #deliverer: CertificateHolder | undefined
  #token = ''
  url = ''

  async start(): Promise<this> {
    const authority = await TestAuthority.create()
    this.#authority = authority
    this.#deliverer = await authority.service('workflow-processor')
    const holder = await authority.service(
      'api',
      (serial, id) => this.distrusted.has(serial) || this.distrusted.has(id),
    )
    this.#api = holder
    this.#token = formatEnrolmentToken(createOpaqueToken('run'), holder.rules().roots)
    this.#server = createServer(internalServerOptions(holder), (request, response) => {
      void readBody(request)
        .then((body) => this.#answer(request, body))
        .then(([status, answer]) => {
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
        })
    })
    followCertificate(this.#server, holder)
    this.#server.on('tlsClientError', () => {})
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve))
    this.url = `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  get authority(): TestAuthority {
    return this.#authority as TestAuthority
  }

  /** As an operator gets it: with the pin of the authority. */
  get enrolmentToken(): string {
    return this.#token
  }

  get runner() {
    const { organizationId, runnerId } = this
    return { trustDomain: this.authority.trustDomain, kind: 'runner', organizationId, runnerId } as const
  }

  async #answer(request: IncomingMessage, body: Buffer): Promise<readonly [number, unknown]> {
    const holder = this.#api as CertificateHolder
    const peer = peerIdentity(request.socket as TLSSocket, holder.rules())
    const path = request.url ?? ''
    this.seen.push({ path, body: body.toString('utf8'), peer })
    if (path === ROOTS_PATH) return [200, { rootsPem: this.authority.rootsPem }]
    if (path === '/api/v1/runner/enroll') {
      const { token, publicKey, certificateRequest } = JSON.parse(body.toString('utf8'))
      if (token !== parseEnrolmentToken(this.#token).token || this.#runnerKeys !== undefined) return [410, {}]
      this.#runnerKeys = importJwks({ keys: [publicKey] })
      const { runnerId, organizationId, issuer } = this
      const { trustDomain } = this.authority
      return [200, { runnerId, organizationId, issuer, trustDomain, ...(await this.#certify(certificateRequest)) }]
    }
    if (!this.#isSigned(request, body)) return [401, {}]
    if (path === '/api/v1/runner/certificate') {
      if (this.renewalStatus !== 200) return [this.renewalStatus, {}]
      return [200, await this.#certify(JSON.parse(body.toString('utf8')).certificateRequest)]
    }
    const known = peer?.spiffeId.kind === 'runner' && peer.spiffeId.runnerId === this.runnerId
    if (!known) return [403, {}]
    if (path === '/api/v1/runner/trust') {
      this.trustRequests++
      return [this.trustStatus, { planKeys: this.keyring.jwks(), ...this.#trust() }]
    }
    if (path === '/api/v1/runner/reports') {
      const status = this.reportStatuses.shift() ?? 200
      if (status !== 200) return [status, {}]
      const report = RunReport.parse(JSON.parse(body.toString('utf8')))
      const id = `${report.runId}/${report.sequence}`
      if (!this.#reported.has(id)) this.reports.push(report)
      this.#reported.add(id)
      for (const wake of this.#arrived.splice(0)) wake()
      return [200, { done: true }]
    }
    return [404, {}]
  }

  #isSigned(request: IncomingMessage, body: Buffer): boolean {
    const token = request.headers.authorization?.replace(/^Runner /, '') ?? ''
    const { runnerId, organizationId } = this
    const keys = this.#runnerKeys ?? { find: () => undefined }
    try {
      verifyRunnerToken(token, { runnerId, organizationId, body, now: this.now(), keys })
      return true
    } catch {
      return false
    }
  }

  #trust() {
    return { rootsPem: this.authority.rootsPem, denied: this.denied }
  }

  async #certify(requestPem: string) {
    const { certificatePem, serial } = await this.authority.certify(this.runner, requestPem, this.certificateLifetimeMs)
    this.issued.push(serial)
    for (const wake of this.#arrived.splice(0)) wake()
    return { certificatePem, ...this.#trust() }
  }

  /** Resolves once the runner has been given this many certificates. */
  async certified(count: number): Promise<void> {
    while (this.issued.length < count) await new Promise<void>((resolve) => this.#arrived.push(resolve))
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

  /** What the workflow-processor connects to the runner with. */
  delivering(): ConnectionOptions {
    return showing(this.#deliverer as CertificateHolder, this.runner)
  }

  /** One request to the runner as its workflow-processor, which believes no other runner. */
  ask(url: string, wanted: Parameters<typeof ask>[2] = {}): Promise<Answered> {
    return ask(url, this.delivering(), wanted)
  }

  /** Pushes a plan; the answer's status and JSON. */
  async push(
    runner: string,
    plan: Plan,
    token = this.sign(plan),
  ): Promise<{ status: number; body: { code?: string } }> {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ token, plan })
    const answer = await this.ask(`${runner}/v1/plans`, { method: 'POST', headers, body })
    return { status: answer.status, body: answer.json as { code?: string } }
  }
}
