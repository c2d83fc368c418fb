import { randomUUID } from 'node:crypto'
import { type Approval, approvalStatement, type CaseId, type Plan, type UserId } from '@redoubt/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Journal } from '../src/home/journal.ts'
import { step } from './fake-target.ts'
import { RunnerFixture } from './runner-fixture.ts'

const fill = (expression: string) => `$\{{ ${expression} }}`

describe('a run', () => {
  const fixture = new RunnerFixture()
  const { controlPlane, target } = fixture
  let url = ''
  beforeAll(async () => {
    await fixture.prepare()
    url = await fixture.start({ clock: { now: () => new Date(), sleep: async () => {} } })
  })
  afterAll(() => fixture.close())
  beforeEach(() => {
    target.seen.length = 0
    target.answer = async () => ({ status: 200, body: {} })
  })

  const push = async (plan: Plan) => {
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
    return plan
  }
  const ended = async (plan: Plan) => {
    const report = await Promise.race(
      (['succeeded', 'failed', 'interrupted'] as const).map((status) => controlPlane.reported(plan.runId, status)),
    )
    return report
  }

  it('carries values from step to step, takes one branch and skips the other', async () => {
    target.answer = async ({ url }) =>
      url.startsWith('/score') ? { status: 200, body: { score: 93, note: 'x' } } : { status: 201, body: { id: 7 } }
    const address = fill("observables.filter(o, o.type == 'ipv4')[0].value")
    const plan = await push(
      controlPlane.plan(
        [
          step.http('lookup', 'GET', `${target.origin}/score/${address}`),
          step.condition(
            'bad',
            'steps.lookup.body.score + 1 > 90 && steps.lookup.status == 200',
            [
              step.transform('pick', { address: 'observables[0].value', many: '[1, 2.5, true]' }),
              step.http('block', 'POST', `${target.origin}/rules?by=redoubt`, {
                headers: { 'x-run': fill('run.id') },
                body: {
                  address: fill('steps.pick.address'),
                  all: fill('steps.pick.many'),
                  text: `a ${fill('1 + 1')} b`,
                },
                expect: { status: [201] },
              }),
              step.comment('tell', `Blocked ${fill('steps.pick.address')} as rule ${fill('steps.block.body.id')}`),
            ],
            [step.comment('spare', 'nothing to do')],
          ),
        ],
        { egress: target.egress },
      ),
    )
    const report = await ended(plan)
    expect(report.status).toBe('succeeded')
    expect(report.steps.map(({ stepId, status, summary }) => [stepId, status, summary])).toEqual([
      ['lookup', 'succeeded', 'status 200, 23 bytes'],
      ['bad', 'succeeded', 'true'],
      ['spare', 'skipped', 'in the other branch'],
      ['pick', 'succeeded', 'set address, many'],
      ['block', 'succeeded', 'status 201, 8 bytes'],
      ['tell', 'succeeded', '29 characters'],
    ])
    expect(report.steps.at(-1)?.comment).toBe('Blocked 203.0.113.7 as rule 7')
    expect(target.seen[0]?.url).toBe('/score/203.0.113.7')
    expect(JSON.parse(target.seen[1]?.body ?? '')).toEqual({
      address: '203.0.113.7',
      all: [1, 2.5, true],
      text: 'a 2 b',
    })
    expect(target.seen[1]?.headers).toMatchObject({ 'x-run': plan.runId, 'content-type': 'application/json' })
    const sequences = controlPlane.reportsOf(plan.runId).map((one) => one.sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
  })

  it('reports no content of responses and no personal data', async () => {
    target.answer = async () => ({ status: 500, body: { who: 'anna@example.org' } })
    const leak = controlPlane.plan([step.http('leak', 'GET', `${target.origin}/u/${fill("'anna@example.org'")}`)], {
      egress: target.egress,
    })
    await push(leak)
    await ended(leak)
    target.answer = async () => ({ status: 200, body: { who: 'anna@example.org', tel: '+44 20 7946 0958' } })
    const told = controlPlane.plan(
      [
        step.http('ask', 'GET', `${target.origin}/`),
        step.comment('tell', `${fill('steps.ask.body.who')} on ${fill('steps.ask.body.tel')} from 203.0.113.7`),
        step.transform('odd', { x: 'steps.ask.body[steps.ask.body.who]' }),
      ],
      { egress: target.egress },
    )
    await push(told)
    const report = await ended(told)
    expect(report.steps[1]?.comment).toBe('[e-mail] on [number] from 203.0.113.7')
    expect(report.steps[2]?.error).toEqual({
      code: 'expression',
      message: 'steps.ask.body[steps.ask.body.who]: no such key',
    })
    const everything = JSON.stringify([controlPlane.reportsOf(leak.runId), controlPlane.reportsOf(told.runId)])
    expect(everything).not.toMatch(/anna|7946/)
  })

  it('stops at the first step that fails', async () => {
    target.answer = async () => ({ status: 503 })
    const plan = await push(
      controlPlane.plan([step.http('first', 'POST', `${target.origin}/`), step.comment('after', 'x')], {
        egress: target.egress,
      }),
    )
    const report = await ended(plan)
    expect(report.status).toBe('failed')
    expect(report.steps).toMatchObject([
      { stepId: 'first', status: 'failed', summary: 'status 503, 2 bytes', error: { code: 'unexpected_status' } },
    ])
    expect(target.seen).toHaveLength(1)
  })

  it('repeats an idempotent request as often as the playbook says, and a redirect is not followed', async () => {
    let left = 2
    target.answer = async () => (left-- > 0 ? { status: 503 } : { status: 302, headers: { location: '/elsewhere' } })
    const retry = { attempts: 3, delayMs: 5 }
    const plan = await push(
      controlPlane.plan(
        [
          step.http('put', 'PUT', `${target.origin}/`, { retry, expect: { status: [302] } }),
          step.comment('where', fill('steps.put.headers.location')),
        ],
        { egress: target.egress },
      ),
    )
    const report = await ended(plan)
    expect(report.steps.at(-1)?.comment).toBe('/elsewhere')
    expect(target.seen.map((one) => one.url)).toEqual(['/', '/', '/'])
  })

  it.each([
    ['a host that is not on the egress list', 'http://example.com/', 'egress_not_listed'],
    ['another port of a listed host', 'http://127.0.0.1:1/', 'egress_not_listed'],
    ['a value that would be a path of its own', `ORIGIN/rules/${fill("'..'")}/x`, 'url'],
    ['an empty value in the path', `ORIGIN/rules/${fill("''")}`, 'url'],
    ['a value that is a map', `ORIGIN/rules/${fill('observables[0]')}`, 'url'],
    ['a host that is a template', `http://${fill("'127.0.0.1'")}/`, 'url'],
  ])('refuses %s', async (_name, address, code) => {
    const plan = controlPlane.plan([step.http('go', 'GET', address.replace('ORIGIN', target.origin))], {
      egress: target.egress,
    })
    await push(plan)
    expect((await ended(plan)).steps).toMatchObject([{ status: 'failed', error: { code } }])
    expect(target.seen).toEqual([])
  })

  it('never lets a value start a header of its own', async () => {
    const headers = { 'x-note': `a${fill("'\\r\\nx-evil: 1'")}` }
    const plan = controlPlane.plan([step.http('go', 'GET', `${target.origin}/`, { headers })], {
      egress: target.egress,
    })
    await push(plan)
    expect((await ended(plan)).steps).toMatchObject([{ error: { code: 'header' } }])
    const own = controlPlane.plan([step.http('go', 'GET', `${target.origin}/`, { headers: { host: 'evil.test' } })], {
      egress: target.egress,
    })
    await push(own)
    expect((await ended(own)).steps).toMatchObject([{ error: { code: 'header' } }])
    expect(target.seen).toEqual([])
  })

  it.each([
    ['endless backtracking', `"${'a'.repeat(40)}!".matches("^(a+)+$")`],
    ['ever larger lists', `[[0,0,0,0,0,0,0,0]]${'.map(x, x + x + x + x + x + x + x + x)'.repeat(14)}`],
  ])('survives an expression with %s', async (_name, expression) => {
    const plan = controlPlane.plan([step.transform('hard', { x: expression })])
    await push(plan)
    expect((await ended(plan)).steps).toMatchObject([{ status: 'failed', error: { code: 'expression' } }])
    const next = controlPlane.plan([step.transform('easy', { x: '1 + 1' })])
    await push(next)
    expect((await ended(next)).status).toBe('succeeded')
  })

  it('fails a condition that does not come to true or false', async () => {
    const plan = controlPlane.plan([step.condition('odd', 'observables[0].value', [step.comment('x', 'x')])])
    await push(plan)
    expect((await ended(plan)).steps).toMatchObject([{ error: { code: 'condition' } }])
  })

  describe('that waits for approval', () => {
    const caseId = randomUUID() as CaseId
    const about = { id: caseId, number: 7, title: 'Beacon', severity: 'high', tlp: 'AMBER', phase: 'triage' } as const
    const waitingPlan = () =>
      controlPlane.plan(
        [
          step.http('before', 'POST', `${target.origin}/before`),
          step.wait('ok', `Block ${fill('observables[0].value')} for case ${fill('case.number')}?`),
          step.http('after', 'POST', `${target.origin}/after`, { body: { by: fill('steps.ok.by') } }),
        ],
        {
          egress: target.egress,
          caseId,
          inputs: { case: about, observables: [{ type: 'ipv4', value: '203.0.113.7' }] },
        },
      )
    const approvalOf = (plan: Plan, prompt: string): Approval => ({
      stepId: 'ok',
      by: randomUUID() as UserId,
      at: new Date().toISOString(),
      statement: approvalStatement({ runId: plan.runId, stepId: 'ok', playbookSha256: plan.playbook.sha256, prompt }),
    })
    const resumed = (plan: Plan, approvals: Approval[]): Plan => ({ ...plan, planId: randomUUID(), approvals })

    it('says for what, goes on with the approval in a new plan, and repeats no step', async () => {
      const plan = await push(waitingPlan())
      const waiting = await controlPlane.reported(plan.runId, 'waiting')
      expect(waiting.waitingFor).toEqual({ stepId: 'ok', prompt: 'Block 203.0.113.7 for case 7?' })
      expect(target.seen.map((one) => one.url)).toEqual(['/before'])
      const approval = approvalOf(plan, waiting.waitingFor?.prompt ?? '')
      await push(resumed(plan, [approval]))
      expect((await ended(plan)).status).toBe('succeeded')
      expect(target.seen.map((one) => one.url)).toEqual(['/before', '/after'])
      expect(JSON.parse(target.seen[1]?.body ?? '')).toEqual({ by: approval.by })
    })

    it('waits across a restart', async () => {
      const plan = await push(waitingPlan())
      const waiting = await controlPlane.reported(plan.runId, 'waiting')
      await fixture.runner?.stop()
      url = await fixture.start()
      await push(resumed(plan, [approvalOf(plan, waiting.waitingFor?.prompt ?? '')]))
      expect((await ended(plan)).status).toBe('succeeded')
      expect(target.seen.map((one) => one.url)).toEqual(['/before', '/after'])
    })

    it('goes on waiting when the new plan brings no approval for the step', async () => {
      const plan = await push(waitingPlan())
      const { sequence } = await controlPlane.reported(plan.runId, 'waiting')
      await push(resumed(plan, []))
      await controlPlane.reported(plan.runId, 'waiting', sequence)
      expect(target.seen.map((one) => one.url)).toEqual(['/before'])
    })

    it('refuses to go on with a run that it has no record of', async () => {
      const plan = waitingPlan()
      const unknown = { ...plan, approvals: [approvalOf(plan, 'Block 203.0.113.7 for case 7?')] }
      expect(await controlPlane.push(url, unknown)).toMatchObject({ status: 409, body: { code: 'run_unknown' } })
      expect(target.seen).toEqual([])
    })

    it('takes no approval of something else than the step asks', async () => {
      const plan = await push(waitingPlan())
      await controlPlane.reported(plan.runId, 'waiting')
      await push(resumed(plan, [approvalOf(plan, 'Block 198.51.100.1 for case 7?')]))
      const report = await ended(plan)
      expect(report.steps.at(-1)).toMatchObject({ stepId: 'ok', error: { code: 'approval_mismatch' } })
      expect(target.seen.map((one) => one.url)).toEqual(['/before'])
    })

    it.each([
      ['steps', (plan: Plan) => ({ steps: [...plan.steps, step.comment('more', 'x')] })],
      ['inputs', (plan: Plan) => ({ inputs: { ...plan.inputs, observables: [] } })],
      [
        'egress',
        (plan: Plan) => ({ egress: [...plan.egress, { host: 'example.com', port: 443, allowPrivate: false }] }),
      ],
      ['playbook', (plan: Plan) => ({ playbook: { ...plan.playbook, sha256: 'b'.repeat(64) } })],
    ])('refuses to go on with other %s', async (_name, change) => {
      const plan = await push(waitingPlan())
      const waiting = await controlPlane.reported(plan.runId, 'waiting')
      const changed = { ...resumed(plan, [approvalOf(plan, waiting.waitingFor?.prompt ?? '')]), ...change(plan) }
      expect(await controlPlane.push(url, changed)).toMatchObject({ status: 409, body: { code: 'plan_changed' } })
    })
  })

  it('delivers every report once the control plane is back, in order, and gives up what is refused', async () => {
    controlPlane.reportStatuses = [503, 429, 500]
    const plan = await push(controlPlane.plan([step.transform('a', { x: '1' }), step.transform('b', { x: '2' })]))
    await ended(plan)
    expect(controlPlane.reportsOf(plan.runId).map((report) => report.sequence)).toEqual([1, 2, 3, 4])
    controlPlane.reportStatuses = [422]
    const refused = await push(controlPlane.plan([step.transform('a', { x: '1' })]))
    await ended(refused)
    expect(controlPlane.reportsOf(refused.runId).map((report) => report.sequence)).toEqual([2, 3])
  })

  it('keeps no response once it has ended', async () => {
    target.answer = async () => ({ status: 200, body: { who: 'anna' } })
    const plan = await push(
      controlPlane.plan([step.http('ask', 'GET', `${target.origin}/`)], { egress: target.egress }),
    )
    await ended(plan)
    await fixture.runner?.stop()
    const journal = new Journal(fixture.home)
    expect(journal.steps(plan.runId).get('ask')).toMatchObject({ status: 'succeeded' })
    expect(journal.steps(plan.runId).get('ask')).not.toHaveProperty('output')
    journal.close()
    url = await fixture.start()
  })
})
