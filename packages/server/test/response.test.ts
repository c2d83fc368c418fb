import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CaseId, PlaybookId, Run, RunId, RunReport } from '@redoubt/contract'
import { generateSigningKey, importJwks, parseEnrolmentToken, signPlan, verifyPlan } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWorkflowProcessor } from '../src/services/workflow-processor.ts'
import { refusal } from './cases-fixture.ts'
import type { TestPerson } from './harness.ts'
import { listen, playbookFor, type ResponseFixture, startResponseFixture, type TestRunner } from './response-fixture.ts'

let f: ResponseFixture
let team: Awaited<ReturnType<ResponseFixture['tenant']>>
let runner: TestRunner
beforeAll(async () => {
  f = await startResponseFixture()
  team = await f.tenant()
  runner = await f.runner(team.admin)
})
afterAll(() => f.t.stop())

type Tenant = Awaited<ReturnType<ResponseFixture['tenant']>>
const start = (of: Tenant = team, caseId: CaseId = of.caseId) =>
  f.t.call(of.user, 'runs.start', { playbookId: of.playbook.id, caseId })
const decide = (who: TestPerson, id: RunId, decision: 'approve' | 'reject') =>
  f.t.call(who, 'runs.decide', { id, stepId: 'ok', decision })
const get = (id: RunId, of: Tenant = team) => f.t.call(of.user, 'runs.get', { id })
async function waitingRun(): Promise<Run> {
  const { id } = await start()
  await f.work()
  return f.until(team.user, id, 'waiting')
}
const linesOf = async (caseId: CaseId) =>
  (await f.t.call(team.user, 'cases.timeline', { id: caseId, limit: 200 })).items
const plansIn = async (id: RunId) =>
  (await f.t.admin.query<{ id: string; accepted_at: Date | null }>('select * from plans where run_id = $1', [id])).rows
const actionsOn = async (id: RunId) =>
  (await f.t.call(team.admin, 'audit.list', { targetId: id })).items.map(({ action }) => action).reverse()

describe('the whole path', () => {
  it('runs an approved playbook from signed plans alone, and the case tells the story with its proof', async () => {
    const { caseId } = await f.caseOf(team.user)
    f.target.seen.length = 0
    const { id, state } = await start(team, caseId)
    expect(state).toBe('queued')
    await f.work()
    const waiting = await f.until(team.user, id, 'waiting')
    expect(waiting.waitingFor).toMatchObject({ stepId: 'ok', role: 'moderator' })
    expect(waiting.waitingFor?.prompt).toBe('Block 203.0.113.7? Its score is 90.')
    expect(f.target.seen).toEqual(['GET /reputation/203.0.113.7'])

    expect((await decide(team.moderator, id, 'approve')).state).toBe('queued')
    await f.work()
    const done = await f.until(team.user, id, 'succeeded')
    expect(f.target.seen).toEqual(['GET /reputation/203.0.113.7', 'POST /blocks {"address":"203.0.113.7"}'])
    expect(done.steps.map(({ stepId, status }) => [stepId, status])).toEqual(
      ['lookup', 'ok', 'block', 'tell'].map((stepId) => [stepId, 'succeeded']),
    )
    expect(done.graph.nodes.map((node) => node.id)).toEqual(['lookup', 'ok', 'block', 'tell'])

    expect(done.plans).toHaveLength(2)
    const plan = JSON.parse(done.canonicalPlan ?? '')
    expect(
      createHash('sha256')
        .update(done.canonicalPlan ?? '')
        .digest('hex'),
    ).toBe(done.plans[1]?.sha256)
    expect(plan.approvals).toMatchObject([{ stepId: 'ok', by: team.moderator.userId }])
    expect(plan.approvals[0].statement).toContain(`run ${id}\nstep ok\nplaybook sha256 ${team.playbook.sha256}`)
    expect(done.approvals).toMatchObject([
      { stepId: 'ok', decision: 'approved', by: { id: team.moderator.userId, name: team.moderator.name } },
    ])

    const lines = (await linesOf(caseId)).filter(({ facts }) => facts.runId === id)
    expect(lines.map(({ kind, text }) => [kind, text]).reverse()).toEqual([
      ['run', 'started the playbook “Block address”'],
      ['run', 'asked for approval (moderator): Block 203.0.113.7? Its score is 90.'],
      ['run', 'approved “Block 203.0.113.7? Its score is 90.”'],
      ['comment', 'Blocked as rule-1.'],
      ['run', 'finished the run'],
    ])
    expect(lines.every(({ auditEventId }) => auditEventId !== null)).toBe(true)
    const actions = (await actionsOn(id)).filter((action) => action !== 'run.reported')
    expect(actions.sort()).toEqual([
      'plan.accepted',
      'plan.accepted',
      'plan.signed',
      'plan.signed',
      'run.approved',
      'run.commented',
      'run.started',
    ])
    const { items } = await f.t.call(team.user, 'runs.list', { caseId })
    expect(items.map((run) => run.id)).toEqual([id])
  })

  it('never does what was rejected', async () => {
    const run = await waitingRun()
    f.target.seen.length = 0
    const rejected = await f.t.call(team.moderator, 'runs.decide', {
      id: run.id,
      stepId: 'ok',
      decision: 'reject',
      statement: 'That is our own scanner.',
    })
    expect(rejected).toMatchObject({ state: 'rejected', waitingFor: null })
    await f.work()
    expect(f.target.seen).toEqual([])
    expect(await plansIn(run.id)).toHaveLength(1)
    const texts = (await linesOf(team.caseId)).map(({ text }) => text)
    expect(texts).toContain('rejected “Block 203.0.113.7? Its score is 90.”: That is our own scanner.')
    expect(await refusal(decide(team.moderator, run.id, 'approve'))).toMatchObject({ code: 'conflict' })
  })

  it('tells a run only what the case named, at most 200 observables, and nothing judged benign', async () => {
    const { caseId } = await f.caseOf(team.user)
    const many = Array.from({ length: 220 }, (_, at) => `198.51.${100 + Math.floor(at / 200)}.${at % 200}`).join(' ')
    await f.t.call(team.user, 'cases.addObservable', { id: caseId, text: many })
    const { items } = await f.t.call(team.user, 'cases.observables', { id: caseId, limit: 1 })
    const [first] = items
    await f.t.call(team.user, 'cases.setVerdict', { id: caseId, observableId: first?.id ?? '', verdict: 'benign' })
    const { id } = await start(team, caseId)
    const { rows } = await f.t.admin.query('select inputs from runs where id = $1', [id])
    const values = rows[0].inputs.observables.map((each: { value: string }) => each.value)
    expect(values).toHaveLength(200)
    expect(values).not.toContain(first?.value)
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })
})

describe('a start is refused', () => {
  it('on a case marked above the ceiling of the playbook', async () => {
    const above = await f.caseOf(team.user, 'AMBER+STRICT')
    expect(await refusal(start(team, above.caseId))).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('is TLP:AMBER+STRICT, and "Block address" is cleared up to TLP:AMBER'),
    })
  })

  it('on a case one cannot see, in the same words as for one that is not there', async () => {
    const yaml = playbookFor(f.target.port).replace('AMBER', 'RED').replace('Block address', 'Block under RED')
    const { id: playbookId } = await f.t.call(team.moderator, 'playbooks.create', { yaml })
    const hidden = await f.caseOf(team.other)
    const { version } = await f.t.call(team.other, 'cases.get', { id: hidden.caseId })
    const recipientIds = [team.other.userId]
    await f.t.call(team.admin, 'cases.share', {
      id: hidden.caseId,
      version,
      tlp: 'GREEN',
      audience: 'named',
      recipientIds,
    })
    const attempt = (caseId: CaseId) => refusal(f.t.call(team.user, 'runs.start', { playbookId, caseId }))
    expect(await attempt(hidden.caseId)).toEqual(await attempt(randomUUID() as CaseId))
    expect((await attempt(hidden.caseId)).code).toBe('not_found')

    const { id } = await f.t.call(team.other, 'runs.start', { playbookId, caseId: hidden.caseId })
    expect((await refusal(get(id))).code).toBe('not_found')
    expect((await f.t.call(team.user, 'runs.list', { limit: 200 })).items.map((run) => run.id)).not.toContain(id)
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })

  it('to a viewer, on a closed case, and of a playbook that is put away', async () => {
    const input = { playbookId: team.playbook.id, caseId: team.caseId }
    expect((await refusal(f.t.call(team.viewer, 'runs.start', input))).code).toBe('forbidden')
    const yaml = playbookFor(f.target.port).replace('Block address', 'Old way')
    const old = await f.t.call(team.moderator, 'playbooks.create', { yaml })
    const { id, version } = old
    await f.t.call(team.moderator, 'playbooks.archive', { id, version, archived: true })
    const again = f.t.call(team.user, 'runs.start', { playbookId: id, caseId: team.caseId })
    expect((await refusal(again)).detail).toContain('is put away')
    const closed = await f.caseOf(team.user)
    await f.t.admin.query(`update cases set phase = 'closed', closed_at = now() where id = $1`, [closed.caseId])
    expect((await refusal(start(team, closed.caseId))).detail).toContain('is closed')
  })

  it('where no runner is enrolled, and where the only one is revoked', async () => {
    const alone = await f.tenant()
    expect((await refusal(start(alone))).detail).toMatch(/^No runner is enrolled/)
    const { id } = await f.runner(alone.admin)
    const begun = await start(alone)
    await f.t.call(alone.admin, 'runners.revoke', { id })
    expect((await refusal(start(alone))).detail).toMatch(/^No runner is enrolled/)
    // The push itself finds out, whether or not the job that ends the runs of a revoked runner came first.
    await f.push(begun, alone.user)
    expect(await get(begun.id, alone)).toMatchObject({ state: 'failed', failure: 'Its runner was revoked.', plans: [] })
  })
})

describe('a decision', () => {
  it('is taken by one of two who approve at once', async () => {
    const run = await waitingRun()
    const both = await Promise.allSettled([
      decide(team.moderator, run.id, 'approve'),
      decide(team.admin, run.id, 'reject'),
    ])
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const lost = both.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    expect(lost.reason).toMatchObject({ code: 'conflict' })
    const { rows } = await f.t.admin.query('select from approvals where run_id = $1', [run.id])
    expect(rows).toHaveLength(1)
    await f.work()
  })

  it('is not for those below the role of the step, and only about the step that waits', async () => {
    const run = await waitingRun()
    expect((await refusal(decide(team.user, run.id, 'approve'))).code).toBe('forbidden')
    const other = f.t.call(team.moderator, 'runs.decide', { id: run.id, stepId: 'block', decision: 'approve' })
    expect(await refusal(other)).toMatchObject({ code: 'conflict', detail: expect.stringContaining('waits for ok') })
    const cancelled = await f.t.call(team.moderator, 'runs.cancel', { id: run.id })
    expect(cancelled.state).toBe('cancelled')
    expect((await refusal(decide(team.moderator, run.id, 'approve'))).detail).toContain('is cancelled and has ended')
  })

  it('sends no plan when the case was raised above the ceiling meanwhile', async () => {
    const { caseId } = await f.caseOf(team.user)
    const { id } = await start(team, caseId)
    await f.work()
    await f.until(team.user, id, 'waiting')
    await f.t.admin.query(`update cases set tlp = 'AMBER+STRICT' where id = $1`, [caseId])
    f.target.seen.length = 0
    await decide(team.moderator, id, 'approve')
    await f.work()
    const failed = await get(id)
    expect(failed).toMatchObject({ state: 'failed', failure: expect.stringContaining('TLP:AMBER+STRICT by now') })
    expect(failed.plans).toHaveLength(1)
    expect(f.target.seen).toEqual([])
  })
})

describe('a push', () => {
  const pointAt = (url: string) => f.t.admin.query('update runners set url = $1 where id = $2', [url, runner.id])

  it('survives a runner that is down: the same plan goes out again, and a new one once it has expired', async () => {
    await runner.stop()
    const { id } = await start()
    await expect(f.push({ id }, team.user)).rejects.toThrow('did not take the plan')
    await expect(f.push({ id }, team.user)).rejects.toThrow('ECONNREFUSED')
    const [first, ...rest] = await plansIn(id)
    expect(rest).toEqual([])
    const cancel = await refusal(f.t.call(team.moderator, 'runs.cancel', { id }))
    expect(cancel.detail).toContain('on its way')

    await f.t.admin.query(
      `update plans set issued_at = issued_at - interval '5 min', expires_at = expires_at - interval '5 min' where run_id = $1`,
      [id],
    )
    await expect(f.push({ id }, team.user)).rejects.toThrow('did not take the plan')
    const plans = await plansIn(id)
    expect(plans).toHaveLength(2)
    await runner.start(Number(new URL(runner.url).port))
    await f.push({ id }, team.user)
    await f.until(team.user, id, 'waiting')
    expect((await plansIn(id)).filter((plan) => plan.accepted_at !== null).map((plan) => plan.id)).toEqual(
      plans.filter((plan) => plan.id !== first?.id).map((plan) => plan.id),
    )
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })

  it('that finds nobody to the last attempt fails the run, and says who did not answer', async () => {
    await runner.stop()
    const { id } = await start()
    await f.push({ id }, team.user, { last: true })
    const { failure } = await f.t.call(team.user, 'runs.get', { id })
    expect(failure).toBe(`The runner at ${runner.url} did not answer: ECONNREFUSED. Start it, then start a new run.`)
    await runner.start(Number(new URL(runner.url).port))
  })

  it('after a crash between the plan and its push sends that very plan', async () => {
    const { id } = await start()
    const dead = await listen(runner.holder, () => undefined)
    await pointAt(dead.url)
    await expect(f.push({ id }, team.user)).rejects.toThrow('did not take the plan')
    await pointAt(runner.url)
    await dead.stop()
    const before = await plansIn(id)
    await f.push({ id }, team.user)
    await f.until(team.user, id, 'waiting')
    expect((await plansIn(id)).map((plan) => plan.id)).toEqual(before.map((plan) => plan.id))
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })

  it('whose answer comes after the next approval does not swallow the plan that carries it', async () => {
    const { id } = await start()
    const slow = await listen(runner.holder, async (body) => {
      const { plan } = JSON.parse(body)
      const waitingFor = { stepId: 'ok', prompt: 'Block it?' }
      const report = { runId: id, planId: plan.planId, sequence: 1, status: 'waiting' as const, waitingFor, steps: [] }
      if (plan.approvals.length > 0) return 202
      expect((await f.report(runner, report)).status).toBe(200)
      await decide(team.moderator, id, 'approve')
      return 202
    })
    await pointAt(slow.url)
    await f.push({ id }, team.user)
    expect((await get(id)).state).toBe('queued')
    await f.push({ id }, team.user)
    expect(await get(id)).toMatchObject({ state: 'sent', plans: [{}, {}] })
    await pointAt(runner.url)
    await slow.stop()
  })

  it('goes where the runner enrolled and nowhere else: a redirect is not followed', async () => {
    const { id } = await start()
    const hits = f.target.seen.length
    const moved = await listen(runner.holder, () => 307, { location: `http://127.0.0.1:${f.target.port}/blocks` })
    await pointAt(moved.url)
    await expect(f.push({ id }, team.user)).rejects.toThrow('status 307')
    await pointAt('https://169.254.169.254')
    await f.push({ id }, team.user)
    expect((await get(id)).failure).toContain('no runner lives at this address')
    expect(f.target.seen).toHaveLength(hits)
    await pointAt(runner.url)
    await moved.stop()
  })

  it('in the hands of a process that was killed goes on when the service starts again', async () => {
    const { id } = await start()
    await f.t.admin.query(`update graphile_worker._private_jobs set locked_by = 'killed', locked_at = now()`)
    const login = f.t.loginOf('redoubt_workflow')
    const stop = await startWorkflowProcessor(f.t.parts.redoubt_workflow.kernel, f.t.databases.redoubt_workflow, login)
    await f.until(team.user, id, 'waiting')
    await stop()
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })

  it('after a crash between the plan and its answer sends the same plan, which the runner takes once', async () => {
    const { id } = await start()
    f.target.seen.length = 0
    // The process dies after the runner took the plan and before the answer was written down.
    await f.push({ id }, team.user)
    await f.until(team.user, id, 'waiting')
    await f.t.admin.query(`update runs set state = 'queued', waiting = null, report_sequence = 0 where id = $1`, [id])
    await f.t.admin.query('update plans set accepted_at = null where run_id = $1', [id])
    await f.push({ id }, team.user)
    const plans = await plansIn(id)
    expect(plans).toHaveLength(1)
    expect(plans[0]?.accepted_at).not.toBeNull()
    expect((await get(id)).state).toBe('sent')
    expect(f.target.seen).toEqual(['GET /reputation/203.0.113.7'])
  })

  it('pushed by two jobs at once makes one plan, and one of them is heard', async () => {
    const { id } = await start()
    f.target.seen.length = 0
    await Promise.all([f.push({ id }, team.user), f.push({ id }, team.user)])
    await f.until(team.user, id, 'waiting')
    expect(await plansIn(id)).toHaveLength(1)
    expect(f.target.seen).toEqual(['GET /reputation/203.0.113.7'])
    await f.t.call(team.moderator, 'runs.cancel', { id })
  })

  it('that the runner refuses fails the run with the reason of the runner', async () => {
    const { id } = await start()
    // A runner that was enrolled under another address of the console.
    const identity = join(runner.home, 'identity.json')
    const right = readFileSync(identity, 'utf8')
    const port = Number(new URL(runner.url).port)
    await runner.stop()
    writeFileSync(identity, JSON.stringify({ ...JSON.parse(right), issuer: 'https://elsewhere.example' }))
    await runner.start(port)
    await f.push({ id }, team.user)
    await runner.stop()
    writeFileSync(identity, right)
    await runner.start(port)
    const { state, failure } = await f.t.call(team.user, 'runs.get', { id })
    expect(state).toBe('failed')
    expect(failure).toMatch(/^The runner refused the plan: .* \(token_issuer\)\.$/)
  })

  it('is signed with the published key for that runner alone, for five minutes', async () => {
    const run = await waitingRun()
    const keys = importJwks(await (await fetch(`${f.api}/.well-known/plan-jwks.json`)).json())
    const [plan] = run.plans
    const issuedAt = new Date(plan?.issuedAt ?? '')
    expect(new Date(plan?.expiresAt ?? '').getTime() - issuedAt.getTime()).toBeLessThanOrEqual(300_000)
    expect(keys.find(plan?.keyId ?? '')).toBeDefined()
    const forged = signPlan(JSON.parse(run.canonicalPlan ?? ''), {
      issuer: f.t.kernel.config.publicUrl,
      ...{ organizationId: team.organization.id, runnerId: runner.id, planId: randomUUID(), runId: run.id },
      now: f.t.clock.now(),
      key: generateSigningKey('ES256'),
    })
    const expected = { issuer: f.t.kernel.config.publicUrl, organizationId: team.organization.id, runnerId: runner.id }
    const verify = () =>
      verifyPlan(forged, JSON.parse(run.canonicalPlan ?? ''), { ...expected, now: f.t.clock.now(), keys })
    expect(verify).toThrow('not known')
    await f.t.call(team.moderator, 'runs.cancel', { id: run.id })
  })
})

describe('a report', () => {
  const reportFor = (run: Run, over: Partial<RunReport> = {}): RunReport => ({
    runId: run.id,
    planId: run.plans[0]?.id ?? '',
    sequence: 1000,
    status: 'succeeded',
    steps: [],
    ...over,
  })

  it('is taken from the run’s own runner alone', async () => {
    const run = await waitingRun()
    const [foreign, sibling] = [await f.tenant(), await f.runner(team.admin)]
    const stranger = await f.runner(foreign.admin)
    for (const other of [stranger, sibling]) {
      expect((await f.report(other, reportFor(run))).status).toBe(404)
    }
    // Its own key, in the name of the other.
    expect((await f.report({ ...runner, key: stranger.key }, reportFor(run))).status).toBe(401)
    expect((await f.report({ ...runner, key: generateSigningKey('ES256') }, reportFor(run))).status).toBe(401)
    expect((await f.report({ ...runner, organizationId: foreign.organization.id }, reportFor(run))).status).toBe(401)
    expect((await f.report(runner, reportFor(run, { planId: randomUUID() }))).status).toBe(404)
    expect((await f.report(runner, reportFor(run, { runId: randomUUID() as RunId }))).status).toBe(404)
    expect((await get(run.id)).state).toBe('waiting')
    await f.t.call(team.admin, 'runners.revoke', { id: sibling.id })
    await f.t.call(team.moderator, 'runs.cancel', { id: run.id })
  })

  it('whose body is not the one that was signed is refused', async () => {
    const run = await waitingRun()
    expect((await f.report(runner, reportFor(run), { sequence: 1001 })).status).toBe(401)
    expect((await get(run.id)).state).toBe('waiting')
    await f.t.call(team.moderator, 'runs.cancel', { id: run.id })
  })

  it('repeated or overtaken changes nothing, and each comment is told once', async () => {
    const { caseId } = await f.caseOf(team.user)
    const { id } = await start(team, caseId)
    await f.work()
    await f.until(team.user, id, 'waiting')
    await decide(team.moderator, id, 'approve')
    await f.work()
    const done = await f.until(team.user, id, 'succeeded')
    const before = await linesOf(caseId)
    const planId = done.plans[1]?.id ?? ''
    for (const sequence of [1, 2, 3]) {
      const answer = await f.report(runner, reportFor(done, { planId, sequence, status: 'failed' }))
      expect(answer).toEqual({ status: 200, body: { done: true } })
    }
    expect(await linesOf(caseId)).toEqual(before)
    expect(before.filter(({ kind }) => kind === 'comment')).toHaveLength(1)
    expect(await get(id)).toEqual(done)
  })

  it('after the end changes nothing of the run, but is not hidden', async () => {
    const run = await waitingRun()
    await f.t.call(team.moderator, 'runs.cancel', { id: run.id })
    expect((await f.report(runner, reportFor(run))).status).toBe(200)
    expect((await f.report(runner, reportFor(run))).status).toBe(200)
    const after = await get(run.id)
    expect(after).toMatchObject({ state: 'cancelled', steps: run.steps })
    expect((await actionsOn(run.id)).filter((action) => action === 'run.reported-late')).toHaveLength(1)
    const [last] = await linesOf(team.caseId)
    expect(last?.text).toBe('reported after the run had ended here as cancelled: succeeded')
  })

  it('of a runner that passes a step nobody approved fails the run', async () => {
    const run = await waitingRun()
    expect((await f.report(runner, reportFor(run))).status).toBe(200)
    expect(await get(run.id)).toMatchObject({
      state: 'failed',
      failure: expect.stringContaining('nobody had approved ok'),
    })
  })

  it('of a revoked runner is refused, and what it had in hand fails visibly', async () => {
    const old = await f.tenant()
    const doomed = await f.runner(old.admin)
    const { id } = await start(old)
    await f.work()
    const run = await f.until(old.user, id, 'waiting')
    await f.t.call(old.admin, 'runners.revoke', { id: doomed.id })
    expect((await f.report(doomed, reportFor(run))).status).toBe(401)
    await f.work()
    expect(await get(id, old)).toMatchObject({ state: 'failed', failure: 'Its runner was revoked.' })
    expect((await refusal(f.t.call(old.admin, 'runners.revoke', { id: doomed.id }))).code).toBe('conflict')
  })
})

describe('a runner that dies', () => {
  it('leaves a run that fails visibly once its plan expired and ten minutes passed in silence', async () => {
    const { id } = await start()
    await runner.stop()
    const { id: planId } = await prepared(id)
    await f.t.admin.query('update plans set accepted_at = $2 where id = $1', [planId, f.t.clock.now()])
    await f.t.admin.query(`update runs set state = 'sent' where id = $1`, [id])
    f.t.clock.advance(9 * 60_000)
    await f.check({ id }, team.user)
    expect((await get(id)).state).toBe('sent')
    f.t.clock.advance(61_000)
    await f.check({ id }, team.user)
    const { state, failure, endedAt } = await get(id)
    expect({ state, ended: endedAt !== null }).toEqual({ state: 'failed', ended: true })
    expect(failure).toContain('silent for ten minutes')
    await runner.start(Number(new URL(runner.url).port))
  })

  async function prepared(id: RunId) {
    await expect(f.push({ id }, team.user)).rejects.toThrow('did not take')
    const [plan] = await plansIn(id)
    return { id: plan?.id ?? '' }
  }
})

describe('an enrolment', () => {
  const publicKey = () => {
    const { jwk } = generateSigningKey('ES256')
    return jwk.kty === 'EC' ? { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } : expect.fail()
  }
  const invite = async () =>
    parseEnrolmentToken((await f.t.call(team.admin, 'runners.invite', { name: 'Graz' })).token).token
  const url = 'https://10.1.2.3:5678'

  it('works once, also when two race for it, and only within an hour', async () => {
    const token = await invite()
    const both = await Promise.all([1, 2].map(() => f.enrol({ token, publicKey: publicKey(), url })))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 410])
    const late = await invite()
    f.t.clock.advance(60 * 60_000)
    expect((await f.enrol({ token: late, publicKey: publicKey(), url })).status).toBe(410)
    const made = `${late.slice(0, -1)}${late.endsWith('0') ? '1' : '0'}`
    expect((await f.enrol({ token: made, publicKey: publicKey(), url })).status).toBe(410)
    const won = both.find(({ status }) => status === 200)?.body
    await f.t.call(team.admin, 'runners.revoke', { id: won?.runnerId as typeof runner.id })
  })

  it('takes no key that speaks for another runner, no point off the curve, and no address of the network itself', async () => {
    const token = await invite()
    const { jwk } = runner.key
    const taken = jwk.kty === 'EC' ? { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } : expect.fail()
    expect((await f.enrol({ token, publicKey: taken, url })).status).toBe(409)
    const off = { ...publicKey(), y: 'A'.repeat(43) }
    expect((await f.enrol({ token, publicKey: off, url })).status).toBe(400)
    const metadata = await f.enrol({ token, publicKey: publicKey(), url: 'https://169.254.169.254/' })
    expect(metadata.body).toMatchObject({ status: 400, errors: [{ path: 'url' }] })
    // None of them used the token up.
    const { status, body } = await f.enrol({ token, publicKey: publicKey(), url })
    expect(status).toBe(200)
    expect(body.issuer).toBe(f.t.kernel.config.publicUrl)
    await f.t.call(team.admin, 'runners.revoke', { id: body.runnerId as typeof runner.id })
  })

  it('is an admin’s to make, its token is stored as a hash, and the command teaches how to use it', async () => {
    expect((await refusal(f.t.call(team.moderator, 'runners.invite', { name: 'x' }))).code).toBe('forbidden')
    const made = await f.t.call(team.admin, 'runners.invite', { name: 'x' })
    expect(made.command).toContain(`--enrol ${made.controlPlane} ${made.token}`)
    expect(made.controlPlane).toBe('https://localhost:0')
    const { rows } = await f.t.admin.query('select e::text as text from runner_enrolments e')
    expect(rows.some(({ text }) => text.includes(parseEnrolmentToken(made.token).token))).toBe(false)
  })
})

describe('a playbook', () => {
  it('with errors is refused with each at its line and column, and not saved', async () => {
    const yaml = 'name: Broken\ntlp: PURPLE\nsteps:\n  - { id: a, type: no.such }\n'
    const attempt = f.t.call(team.moderator, 'playbooks.create', { yaml })
    await expect(attempt).rejects.toMatchObject({
      code: 'unprocessable',
      fields: [
        { path: expect.stringMatching(/^2:\d+$/), message: expect.any(String) },
        { path: expect.stringMatching(/^4:\d+$/), message: expect.any(String) },
      ],
    })
    const checked = await f.t.call(team.viewer, 'playbooks.check', { yaml })
    expect(checked).toMatchObject({ ok: false, graph: null, errors: [{ line: 2 }, { line: 4 }] })
    const { items } = await f.t.call(team.user, 'playbooks.list', {})
    expect(items.map(({ name }) => name)).not.toContain('Broken')
  })

  it('changes for the one who read the present version; runs keep the text they started with', async () => {
    const run = await waitingRun()
    const { id, version, yaml } = team.playbook
    const both = await Promise.allSettled(
      ['a', 'b'].map((word) =>
        f.t.call(team.moderator, 'playbooks.update', {
          id,
          version,
          yaml: yaml.replace('Its score', `${word}: its score`),
        }),
      ),
    )
    const lost = both.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(lost.reason).toMatchObject({ code: 'stale' })
    expect((await f.t.call(team.user, 'playbooks.get', { id })).version).toBe(2)
    await decide(team.moderator, run.id, 'approve')
    await f.work()
    const done = await f.until(team.user, run.id, 'succeeded')
    expect(done.playbook.version).toBe(1)
    const { rows } = await f.t.admin.query('select version from playbook_versions where playbook_id = $1', [id])
    expect(rows).toHaveLength(2)
  })

  it('has a name of its own among those in use, and nobody else’s organization finds it', async () => {
    const yaml = playbookFor(f.target.port).replace('Block address', 'Quarantine')
    const first = await f.t.call(team.moderator, 'playbooks.create', { yaml })
    const twin = { yaml: yaml.replace('Quarantine', 'QUARANTINE') }
    expect((await refusal(f.t.call(team.moderator, 'playbooks.create', twin))).code).toBe('conflict')
    const put = { id: first.id, version: 1 }
    await f.t.call(team.moderator, 'playbooks.archive', { ...put, archived: true })
    await f.t.call(team.moderator, 'playbooks.create', twin)
    const back = f.t.call(team.moderator, 'playbooks.archive', { ...put, archived: false })
    expect((await refusal(back)).code).toBe('conflict')
    const { moderator } = await f.tenant()
    const attempt = f.t.call(moderator, 'playbooks.get', { id: first.id as PlaybookId })
    expect((await refusal(attempt)).code).toBe('not_found')
  })
})
