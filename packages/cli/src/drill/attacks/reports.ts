import { decide, needsOfResponses as needs, type Responding, waitingFor, waitsThenTells } from '../approvals.ts'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { asRunner } from '../channel.ts'
import { bodyOf, passed, refused } from '../http.ts'
import { bearer } from '../organization.ts'
import type { EndedRun } from '../responder.ts'
import type { RunnerKey } from '../terrain.ts'

/* What runners report, and who may. */

const actor = 'forged or replayed plan'

/** A report as a runner sends it, over its own channel. */
const report = (by: RunnerKey, organizationId: string, signed: object, body: object = signed) =>
  asRunner(by.channel, by, organizationId, { method: 'POST', path: '/api/v1/runner/reports', body, signed })
const failed = ({ id, plans }: EndedRun, sequence = 100) => ({
  runId: id,
  planId: plans.at(-1)?.id,
  sequence,
  status: 'failed',
  steps: [],
})
const ownReport = async (t: Responding): Promise<string> => {
  const run = await t.responder.run(waitsThenTells)
  return passed(await report(t.runnerKeys.a, t.a.id, failed(run)), 'by the runner of the run')
}

export const reportAttacks: readonly AnyAttack[] = [
  attack({
    id: 'report.other-tenant',
    actor,
    requirement: 'TEN-5',
    title: 'report on a run of A, as B’s runner',
    needs,
    control: ownReport,
    attack: async (t) =>
      refused(await report(t.runnerKeys.b, t.b.id, failed(await t.responder.run(waitsThenTells))), 'not_found'),
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
      return refused(await report(t.runnerKeys.a, t.a.id, body, { ...body, status: 'succeeded' }), 'unauthenticated')
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
      bodyOf(await report(t.runnerKeys.a, t.a.id, ended))
      const old = { ...ended, sequence: 99, status: 'running' }
      bodyOf(await report(t.runnerKeys.a, t.a.id, old))
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
      bodyOf(await report(t.runnerKeys.a, t.a.id, body))
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
      const byPerson = await t.runnerKeys.a.channel.post('/api/v1/runner/reports', body, bearer(t.a.admin))
      if (byPerson.code !== 'unauthenticated') return refused(byPerson, 'unauthenticated')
      return refused(await t.runnerKeys.a.channel.post('/api/v1/runner/reports', body), 'unauthenticated')
    },
  }),
]
