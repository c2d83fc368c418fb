import { randomUUID } from 'node:crypto'
import { approvalStatement, type Plan } from '@redoubt/contract'
import { canonicalJson, canonicalSha256, signRunnerToken } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { bodyOf, type Door, passed, refused } from '../http.ts'
import { bearer, eventually } from '../organization.ts'
import { deliver, planKey, signedPlan } from '../plans.ts'
import type { EndedRun } from '../responder.ts'
import type { Parts, RunnerKey, Terrain } from '../terrain.ts'

/* Approvals inside what is signed (PLAN-2), and what runners report. */

const actor = 'forged or replayed plan'
const needs = ['responder', 'runner', 'keys', 'runnerKeys', 'people', 'database'] as const
type Responding = Terrain & Pick<Parts, (typeof needs)[number]>

const waitsThenTells = `steps:
  - id: ok
    type: wait-for-approval
    prompt: Go on?
    role: moderator
  - id: again
    type: wait-for-approval
    prompt: Really?
    role: admin
  - id: tell
    type: case.comment
    text: done
`
const decide = ({ api }: Responding, { id }: EndedRun, stepId: string, as: Record<string, string>) =>
  api.post(`/api/v1/runs/${id}/decision`, { stepId, decision: 'approve' }, as)

/** Carries a waiting run on with an approval that nobody gave, in a plan signed with the stolen key. */
async function carriedOn(
  t: Responding,
  forge: (plan: Plan, right: string) => { stepId: string; statement: string },
): Promise<EndedRun> {
  const run = await t.responder.run(waitsThenTells)
  const signed = JSON.parse(run.canonicalPlan ?? '{}') as Plan
  const { playbook, runId } = signed
  const right = approvalStatement({ runId, stepId: 'ok', playbookSha256: playbook.sha256, prompt: 'Go on?' })
  const approval = { ...forge(signed, right), by: t.people.moderator.userId, at: new Date().toISOString() }
  const plan = { ...signed, planId: randomUUID(), approvals: [approval] } as Plan
  await known(t, plan)
  bodyOf(await deliver(t, signedPlan(t, plan), plan))
  return eventually('the run goes on or ends', async () => {
    const now = await t.responder.ended(run.id)
    return now.waitingFor?.stepId === 'ok' ? undefined : now
  })
}

/** The run once it waits for this step, or for none. */
const waitingFor = (t: Responding, { id }: EndedRun, stepId: string | undefined): Promise<EndedRun> =>
  eventually(stepId === undefined ? 'the run ends' : `the run waits for ${stepId}`, async () => {
    const now = await t.responder.ended(id)
    return now.waitingFor?.stepId === stepId ? now : undefined
  })

/** The platform takes reports on plans of its own alone: whoever has its key and its database could write one there. */
async function known(t: Responding, plan: Plan): Promise<void> {
  const values = [
    plan.organizationId,
    plan.planId,
    plan.runId,
    canonicalJson(plan),
    canonicalSha256(plan),
    planKey(t).kid,
  ]
  await t.database.superuser((client) =>
    client.query(
      `insert into redoubt.plans (organization_id, id, run_id, canonical, sha256, key_id, issued_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, now(), now() + interval '5 minutes')`,
      values,
    ),
  )
}

/** An approval that is not for this run, step or prompt: the runner fails at the step. */
const forgedApproval = (id: string, title: string, forge: Parameters<typeof carriedOn>[1]): AnyAttack =>
  attack({
    id: `approval.${id}`,
    actor,
    requirement: 'PLAN-2',
    title,
    needs,
    async control(t) {
      const run = await t.responder.run(waitsThenTells)
      passed(await decide(t, run, 'ok', bearer(t.people.moderator)), 'by the moderator')
      await waitingFor(t, run, 'again')
      return 'approved by the moderator, the run goes on to its next step'
    },
    async attack(t) {
      const run = await carriedOn(t, forge)
      const step = run.steps.find(({ stepId }) => stepId === 'ok')
      if (step?.status === 'succeeded') return `the step passed: ${run.state}`
      if (step?.error?.code !== 'approval_mismatch') throw new Error(`the run ${run.state}: ${run.failure}`)
      throw new Stopped(`${step.error.code}: ${step.error.message}`)
    },
  })

/** A report as a runner sends it. */
function report(api: Door, by: RunnerKey, organizationId: string, body: object, sent: object = body) {
  const grant = {
    runnerId: by.id,
    organizationId,
    tokenId: randomUUID(),
    body: Buffer.from(JSON.stringify(body)),
    now: new Date(),
  }
  const token = signRunnerToken(grant, by.key)
  return api.send({
    method: 'POST',
    path: '/api/v1/runner/reports',
    headers: { authorization: `Runner ${token}` },
    body: sent,
  })
}
const failed = ({ id, plans }: EndedRun, sequence = 100) => ({
  runId: id,
  planId: plans.at(-1)?.id,
  sequence,
  status: 'failed',
  steps: [],
})
const ownReport = async (t: Responding): Promise<string> => {
  const run = await t.responder.run(waitsThenTells)
  return passed(await report(t.api, t.runnerKeys.a, t.a.id, failed(run)), 'by the runner of the run')
}

export const responseAttacks: readonly AnyAttack[] = [
  forgedApproval('forged', 'carry a run on with an approval of words nobody was shown', ({ runId, playbook }) => ({
    stepId: 'ok',
    statement: approvalStatement({
      runId,
      stepId: 'ok',
      playbookSha256: playbook.sha256,
      prompt: 'Something harmless?',
    }),
  })),
  forgedApproval('other-run', 'carry it on with the approval of another run', ({ playbook }) => ({
    stepId: 'ok',
    statement: approvalStatement({
      runId: randomUUID(),
      stepId: 'ok',
      playbookSha256: playbook.sha256,
      prompt: 'Go on?',
    }),
  })),
  forgedApproval('other-step', 'carry it on with the approval of another step', ({ runId, playbook }) => ({
    stepId: 'ok',
    statement: approvalStatement({ runId, stepId: 'again', playbookSha256: playbook.sha256, prompt: 'Go on?' }),
  })),
  forgedApproval(
    'other-playbook',
    'carry it on with the approval of the playbook as it was before a change',
    ({ runId }) => ({
      stepId: 'ok',
      statement: approvalStatement({ runId, stepId: 'ok', playbookSha256: 'f'.repeat(64), prompt: 'Go on?' }),
    }),
  ),
  attack({
    id: 'approval.below-role',
    actor,
    requirement: 'PLAN-2',
    title: 'approve a step that asks for a moderator, as a user',
    needs,
    control: async (t) =>
      passed(
        await decide(t, await t.responder.run(waitsThenTells), 'ok', bearer(t.people.moderator)),
        'as a moderator',
      ),
    attack: async (t) =>
      refused(await decide(t, await t.responder.run(waitsThenTells), 'ok', bearer(t.people.user)), 'forbidden'),
  }),
  attack({
    id: 'approval.other-tenant',
    actor,
    requirement: 'TEN-5',
    title: 'approve a waiting step of A, as B’s admin',
    needs,
    control: async (t) =>
      passed(
        await decide(t, await t.responder.run(waitsThenTells), 'ok', bearer(t.people.moderator)),
        'as A’s moderator',
      ),
    attack: async (t) =>
      refused(await decide(t, await t.responder.run(waitsThenTells), 'ok', bearer(t.b.admin)), 'not_found'),
  }),
  attack({
    id: 'approval.ahead',
    actor,
    requirement: 'PLAN-2',
    title: 'approve a step before the run asks, unseen',
    needs,
    control: async (t) =>
      passed(await decide(t, await t.responder.run(waitsThenTells), 'ok', bearer(t.a.admin)), 'the step it asks for'),
    attack: async (t) =>
      refused(
        await decide(t, await t.responder.run(waitsThenTells), 'again', bearer(t.a.admin)),
        'conflict',
        'not_found',
        'bad_request',
      ),
  }),
  attack({
    id: 'report.other-tenant',
    actor,
    requirement: 'TEN-5',
    title: 'report on a run of A, as B’s runner',
    needs,
    control: ownReport,
    attack: async (t) =>
      refused(await report(t.api, t.runnerKeys.b, t.b.id, failed(await t.responder.run(waitsThenTells))), 'not_found'),
  }),
  attack({
    id: 'report.claimed-tenant',
    actor,
    requirement: 'TEN-5',
    title: 'say in B’s runner’s token that it is A’s',
    needs,
    control: ownReport,
    attack: async (t) =>
      refused(
        await report(
          t.api,
          { ...t.runnerKeys.b, id: t.runnerKeys.a.id },
          t.a.id,
          failed(await t.responder.run(waitsThenTells)),
        ),
        'unauthenticated',
      ),
  }),
  attack({
    id: 'report.altered',
    actor,
    requirement: 'PLAN-4',
    title: 'put a genuine runner token before another report',
    needs,
    control: ownReport,
    async attack(t) {
      const body = failed(await t.responder.run(waitsThenTells))
      return refused(
        await report(t.api, t.runnerKeys.a, t.a.id, body, { ...body, status: 'succeeded' }),
        'unauthenticated',
      )
    },
  }),
  attack({
    id: 'report.replayed',
    actor,
    requirement: 'PLAN-4',
    title: 'replay an old report, to set a run back',
    needs,
    control: ownReport,
    async attack(t) {
      const run = await t.responder.run(waitsThenTells)
      const ended = failed(run, 100)
      bodyOf(await report(t.api, t.runnerKeys.a, t.a.id, ended))
      const old = { ...ended, sequence: 99, status: 'running' }
      bodyOf(await report(t.api, t.runnerKeys.a, t.a.id, old))
      const { state } = bodyOf<EndedRun>(await t.api.get(`/api/v1/runs/${run.id}`, bearer(t.a.admin)))
      if (state !== 'failed') return `the run is ${state} again`
      throw new Stopped('200, and the run stays failed')
    },
  }),
  attack({
    id: 'report.unapproved',
    actor,
    requirement: 'PLAN-2',
    title: 'as a runner, report that a step was approved which nobody approved',
    needs,
    async control(t) {
      const run = await t.responder.run(waitsThenTells)
      bodyOf(await decide(t, run, 'ok', bearer(t.people.moderator)))
      await waitingFor(t, run, 'again')
      bodyOf(await decide(t, run, 'again', bearer(t.a.admin)))
      const { state } = await waitingFor(t, run, undefined)
      if (state !== 'succeeded') throw new NotShown(`approved by people, the run ${state}`)
      return 'approved by people, the runner’s report makes the run succeed'
    },
    async attack(t) {
      const run = await t.responder.run(waitsThenTells)
      const at = new Date().toISOString()
      const passedStep = (stepId: string) => ({
        stepId,
        type: 'wait-for-approval',
        status: 'succeeded',
        startedAt: at,
        endedAt: at,
        summary: 'approved',
        outputSha256: null,
      })
      const body = { ...failed(run), status: 'succeeded', steps: [passedStep('ok'), passedStep('again')] }
      bodyOf(await report(t.api, t.runnerKeys.a, t.a.id, body))
      const { state, failure } = bodyOf<EndedRun>(await t.api.get(`/api/v1/runs/${run.id}`, bearer(t.a.admin)))
      if (state === 'succeeded') return 'the run counts as succeeded'
      throw new Stopped(`the run is ${state}: ${failure}`)
    },
  }),
  attack({
    id: 'report.unsigned',
    actor,
    requirement: 'SVC-3',
    title: 'report with a person’s access token, and with none',
    needs,
    control: ownReport,
    async attack(t) {
      const body = failed(await t.responder.run(waitsThenTells))
      const byPerson = await t.api.post('/api/v1/runner/reports', body, bearer(t.a.admin))
      if (byPerson.code !== 'unauthenticated') return refused(byPerson, 'unauthenticated')
      return refused(await t.api.post('/api/v1/runner/reports', body), 'unauthenticated')
    },
  }),
]
