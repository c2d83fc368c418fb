import { randomUUID } from 'node:crypto'
import { approvalStatement, type Plan } from '@redoubt/contract'
import { canonicalJson, canonicalSha256 } from '@redoubt/trust'
import { decide, needsOfResponses as needs, type Responding, waitingFor, waitsThenTells } from '../approvals.ts'
import { type AnyAttack, attack, Stopped } from '../attack.ts'
import { bodyOf, passed, refused } from '../http.ts'
import { bearer, eventually } from '../organization.ts'
import { deliver, planKey, signedPlan } from '../plans.ts'
import type { EndedRun } from '../responder.ts'

/* Approvals inside what is signed (PLAN-2). */

const actor = 'forged or replayed plan'

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

export const approvalAttacks: readonly AnyAttack[] = [
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
]
