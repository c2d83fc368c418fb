import { randomUUID } from 'node:crypto'
import type { Plan } from '@redoubt/contract'
import { generateSigningKey, Keyring, signAccessToken } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { step } from './fake-target.ts'
import { RunnerFixture } from './runner-fixture.ts'

describe('the runner takes no plan but one that its control plane signed for it, now, once', () => {
  const fixture = new RunnerFixture()
  const { controlPlane } = fixture
  let url = ''
  beforeAll(async () => {
    await fixture.prepare()
    url = await fixture.start()
  })
  afterAll(() => fixture.close())

  const plan = () => controlPlane.plan([step.transform('answer', { value: '42' })])
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000)
  const segment = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

  it('takes a good plan, runs it and reports it', async () => {
    const good = plan()
    expect(await controlPlane.push(url, good)).toEqual({
      status: 202,
      body: { planId: good.planId, runId: good.runId },
    })
    const report = await controlPlane.reported(good.runId, 'succeeded')
    expect(report.steps).toMatchObject([{ stepId: 'answer', status: 'succeeded', summary: 'set value' }])
  })

  const forgeries: [string, number, string, (plan: Plan) => string | [string, Plan]][] = [
    ['an expired plan', 401, 'token_expired', (p) => controlPlane.sign(p, { now: minutesAgo(5) })],
    ['a plan from the future', 401, 'token_not_yet_valid', (p) => controlPlane.sign(p, { now: minutesAgo(-2) })],
    ['a plan for another runner', 401, 'token_audience', (p) => controlPlane.sign(p, { runnerId: randomUUID() })],
    ['a plan of another tenant', 401, 'token_subject', (p) => controlPlane.sign(p, { organizationId: randomUUID() })],
    [
      'a plan of another control plane',
      401,
      'token_issuer',
      (p) => controlPlane.sign(p, { issuer: 'https://evil.test' }),
    ],
    ['a plan whose steps were altered', 422, 'plan_hash', (p) => [controlPlane.sign(p), { ...p, tlp: 'CLEAR' }]],
    [
      'a plan signed by nobody known',
      401,
      'token_key_unknown',
      (p) => controlPlane.sign(p, { key: generateSigningKey('ES256') }),
    ],
    [
      'alg none',
      401,
      'token_algorithm',
      (p) => `${segment({ alg: 'none', typ: 'redoubt-plan+jwt', kid: 'x' })}.${controlPlane.sign(p).split('.')[1]}.`,
    ],
    [
      'HS256 with the public key as secret',
      401,
      'token_algorithm',
      (p) =>
        `${segment({ alg: 'HS256', kid: controlPlane.keyring.active.kid })}.${controlPlane.sign(p).split('.')[1]}.AAAA`,
    ],
    [
      'a good signature over other claims',
      401,
      'token_signature',
      (p) => {
        const [head, , tail] = controlPlane.sign(p).split('.')
        return `${head}.${controlPlane.sign(plan()).split('.')[1]}.${tail}`
      },
    ],
    [
      'an access token in the place of a plan token',
      401,
      'token_type',
      (p) => {
        const ids = {
          organizationId: p.organizationId,
          userId: randomUUID(),
          sessionId: randomUUID(),
          tokenId: randomUUID(),
        }
        const claims = { issuer: controlPlane.issuer, audience: 'redoubt', now: new Date(), ...ids }
        return signAccessToken(claims, controlPlane.keyring.active)
      },
    ],
    ['no token at all', 401, 'token_malformed', () => 'nothing'],
    ['a token for another plan id', 422, 'plan_mismatch', (p) => controlPlane.sign(p, { planId: randomUUID() })],
    ['a token for another run', 422, 'plan_mismatch', (p) => controlPlane.sign(p, { runId: randomUUID() })],
    [
      'a signed plan that is not of the format',
      422,
      'plan_invalid',
      (p) => {
        const odd = { ...p, note: 'more' } as Plan
        return [controlPlane.sign(odd), odd]
      },
    ],
    [
      'a signed plan whose case is above its TLP ceiling',
      422,
      'plan_invalid',
      (p) => {
        const id = randomUUID()
        const about = { id, number: 1, title: 't', severity: 'low', tlp: 'RED', phase: 'triage' }
        const odd = { ...p, caseId: id, inputs: { ...p.inputs, case: about } } as unknown as Plan
        return [controlPlane.sign(odd), odd]
      },
    ],
  ]
  it.each(forgeries)('refuses %s', async (_name, status, code, forge) => {
    const genuine = plan()
    const forged = forge(genuine)
    const [token, sent] = typeof forged === 'string' ? [forged, genuine] : forged
    expect(await controlPlane.push(url, sent, token)).toMatchObject({ status, body: { code } })
    expect(controlPlane.reportsOf(genuine.runId)).toEqual([])
  })

  it('refuses a plan the second time, also after a restart', async () => {
    const once = plan()
    const token = controlPlane.sign(once)
    expect(await controlPlane.push(url, once, token)).toMatchObject({ status: 202 })
    expect(await controlPlane.push(url, once, token)).toMatchObject({ status: 409, body: { code: 'plan_replayed' } })
    await fixture.runner?.stop()
    url = await fixture.start()
    expect(await controlPlane.push(url, once, token)).toMatchObject({ status: 409, body: { code: 'plan_replayed' } })
  })

  it('takes one of many simultaneous copies of a plan', async () => {
    const once = plan()
    const token = controlPlane.sign(once)
    const answers = await Promise.all(Array.from({ length: 12 }, () => controlPlane.push(url, once, token)))
    expect(answers.filter((answer) => answer.status === 202)).toHaveLength(1)
    expect(answers.filter((answer) => answer.body.code === 'plan_replayed')).toHaveLength(11)
  })

  it('refuses another plan for a run that is finished', async () => {
    const first = plan()
    await controlPlane.push(url, first)
    await controlPlane.reported(first.runId, 'succeeded')
    const again = { ...first, planId: randomUUID() }
    expect(await controlPlane.push(url, again)).toMatchObject({ status: 409, body: { code: 'run_finished' } })
  })

  it('answers anything else with problem details', async () => {
    const post = (body: string, type = 'application/json') =>
      controlPlane.ask(`${url}/v1/plans`, { method: 'POST', headers: { 'content-type': type }, body })
    for (const [response, status] of [
      [await post('{'), 400],
      [await post('{"token":1}'), 400],
      [await post('x', 'text/plain'), 415],
      [await post(JSON.stringify({ token: 'x', plan: 'y'.repeat(600_000) })), 413],
      [await controlPlane.ask(`${url}/`), 404],
      [await controlPlane.ask(`${url}/v1/plans`), 404],
    ] as const) {
      expect(response.status).toBe(status)
      expect(response.type).toContain('application/problem+json')
      expect(response.json).toMatchObject({ status, requestId: expect.any(String) })
    }
  })

  it('asks for an unknown key once, not once per forged token', async () => {
    await controlPlane.push(url, plan())
    const before = controlPlane.trustRequests
    const stranger = generateSigningKey('ES256')
    for (let i = 0; i < 10; i++) await controlPlane.push(url, plan(), controlPlane.sign(plan(), { key: stranger }))
    expect(controlPlane.trustRequests - before).toBeLessThanOrEqual(1)
  })
})

describe('the keys of the control plane', () => {
  const fixture = new RunnerFixture()
  const { controlPlane } = fixture
  let now = new Date()
  let url = ''
  beforeAll(async () => {
    await fixture.prepare()
    controlPlane.now = () => now
    url = await fixture.start({ clock: { now: () => now, sleep: async () => {} } })
  })
  afterAll(() => fixture.close())
  const push = async () => {
    const plan = controlPlane.plan([step.transform('answer', { value: '42' })])
    return controlPlane.push(url, plan, controlPlane.sign(plan, { now }))
  }

  it('refuses every plan while they cannot be fetched', async () => {
    controlPlane.trustStatus = 500
    expect(await push()).toMatchObject({ status: 503, body: { code: 'keys_unavailable' } })
    controlPlane.trustStatus = 200
    expect(await push()).toMatchObject({ status: 202 })
  })

  it('follows a rotation at once, and stops taking a withdrawn key within five minutes', async () => {
    now = new Date(now.getTime() + 11_000)
    controlPlane.keyring = new Keyring(generateSigningKey('ES256'))
    expect(await push()).toMatchObject({ status: 202 })
    const withdrawn = controlPlane.keyring.active
    controlPlane.keyring = new Keyring(generateSigningKey('ES256'))
    now = new Date(now.getTime() + 5 * 60_000)
    const plan = controlPlane.plan([step.transform('answer', { value: '42' })])
    const stale = controlPlane.sign(plan, { now, key: withdrawn })
    expect(await controlPlane.push(url, plan, stale)).toMatchObject({
      status: 401,
      body: { code: 'token_key_unknown' },
    })
  })
})
