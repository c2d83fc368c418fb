import type { ConnectionOptions } from 'node:tls'
import type { Run, RunReport } from '@redoubt/contract'
import {
  type CertificateHolder,
  createCertificateRequest,
  formatSpiffeId,
  internalClientOptions,
  readCertificate,
  type SigningKey,
  signRunnerToken,
  verifySvid,
} from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ResponseFixture, send, startResponseFixture, type TestRunner } from './response-fixture.ts'

let f: ResponseFixture
let team: Awaited<ReturnType<ResponseFixture['tenant']>>
let foreign: Awaited<ReturnType<ResponseFixture['tenant']>>
let runner: TestRunner
let stranger: TestRunner
beforeAll(async () => {
  f = await startResponseFixture()
  team = await f.tenant()
  foreign = await f.tenant()
  runner = await f.runner(team.admin)
  stranger = await f.runner(foreign.admin)
})
afterAll(() => f.t.stop())

type Who = { readonly id: string; readonly organizationId: string; readonly key: SigningKey }
const signed = (by: Who, text: string) => {
  const [runnerId, body] = [by.id, Buffer.from(text)]
  const grant = {
    runnerId,
    organizationId: by.organizationId,
    tokenId: crypto.randomUUID(),
    body,
    now: f.t.clock.now(),
  }
  return { authorization: `Runner ${signRunnerToken(grant, by.key)}` }
}
const shown = (holder: CertificateHolder) => internalClientOptions(holder, f.apiId)
const trust = (by: Who, tls: ConnectionOptions, at = f.runnersUrl) =>
  send(`${at}/api/v1/runner/trust`, tls, { method: 'GET', headers: signed(by, '') })
const renew = (by: Who, tls: ConnectionOptions, request = createCertificateRequest().requestPem) => {
  const body = JSON.stringify({ certificateRequest: request })
  return send(`${f.runnersUrl}/api/v1/runner/certificate`, tls, { body: Buffer.from(body), headers: signed(by, body) })
}
/** What a thief with the keeper's authority could make; here for certificates that nobody would be given. */
async function ended(holder: CertificateHolder): Promise<ConnectionOptions> {
  const { issueSvid, Secret } = await import('@redoubt/trust')
  const material = (await f.t.keeper.desk.line()).at(-1)?.material as { certificatePem: string; privateKeyPem: string }
  const authority = { certificatePem: material.certificatePem, privateKeyPem: new Secret(material.privateKeyPem) }
  const { requestPem, privateKeyPem } = createCertificateRequest()
  const now = new Date(Date.now() - 10_000)
  const { certificatePem } = await issueSvid(authority, requestPem, holder.spiffeId, { now, lifetimeMs: 5000 })
  return { ...shown(holder), cert: certificatePem, key: privateKeyPem.reveal() }
}

describe('the port for runners', () => {
  it('hears a runner by its token and its certificate together, and tells it whom to trust', async () => {
    const { status, body } = await trust(runner, shown(runner.holder))
    expect(status).toBe(200)
    expect(body).toMatchObject({ planKeys: { keys: [{ kty: 'EC' }] }, rootsPem: [expect.any(String)], denied: [] })
  })

  it.each([
    ['no certificate', 403, () => ({ by: runner, tls: f.stranger })],
    ['the certificate of another tenant’s runner', 403, () => ({ by: runner, tls: shown(stranger.holder) })],
    ['the certificate of a service', 403, () => ({ by: runner, tls: shown(f.deliverer) })],
    [
      'its certificate and another’s key',
      401,
      () => ({ by: { ...runner, key: stranger.key }, tls: shown(runner.holder) }),
    ],
    ['another’s certificate and token', 200, () => ({ by: stranger, tls: shown(stranger.holder) })],
  ] as const)('answers a runner behind %s with %d', async (_what, status, of) => {
    const { by, tls } = of()
    expect((await trust(by, tls)).status).toBe(status)
  })

  it('hears nobody whose certificate has ended, but gives a new one to whoever signs for it', async () => {
    const late = await ended(runner.holder)
    expect((await trust(runner, late)).status).toBe(403)
    for (const tls of [late, f.stranger]) {
      const { status, body } = await renew(runner, tls)
      expect(status).toBe(200)
      const leaf = readCertificate(body['certificatePem'] as string)
      const { spiffeId, notBefore, notAfter } = verifySvid(leaf, runner.holder.rules())
      expect(spiffeId).toEqual(runner.spiffeId)
      expect(notAfter.getTime() - notBefore.getTime()).toBeLessThanOrEqual(24 * 3_600_000 + 61_000)
    }
  })

  it('renews for the runner itself alone, and for the key that its request proves', async () => {
    expect((await renew(runner, shown(runner.holder))).status).toBe(200)
    expect((await renew(runner, shown(stranger.holder))).status).toBe(403)
    expect((await renew({ ...runner, key: stranger.key }, f.stranger)).status).toBe(401)
    expect((await renew({ ...stranger, organizationId: runner.organizationId }, f.stranger)).status).toBe(401)
    const { requestPem } = createCertificateRequest()
    const bytes = Buffer.from(requestPem.split('\n').slice(1, -2).join(''), 'base64')
    bytes[40] = (bytes[40] as number) ^ 1
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    expect(await renew(runner, shown(runner.holder), forged)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'certificateRequest' }] },
    })
  })

  it('is the only one that serves them; the public one knows none of it', async () => {
    const paths = f.t.operations.flatMap(({ spec }) => (spec.channel === 'runners' && spec.rest ? [spec.rest] : []))
    expect(paths).toHaveLength(4)
    for (const { method, path } of paths)
      expect((await fetch(`${f.api}/api/v1${path}`, { method })).status, path).toBe(404)
    expect((await fetch(`${f.api}/.well-known/redoubt-roots.json`)).status).toBe(404)
    expect((await send(`${f.runnersUrl}/api/v1/cases`, shown(runner.holder), { method: 'GET' })).status).toBe(404)
  })

  it('speaks neither TLS 1.2 nor plain HTTP', async () => {
    const tls12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'DEFAULT' } as const
    const old = { ...shown(runner.holder), ...tls12 } as const
    await expect(trust(runner, old)).rejects.toThrow(/alert protocol version/)
    await expect(fetch(`${f.runnersUrl.replace('https', 'http')}/healthz`)).rejects.toThrow()
  })
})

describe('a runner that is revoked', () => {
  it('is refused at once everywhere, and gets no new certificate', async () => {
    const doomed = await f.runner(team.admin)
    const name = formatSpiffeId(doomed.spiffeId)
    expect((await trust(doomed, shown(doomed.holder))).status).toBe(200)
    await f.t.call(team.admin, 'runners.revoke', { id: doomed.id })
    expect((await trust(doomed, shown(doomed.holder))).status).toBe(401)
    expect((await renew(doomed, shown(doomed.holder))).status).toBe(401)
    expect((await renew(doomed, f.stranger)).status).toBe(401)
    for (const { kernel } of Object.values(f.t.parts)) {
      await expect.poll(() => kernel.certificate.rules().denied('', name)).toBe(true)
      expect(kernel.certificate.rules().denied('', formatSpiffeId(runner.spiffeId))).toBe(false)
    }
    // The workflow-processor would not speak with it either.
    const dial = send(`${doomed.url}/v1/health`, internalClientOptions(f.deliverer, doomed.spiffeId), { method: 'GET' })
    await expect(dial).rejects.toMatchObject({ code: 'certificate_denied' })
    const events = (await f.t.call(team.admin, 'audit.list', { targetId: doomed.id })).items
    expect(events.map(({ action }) => action)).toContain('runner.revoked')
    // Whom other tenants have lost is no runner's business.
    expect((await trust(stranger, shown(stranger.holder))).body).toMatchObject({ denied: [] })
  })

  it('or denied by hand, without being revoked, gets no new certificate', async () => {
    const doomed = await f.runner(team.admin)
    expect((await renew(doomed, f.stranger)).status).toBe(200)
    await f.t.parts.redoubt_api.kernel.keeper.call('services.deny', {
      subject: formatSpiffeId(doomed.spiffeId),
      reason: 'lost',
    })
    await expect.poll(async () => (await renew(doomed, f.stranger)).status).toBe(401)
    await f.t.call(team.admin, 'runners.revoke', { id: doomed.id })
  })
})

describe('a plan', () => {
  const pointAt = (url: string) => f.t.admin.query('update runners set url = $1 where id = $2', [url, runner.id])
  const push = async (): Promise<Run> => {
    const { id } = await f.t.call(team.user, 'runs.start', { playbookId: team.playbook.id, caseId: team.caseId })
    await f.push({ id }, team.user)
    return f.t.call(team.user, 'runs.get', { id })
  }

  it('goes to the runner it is for (the control), and to none of another tenant at the same address', async () => {
    expect((await push()).failure).toBeNull()
    await pointAt(stranger.url)
    const { state, failure } = await push()
    await pointAt(runner.url)
    expect({ state, failure }).toEqual({
      state: 'failed',
      failure: expect.stringMatching(/it is not this runner that answers there: .*\(certificate_id\)/),
    })
  })

  it('does not travel without TLS, and the run says how to enrol the runner anew', async () => {
    await pointAt(runner.url.replace('https', 'http'))
    const { state, failure } = await push()
    await pointAt(runner.url)
    expect(state).toBe('failed')
    expect(failure).toMatch(/redoubt runner invite NAME and redoubt runner start --enrol .*\(runner_enrolled_before\)/)
  })
})

it('a report over another runner’s connection is refused, over its own it is taken', async () => {
  const { id } = await f.t.call(team.user, 'runs.start', { playbookId: team.playbook.id, caseId: team.caseId })
  await f.push({ id }, team.user)
  const run = await f.until(team.user, id, 'waiting')
  const report = { runId: id, planId: run.plans[0]?.id ?? '', sequence: 900, status: 'failed', steps: [] } as RunReport
  expect((await f.report({ ...runner, holder: stranger.holder }, report)).status).toBe(403)
  expect((await f.report(runner, report)).status).toBe(200)
})
