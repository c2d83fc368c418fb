import { generateSigningKey, signAccessToken } from '@redoubt/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tokenAudience } from '../src/modules/identity/index.ts'
import { AppError } from '../src/platform/app-error.ts'
import { createServer } from '../src/platform/http.ts'
import type { KeeperClient } from '../src/platform/keeper-protocol.ts'
import type { Kernel } from '../src/platform/kernel.ts'
import type { Call } from '../src/platform/operation.ts'
import { SigningKeys } from '../src/platform/signing-keys.ts'
import { composeGuards } from '../src/services/operations.ts'
import { withPassword } from './audit-fixture.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
beforeAll(async () => {
  t = await startTestPlatform()
})
afterAll(() => t?.stop())

/** The api service without the keeper's notices; `asked` counts what it asks for its access key. */
async function deafApi() {
  const { kernel } = t.parts.redoubt_api
  const line = { asked: 0, isAway: false }
  const keeper: KeeperClient = {
    ...kernel.keeper,
    call(request, input) {
      line.asked += 1
      if (line.isAway) return Promise.reject(new AppError('unavailable', 'The keeper does not answer.'))
      return kernel.keeper.call(request, input)
    },
    onChange: () => () => undefined,
  }
  const access = await SigningKeys.fetch(keeper, 'access', { clock: t.clock, maxAgeMs: t.kernel.config.keyMaxAgeMs })
  t.onStop(async () => access.close())
  const deaf: Kernel = { ...kernel, signing: { ...kernel.signing, access } }
  const guards = composeGuards(deaf, t.databases.redoubt_api, t.live, t.access)
  const person = (token: string) => {
    const rest = { requestId: 'x', address: '127.0.0.1', userAgent: '', organizationId: null, input: null }
    return guards.person({ ...rest, credentials: { kind: 'bearer', token } } satisfies Call)
  }
  return { deaf, line, person, access }
}

test('a token by a key that a service was not told of is accepted, once the keeper was asked', async () => {
  const { person, access } = await deafApi()
  const old = access.active().kid
  const admin = await t.member(await t.organization())
  const credentials = await withPassword(t, admin)
  await t.keeper.rotate('access')
  await t.kernel.signing.access.refresh()
  // The others turn; this one has heard nothing, and its own next question is still to come.
  t.clock.advance(16 * 60_000)
  await t.kernel.signing.access.refresh()
  const { accessToken } = await t.call({ kind: 'none' }, 'auth.login', credentials)
  expect(t.kernel.signing.access.active().kid).not.toBe(old)
  expect(await person(accessToken)).toMatchObject({ userId: admin.userId })
})

test('tokens by made-up keys have the keeper asked once a second, however many come', async () => {
  const { line, person } = await deafApi()
  t.clock.advance(2000)
  const before = line.asked
  const forged = () =>
    signAccessToken(
      {
        ...{ issuer: t.kernel.config.publicUrl, audience: tokenAudience, now: t.clock.now() },
        ...{ userId: crypto.randomUUID(), sessionId: crypto.randomUUID(), organizationId: crypto.randomUUID() },
        tokenId: crypto.randomUUID(),
      },
      generateSigningKey('ES256'),
    )
  const refusals = await Promise.allSettled(Array.from({ length: 40 }, () => person(forged())))
  expect(refusals).toMatchObject(Array(40).fill({ reason: { code: 'unauthenticated' } }))
  expect(line.asked).toBe(before + 1)
})

test('a service whose keeper is away stays ready, and says how its keys are', async () => {
  const { deaf, line, access } = await deafApi()
  const server = createServer(deaf, 'api', async () => true)
  const { url, stop } = await server.listen(0)
  t.onStop(stop)
  const look = async () => {
    const answer = await fetch(`${url}/readyz`)
    return { status: answer.status, body: await answer.json() }
  }
  expect((await look()).body).toMatchObject({ status: 'ready', keys: { checkpoint: 'READY' } })
  line.isAway = true
  await access.refresh().catch(() => undefined)
  expect(await look()).toMatchObject({ status: 200, body: { status: 'ready', keys: { access: 'OUTAGE' } } })
  t.clock.advance(8 * 24 * 3_600_000)
  expect(await look()).toMatchObject({ status: 200, body: { keys: { access: 'DEGRADED' } } })
})

test('age, state and rotations of every key are metrics', async () => {
  await t.keeper.rotate('plan')
  const { plan } = t.parts.redoubt_workflow.kernel.signing
  await plan.refresh()
  t.clock.advance(16 * 60_000)
  await plan.refresh()
  const metrics = await t.kernel.metrics.registry.metrics()
  expect(metrics).toMatch(/redoubt_signing_key_age_seconds\{service="workflow-processor",use="plan"\} 960/)
  expect(metrics).toMatch(/redoubt_signing_key_state\{service="workflow-processor",use="plan",state="ROTATING"\} 1/)
  expect(metrics).toMatch(/redoubt_signing_key_state\{service="workflow-processor",use="plan",state="READY"\} 0/)
  expect(metrics).toMatch(/redoubt_key_rotations_total\{service="workflow-processor",use="plan"\} 1/)
})
