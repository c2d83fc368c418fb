import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import { ROOTS_PATH } from '@redoubt/contract'
import {
  createOpaqueToken,
  formatEnrolmentToken,
  formatSpiffeId,
  parseEnrolmentToken,
  readRoots,
  type SpiffeId,
  type Svid,
  type Timers,
} from '@redoubt/trust'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import { StartRefused, startRunner } from '../src/index.ts'
import { readBody, step } from './fake-target.ts'
import { RunnerFixture } from './runner-fixture.ts'
import { ask, TestAuthority } from './test-authority.ts'

const HOUR_MS = 3_600_000
const silent = pino({ level: 'silent' })

describe('a runner hears the workflow-processor of its own control plane, and nobody else', () => {
  const fixture = new RunnerFixture()
  const { controlPlane } = fixture
  let url = ''
  beforeAll(async () => {
    await fixture.prepare()
    url = await fixture.start()
  })
  afterAll(() => fixture.close())

  const plan = () => controlPlane.plan([step.transform('answer', { value: '42' })])
  /** Pushes a rightly signed plan with this certificate; nobody is verified, as by an attacker. */
  const push = (shown: Svid | null, more: ConnectionOptions = {}, at = url) => {
    const good = plan()
    const tls = {
      rejectUnauthorized: false,
      ...(shown ? { cert: shown.certificatePem, key: shown.privateKeyPem.reveal() } : {}),
      ...more,
    }
    const body = JSON.stringify({ token: controlPlane.sign(good), plan: good })
    return ask(`${at}/v1/plans`, tls, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  }
  const notHeard = { status: 403, json: { code: 'not_control_plane' } }
  const svid = (id: SpiffeId) => controlPlane.authority.svid(id)
  const deliverer = () => controlPlane.authority.serviceId('workflow-processor')

  it('takes its plan (the control of all that follows)', async () => {
    expect(await push(await svid(deliverer()))).toMatchObject({ status: 202 })
  })

  const strangers: [string, () => Promise<Svid | null>][] = [
    ['who shows no certificate', async () => null],
    ['another service', () => svid(controlPlane.authority.serviceId('api'))],
    ['the runner of another tenant', () => svid({ ...controlPlane.runner, organizationId: crypto.randomUUID() })],
    ['itself', () => svid(controlPlane.runner)],
    [
      'whose certificate has ended',
      () => controlPlane.authority.svid(deliverer(), { now: new Date(Date.now() - 2 * HOUR_MS), lifetimeMs: HOUR_MS }),
    ],
    ['whom another authority certified', async () => (await TestAuthority.create()).svid(deliverer())],
    [
      'the workflow-processor of another installation',
      async () => {
        const other = await TestAuthority.create('other.test')
        return other.svid(other.serviceId('workflow-processor'))
      },
    ],
  ]
  it.each(strangers)('refuses %s, on every path', async (_who, shown) => {
    const certificate = await shown()
    expect(await push(certificate)).toMatchObject(notHeard)
    const tls = {
      rejectUnauthorized: false,
      ...(certificate ? { cert: certificate.certificatePem, key: certificate.privateKeyPem.reveal() } : {}),
    }
    for (const path of ['/v1/health', '/v1/nothing', '/']) {
      expect(await ask(url + path, tls), path).toMatchObject(notHeard)
    }
  })

  it('refuses a certificate that the control plane denies, from the next keys it fetches on', async () => {
    const lost = await svid(deliverer())
    expect(await push(lost)).toMatchObject({ status: 202 })
    controlPlane.denied = [lost.serial]
    await fixture.runner?.stop()
    url = await fixture.start()
    expect(await push(await svid(deliverer()))).toMatchObject({ status: 202 })
    expect(await push(lost)).toMatchObject(notHeard)
    expect(await push(await svid(deliverer()))).toMatchObject({ status: 202 })
    controlPlane.denied = []
  })

  it('speaks neither TLS 1.2 nor plain HTTP', async () => {
    const good = await svid(deliverer())
    const old = push(good, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
    await expect(old).rejects.toThrow(/alert protocol version/)
    expect(await push(good, { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })).toMatchObject({ status: 202 })
    await expect(fetch(`${url.replace('https', 'http')}/v1/health`)).rejects.toThrow()
  })

  it('proves itself as this very runner', async () => {
    const { port } = new URL(url)
    const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    expect(socket.getPeerX509Certificate()?.subjectAltName).toBe(`URI:${formatSpiffeId(controlPlane.runner)}`)
    expect(socket.getProtocol()).toBe('TLSv1.3')
    socket.destroy()
  })

  it('never let a private key out of its home', () => {
    expect(controlPlane.seen.length).toBeGreaterThan(3)
    for (const { body } of controlPlane.seen) expect(body).not.toContain('PRIVATE KEY')
  })
})

describe('an enrolment', () => {
  let fixture: RunnerFixture
  beforeEach(async () => {
    fixture = await new RunnerFixture().prepare()
  })
  afterEach(() => fixture.close())

  /** Somebody in between, who has read all that is public, and writes down all that he is sent. */
  async function manInTheMiddle(roots: (own: TestAuthority) => readonly string[]) {
    const own = await TestAuthority.create()
    const { certificatePem, privateKeyPem } = await own.svid(own.serviceId('api'))
    const heard: string[] = []
    let connections = 0
    const server = createServer({ cert: certificatePem, key: privateKeyPem.reveal() }, (incoming, response) => {
      void readBody(incoming).then((body) => {
        heard.push(`${incoming.method} ${incoming.url} ${JSON.stringify(incoming.headers)} ${body.toString('utf8')}`)
        response.end(JSON.stringify(incoming.url === ROOTS_PATH ? { rootsPem: roots(own) } : {}))
      })
    })
    server.on('connection', () => {
      connections++
    })
    server.on('tlsClientError', () => {})
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
    return {
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      heard,
      connections: () => connections,
      stop() {
        server.close()
        server.closeAllConnections()
      },
    }
  }

  test.each([
    ['has an authority of his own', (own: TestAuthority) => own.rootsPem, /the token was not sent/],
    [
      'presents the true root, which is public, beside his own',
      (own: TestAuthority) => [...fixture.controlPlane.authority.rootsPem, ...own.rootsPem],
      /failed: (UNABLE_TO_VERIFY|SELF_SIGNED|DEPTH_ZERO|ERR_TLS|certificate)/,
    ],
    ['presents nothing', () => [], /presents no roots/],
  ])('never shows its token to a man in the middle who %s', async (_who, roots, reason) => {
    const { controlPlane, home } = fixture
    const middle = await manInTheMiddle(roots)
    const enrolment = { controlPlane: middle.url, token: controlPlane.enrolmentToken }
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify(enrolment))
    const said: string[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const log = pino(
      { level: 'warn' },
      {
        write: (line: string) => {
          said.push(JSON.parse(line).reason)
          resolve()
        },
      },
    )
    const runner = await startRunner({ home, port: 0, log })
    await promise
    expect(said[0]).toMatch(reason)
    await runner.stop()
    const { token } = parseEnrolmentToken(controlPlane.enrolmentToken)
    expect(middle.connections()).toBeGreaterThan(0)
    expect(middle.heard.length).toBeGreaterThan(0)
    for (const sent of middle.heard) expect(sent).not.toContain(token)
    middle.stop()

    // The control: the same home with the true address; there the token is used.
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify({ ...enrolment, controlPlane: controlPlane.url }))
    await fixture.start()
    expect(controlPlane.seen.some(({ body }) => body.includes(token))).toBe(true)
  })

  test('with a token that has no pin is refused before anybody is asked', async () => {
    const { controlPlane, home } = fixture
    const token = createOpaqueToken('run')
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify({ controlPlane: controlPlane.url, token }))
    const { promise, resolve } = Promise.withResolvers<string>()
    const log = pino({ level: 'error' }, { write: (line: string) => resolve(JSON.parse(line).reason) })
    const runner = await startRunner({ home, port: 0, log })
    expect(await promise).toContain('copy it again')
    await runner.stop()
    expect(controlPlane.seen).toEqual([])
  })

  test('accepts every root that is pinned, so that a rotation of the authority in between does no harm', async () => {
    const { controlPlane, home } = fixture
    const coming = await TestAuthority.create()
    const { token } = parseEnrolmentToken(controlPlane.enrolmentToken)
    const roots = readRoots([...coming.rootsPem, ...controlPlane.authority.rootsPem])
    const enrolment = { controlPlane: controlPlane.url, token: formatEnrolmentToken(token, roots) }
    writeFileSync(join(home, 'enrolment.json'), JSON.stringify(enrolment))
    await fixture.start()
  })

  test('of the time of plain HTTP is refused, with how to enrol anew', async () => {
    const { controlPlane, home } = fixture
    const { organizationId, runnerId, issuer } = controlPlane
    const before = { runnerId, organizationId, issuer, controlPlane: 'http://127.0.0.1:4000' }
    writeFileSync(join(home, 'identity.json'), JSON.stringify(before))
    const started = startRunner({ home, port: 0, log: silent })
    await expect(started).rejects.toThrow(StartRefused)
    await expect(started).rejects.toThrow(/http:\/\/127\.0\.0\.1:4000 .* enrol it anew .* redoubt runner invite/)
  })
})

describe('the certificate of a runner', () => {
  let fixture: RunnerFixture
  beforeEach(async () => {
    fixture = await new RunnerFixture().prepare()
  })
  afterEach(() => fixture.close())
  const kept = () => JSON.parse(readFileSync(join(fixture.home, 'certificate.json'), 'utf8'))
  const keep = (value: object) =>
    writeFileSync(join(fixture.home, 'certificate.json'), JSON.stringify({ ...kept(), ...value }), { mode: 0o600 })
  /** Runs a plan that does nothing, from its push to its last report. */
  async function runOne(url: string) {
    const { controlPlane } = fixture
    const plan = controlPlane.plan([step.transform('answer', { value: '42' })])
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
    return controlPlane.reported(plan.runId, 'succeeded')
  }
  const lastPeer = (path: string) => fixture.controlPlane.seen.findLast((one) => one.path === path)?.peer ?? null

  it('serves a restart within its day: no other is asked for', async () => {
    const { controlPlane } = fixture
    await fixture.start()
    await fixture.runner?.stop()
    await runOne(await fixture.start())
    expect(controlPlane.issued).toHaveLength(1)
    expect(lastPeer('/api/v1/runner/reports')?.serial).toBe(controlPlane.issued[0])
  })

  it('is renewed at half its life while a plan runs, and nothing is dropped', async () => {
    const { controlPlane, target } = fixture
    let ahead = 0
    const clock = { now: () => new Date(Date.now() + ahead), sleep: async () => {} }
    controlPlane.now = clock.now
    const waiting = new Set<() => void>()
    const timers: Timers = {
      after(_ms, run) {
        waiting.add(run)
        return () => waiting.delete(run)
      },
    }
    const fire = () => {
      for (const run of [...waiting]) {
        waiting.delete(run)
        run()
      }
    }
    let release = () => {}
    target.answer = () =>
      new Promise((resolve) => {
        release = () => resolve({ status: 200 })
      })
    const url = await fixture.start({ clock, timers })
    // A connection that was open before goes on after.
    const { hostname: host, port } = new URL(url)
    const socket = connect({ ...controlPlane.delivering(), host, port: Number(port) })
    await once(socket, 'secureConnect')
    const before = socket.getPeerX509Certificate()?.serialNumber.toLowerCase()
    const over = async () => {
      socket.write('GET /v1/health HTTP/1.1\r\nhost: runner\r\n\r\n')
      return String((await once(socket, 'data'))[0])
    }
    expect(await over()).toMatch(/^HTTP\/1.1 200 /)
    const plan = controlPlane.plan([step.http('slow', 'GET', `${target.origin}/slow`)], { egress: target.egress })
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
    await target.arrivals(1)

    fire()
    await new Promise((turn) => setImmediate(turn))
    expect(controlPlane.issued).toHaveLength(1)
    ahead = 14 * HOUR_MS
    fire()
    await controlPlane.certified(2)
    release()
    await controlPlane.reported(plan.runId, 'succeeded')
    expect(lastPeer('/api/v1/runner/reports')?.serial).toBe(controlPlane.issued[1])
    expect(await over()).toMatch(/^HTTP\/1.1 200 /)
    socket.destroy()
    const fresh = connect({ host, port: Number(port), rejectUnauthorized: false })
    await once(fresh, 'secureConnect')
    const after = fresh.getPeerX509Certificate()?.serialNumber.toLowerCase()
    fresh.destroy()
    expect([before, after]).toEqual(controlPlane.issued)
  })

  it('that ended in a long outage is renewed by the runner’s own key alone, over a verified connection', async () => {
    const { controlPlane } = fixture
    await fixture.start()
    await fixture.runner?.stop()
    const now = new Date(Date.now() - 3 * 24 * HOUR_MS)
    const { certificatePem, privateKeyPem } = await controlPlane.authority.svid(controlPlane.runner, { now })
    keep({ certificatePem, privateKeyPem: privateKeyPem.reveal() })
    await runOne(await fixture.start())
    expect(controlPlane.issued).toHaveLength(2)
    expect(lastPeer('/api/v1/runner/certificate')).toBeNull()
    expect(lastPeer('/api/v1/runner/reports')?.serial).toBe(controlPlane.issued[1])
  })

  it('is not asked of anybody but the api of its own authority', async () => {
    const { controlPlane, home } = fixture
    await fixture.start()
    await fixture.runner?.stop()
    const before = controlPlane.seen.length
    keep({ rootsPem: (await TestAuthority.create()).rootsPem })
    const { promise, resolve } = Promise.withResolvers<string>()
    const log = pino(
      { level: 'warn' },
      {
        write(line: string) {
          const { reason } = JSON.parse(line)
          if (/certificate failed/.test(reason)) resolve(reason)
        },
      },
    )
    const runner = await startRunner({ home, port: 0, log })
    expect(await promise).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED/)
    await runner.stop()
    expect(controlPlane.seen).toHaveLength(before)
  })

  it('that the control plane believes no more is replaced, and the report that showed it is not lost', async () => {
    const { controlPlane } = fixture
    const url = await fixture.start()
    await runOne(url)
    controlPlane.distrusted.add(controlPlane.issued[0] as string)
    const plan = controlPlane.plan([step.transform('answer', { value: '42' })])
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
    await controlPlane.reported(plan.runId, 'succeeded')
    const sequences = controlPlane.reportsOf(plan.runId).map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
    expect(lastPeer('/api/v1/runner/reports')?.serial).toBe(controlPlane.issued[1])
  })

  it('comes with the roots and denials of the moment, also with each fetch of the keys, and a restart keeps them', async () => {
    const { controlPlane } = fixture
    const coming = await TestAuthority.create()
    controlPlane.authority.others.push(...coming.rootsPem)
    controlPlane.denied = ['spiffe://redoubt.test/service/web']
    const url = await fixture.start()
    expect(kept()).toMatchObject({ rootsPem: controlPlane.authority.rootsPem, denied: controlPlane.denied })
    controlPlane.denied = ['spiffe://redoubt.test/service/ingestion']
    await runOne(url)
    expect(kept()).toMatchObject({ denied: controlPlane.denied })
    // The workflow-processor itself, on an open runner, from that fetch on.
    controlPlane.denied = ['spiffe://redoubt.test/service/workflow-processor']
    await fixture.runner?.stop()
    const again = await fixture.start()
    await controlPlane.push(again, controlPlane.plan([step.transform('answer', { value: '42' })]))
    expect(await controlPlane.ask(`${again}/v1/health`)).toMatchObject({ status: 403 })
    await fixture.runner?.stop()
    fixture.runner = await startRunner({ home: fixture.home, port: 0, log: silent })
    expect(await controlPlane.ask(`${fixture.runner.url}/v1/health`)).toMatchObject({ status: 403 })
  })
})
