import { randomUUID } from 'node:crypto'
import { canonicalSha256, generateSigningKey } from '@redoubt/trust'
import { type AnyAttack, attack, Stopped } from '../attack.ts'
import { showing } from '../channel.ts'
import { type Claims, es256, fresh, unsigned } from '../forge.ts'
import { bodyOf, passed, refused } from '../http.ts'
import { deliver, draftPlan, type Planning, planKey, signedPlan } from '../plans.ts'

/* Whoever pushes these plans has the certificate of the workflow-processor, and not the key that signs plans. */

const actor = 'forged or replayed plan'
const requirement = 'PLAN-1'
const needs = ['runner', 'keys', 'runnerKeys'] as const
const stranger = generateSigningKey('ES256')

type Delivery = { readonly token: string; readonly plan: unknown }
const send = (t: Planning, { token, plan }: Delivery) => deliver(t, token, plan)
const rightlySigned = async (t: Planning): Promise<string> => {
  const plan = draftPlan(t)
  return passed(await deliver(t, signedPlan(t, plan), plan), 'rightly signed')
}

/** A plan that is wrong in one thing; rightly signed it is taken. */
const wrong = (id: string, title: string, code: string, make: (terrain: Planning) => Delivery): AnyAttack =>
  attack({
    id: `plan.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: rightlySigned,
    attack: async (t) => refused(await send(t, make(t)), code),
  })

/** The claims of a good plan token, for tokens that `signPlan` would not make. */
const claims = (t: Planning, plan: ReturnType<typeof draftPlan>): Claims => ({
  ...fresh(300),
  iss: t.keys.issuer,
  sub: plan.organizationId,
  aud: `runner:${plan.runnerId}`,
  jti: plan.planId,
  run: plan.runId,
  plan_sha256: canonicalSha256(plan),
})
const typ = 'redoubt-plan+jwt'
const forged =
  (make: (t: Planning, claimed: Claims) => string) =>
  (t: Planning): Delivery => {
    const plan = draftPlan(t)
    return { token: make(t, claims(t, plan)), plan }
  }
const signedFor =
  (grant: (t: Planning) => Parameters<typeof signedPlan>[2]) =>
  (t: Planning): Delivery => {
    const plan = draftPlan(t)
    return { token: signedPlan(t, plan, grant(t)), plan }
  }

export const planAttacks: readonly AnyAttack[] = [
  attack({
    id: 'plan.stranger',
    actor,
    requirement: 'NET-4',
    title: 'push a plan to the runner as anybody who reaches its port',
    needs: ['runner'],
    control: { impossible: 'without the installation’s keys no plan can be signed rightly' },
    async attack({ runner, a }) {
      const ids = {
        iss: 'control-plane',
        sub: a.id,
        aud: `runner:${randomUUID()}`,
        run: randomUUID(),
        plan_sha256: canonicalSha256({}),
      }
      const token = es256({ typ, kid: stranger.kid }, { ...fresh(300), ...ids }, stranger)
      return refused(await deliver({ runner: showing(runner.url, null) }, token, {}), 'not_control_plane')
    },
  }),
  wrong(
    'own-key',
    'a plan signed with a key of the attacker’s',
    'token_key_unknown',
    forged((_, claimed) => es256({ typ, kid: stranger.kid }, claimed, stranger)),
  ),
  wrong(
    'borrowed-kid',
    'the same, naming the control plane’s key',
    'token_signature',
    forged((t, claimed) => es256({ typ, kid: planKey(t).kid }, claimed, stranger)),
  ),
  wrong(
    'alg-none',
    'a plan that says alg none',
    'token_algorithm',
    forged((t, claimed) => unsigned({ typ, kid: planKey(t).kid }, claimed)),
  ),
  wrong('access-token', 'a person’s access token in the place of the plan’s', 'token_type', (t) => ({
    token: t.a.admin.access,
    plan: draftPlan(t),
  })),
  wrong('altered-step', 'other steps beside a genuine token', 'plan_hash', (t) => {
    const plan = draftPlan(t)
    const steps = [{ id: 'tell', type: 'case.comment', text: 'Something else.' }]
    return { token: signedPlan(t, plan), plan: { ...plan, steps } }
  }),
  wrong('added-egress', 'another host on the egress list of a genuine plan', 'plan_hash', (t) => {
    const plan = draftPlan(t)
    return {
      token: signedPlan(t, plan),
      plan: { ...plan, egress: [{ host: 'hostile.example', port: 443, allowPrivate: true }] },
    }
  }),
  wrong('other-tenant', 'a plan of B, for B’s runner, sent to A’s', 'token_subject', (t) => {
    const plan = draftPlan(t, { organizationId: t.b.id as never, runnerId: t.runnerKeys.b.id as never })
    return { token: signedPlan(t, plan), plan }
  }),
  wrong(
    'other-runner',
    'a plan of A for another of its runners',
    'token_audience',
    signedFor(() => ({ runnerId: randomUUID() })),
  ),
  wrong(
    'other-issuer',
    'a plan of another control plane',
    'token_issuer',
    signedFor(() => ({ issuer: 'https://elsewhere.example' })),
  ),
  wrong(
    'expired',
    'a plan that was kept back for six minutes',
    'token_expired',
    signedFor(() => ({ now: new Date(Date.now() - 360_000) })),
  ),
  wrong(
    'future',
    'a plan dated an hour ahead, to be kept for later',
    'token_not_yet_valid',
    signedFor(() => ({ now: new Date(Date.now() + 3_600_000) })),
  ),
  wrong(
    'long-lived',
    'a plan that is good for a day',
    'token_lifetime',
    forged((t, claimed) =>
      es256({ typ, kid: planKey(t).kid }, { ...claimed, ...fresh(86_400), jti: claimed['jti'] }, planKey(t)),
    ),
  ),
  wrong('inner-ids', 'a genuine token over a plan that names another tenant inside', 'plan_mismatch', (t) => {
    const plan = draftPlan(t, { organizationId: t.b.id as never })
    return { token: signedPlan(t, plan, { organizationId: t.a.id }), plan }
  }),
  attack({
    id: 'plan.replay',
    actor,
    requirement,
    title: 'deliver a genuine plan twice',
    needs,
    control: rightlySigned,
    async attack(t) {
      const plan = draftPlan(t)
      const token = signedPlan(t, plan)
      bodyOf(await deliver(t, token, plan))
      return refused(await deliver(t, token, plan), 'plan_replayed')
    },
  }),
  attack({
    id: 'plan.replay-after-restart',
    actor,
    requirement,
    title: 'deliver it again after the runner’s process was started anew',
    needs: [...needs, 'runnerProcess'],
    async control(t) {
      await t.runnerProcess.restart()
      return `after a restart, ${await rightlySigned(t)}`
    },
    async attack(t) {
      const plan = draftPlan(t)
      const token = signedPlan(t, plan)
      bodyOf(await deliver(t, token, plan))
      await t.runnerProcess.restart()
      return refused(await deliver(t, token, plan), 'plan_replayed')
    },
  }),
  attack({
    id: 'plan.run-again',
    actor,
    requirement,
    title: 'run a finished run again under a fresh, genuine token',
    needs,
    control: rightlySigned,
    async attack(t) {
      const plan = draftPlan(t)
      bodyOf(await deliver(t, signedPlan(t, plan), plan))
      const again = { ...plan, planId: randomUUID() }
      return refused(await deliver(t, signedPlan(t, again), again), 'run_finished', 'run_in_progress')
    },
  }),
  attack({
    id: 'plan.changed-run',
    actor,
    requirement: 'PLAN-2',
    title: 'change the steps of a run while it waits for approval',
    needs,
    async control(t) {
      const { plan } = await waitingPlan(t)
      const resumed = { ...plan, planId: randomUUID() }
      return passed(await deliver(t, signedPlan(t, resumed), resumed), 'with the steps it had')
    },
    async attack(t) {
      const { plan } = await waitingPlan(t)
      const more = {
        ...plan,
        planId: randomUUID(),
        steps: [...plan.steps, { id: 'more', type: 'case.comment' as const, text: 'more' }],
      }
      return refused(await deliver(t, signedPlan(t, more), more), 'plan_changed')
    },
  }),
  attack({
    id: 'plan.published-key',
    actor,
    requirement: 'KEY-5',
    title: 'find a private key among the published ones',
    async control({ api }) {
      const { keys } = bodyOf<{ keys: object[] }>(await api.get('/.well-known/plan-jwks.json'))
      return `${keys.length} public key is there`
    },
    async attack({ api }) {
      const published = new Set<string>()
      for (const path of ['/.well-known/jwks.json', '/.well-known/plan-jwks.json']) {
        const { keys } = bodyOf<{ keys: object[] }>(await api.get(path))
        for (const member of keys.flatMap((key) => Object.keys(key))) published.add(member)
      }
      // RFC 7518 §6: the members that make a key private or symmetric.
      const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].find((member) => published.has(member))
      if (secret) return `a published key has the member ${secret}`
      throw new Stopped(`public members alone: ${[...published].join(', ')}`)
    },
  }),
]

/** A run on the runner that waits for somebody. */
async function waitingPlan(t: Planning) {
  const plan = draftPlan(t, {
    steps: [
      { id: 'ok', type: 'wait-for-approval', prompt: 'Go on?', role: 'moderator' },
      { id: 'tell', type: 'case.comment', text: 'approved' },
    ],
  })
  bodyOf(await deliver(t, signedPlan(t, plan), plan))
  // The runner takes a plan before it works on it; only a run that waits can be resumed.
  for (let asked = 0; asked < 200; asked++) {
    const { running } = bodyOf<{ running: number }>(await t.runner.get('/v1/health'))
    if (running === 0) return { plan }
    await new Promise((next) => setTimeout(next, 25))
  }
  throw new Error('the run did not come to wait')
}
