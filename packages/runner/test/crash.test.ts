import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { step } from './fake-target.ts'
import { RunnerFixture } from './runner-fixture.ts'
import { RunnerProcess } from './runner-process.ts'

describe('a runner that is killed', () => {
  let fixture: RunnerFixture
  let processes: RunnerProcess[]
  beforeEach(async () => {
    fixture = await new RunnerFixture().prepare()
    processes = []
  })
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.kill('SIGKILL')))
    await fixture.close()
  })
  const launch = async () => {
    const runner = new RunnerProcess(fixture.home)
    processes.push(runner)
    return { runner, url: await runner.ready() }
  }
  const never = () => new Promise<never>(() => {})

  it('never sends a POST twice: the run ends as interrupted and says what is unknown', async () => {
    const { controlPlane, target } = fixture
    target.answer = never
    const { runner, url } = await launch()
    const plan = controlPlane.plan(
      [step.http('block', 'POST', `${target.origin}/block`), step.http('tell', 'POST', `${target.origin}/tell`)],
      { egress: target.egress },
    )
    const token = controlPlane.sign(plan)
    expect(await controlPlane.push(url, plan, token)).toMatchObject({ status: 202 })
    await target.arrivals(1)
    await runner.kill('SIGKILL')
    target.answer = async () => ({ status: 200 })

    const { url: again } = await launch()
    const report = await controlPlane.reported(plan.runId, 'interrupted')
    expect(report.steps).toMatchObject([
      {
        stepId: 'block',
        status: 'interrupted',
        error: { code: 'outcome_unknown', message: expect.stringContaining('unknown') },
      },
    ])
    expect(target.seen.map((one) => one.url)).toEqual(['/block'])
    expect(await controlPlane.push(again, plan, token)).toMatchObject({ status: 409, body: { code: 'plan_replayed' } })
  })

  it('goes on at a GET that was cut off, with the outputs of the steps before it', async () => {
    const { controlPlane, target } = fixture
    target.answer = async ({ method }) => (method === 'GET' ? never() : { status: 200, body: { rule: 9 } })
    const { runner, url } = await launch()
    const plan = controlPlane.plan(
      [
        step.http('block', 'POST', `${target.origin}/block`),
        step.http('check', 'GET', `${target.origin}/check`),
        step.comment('tell', `Rule $\{{ steps.block.body.rule }} is $\{{ steps.check.body.state }}`),
      ],
      { egress: target.egress },
    )
    expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
    await target.arrivals(2)
    await runner.kill('SIGKILL')
    target.answer = async () => ({ status: 200, body: { state: 'active' } })

    await launch()
    const report = await controlPlane.reported(plan.runId, 'succeeded')
    expect(report.steps.at(-1)?.comment).toBe('Rule 9 is active')
    expect(target.seen.map((one) => one.url)).toEqual(['/block', '/check', '/check'])
  })

  it('sends each of many requests at most once, whenever it is killed', async () => {
    const { controlPlane, target } = fixture
    const runs = []
    for (let round = 1; round <= 4; round++) {
      const { runner, url } = await launch()
      const steps = Array.from({ length: 8 }, (_, index) =>
        step.http(`s${index}`, 'POST', `${target.origin}/${round}/${index}`),
      )
      const plan = controlPlane.plan(steps, { egress: target.egress })
      runs.push(plan.runId)
      const before = target.seen.length
      expect(await controlPlane.push(url, plan)).toMatchObject({ status: 202 })
      await target.arrivals(before + round * 2 - 1)
      await runner.kill('SIGKILL')
    }
    await launch()
    for (const runId of runs) {
      const report = await Promise.race([
        controlPlane.reported(runId, 'succeeded'),
        controlPlane.reported(runId, 'interrupted'),
      ])
      // What the report calls done was seen, and nothing else but the step that was cut off.
      const round = runs.indexOf(runId) + 1
      const done = report.steps.filter((one) => one.status === 'succeeded').length
      const seen = target.seen.filter((one) => one.url.startsWith(`/${round}/`))
      expect(seen.length - done).toBeGreaterThanOrEqual(0)
      expect(seen.length - done).toBeLessThanOrEqual(report.status === 'interrupted' ? 1 : 0)
    }
    const urls = target.seen.map((one) => one.url)
    expect(new Set(urls).size).toBe(urls.length)
  })

  it('still delivers the reports it could not deliver before', async () => {
    const { controlPlane, target } = fixture
    controlPlane.reportStatuses = Array.from({ length: 100 }, () => 503)
    target.answer = async ({ url }) => (url === '/last' ? never() : { status: 200 })
    const { runner, url } = await launch()
    const plan = controlPlane.plan(
      [step.http('first', 'POST', `${target.origin}/first`), step.http('last', 'GET', `${target.origin}/last`)],
      { egress: target.egress },
    )
    await controlPlane.push(url, plan)
    await target.arrivals(2)
    await runner.kill('SIGKILL')
    expect(controlPlane.reports).toEqual([])
    controlPlane.reportStatuses = []
    target.answer = async () => ({ status: 200 })
    await launch()
    await controlPlane.reported(plan.runId, 'succeeded')
    const sequences = controlPlane.reportsOf(plan.runId).map((report) => report.sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
  })

  it('finishes the step in hand on SIGTERM, exits with 0, and goes on at the next start', async () => {
    const { controlPlane, target } = fixture
    let release = () => {}
    target.answer = () =>
      new Promise((resolve) => {
        release = () => resolve({ status: 200 })
      })
    const { runner, url } = await launch()
    const plan = controlPlane.plan(
      [step.http('one', 'POST', `${target.origin}/one`), step.http('two', 'POST', `${target.origin}/two`)],
      { egress: target.egress },
    )
    await controlPlane.push(url, plan)
    await target.arrivals(1)
    const ended = runner.kill('SIGTERM')
    await runner.line('stopping: the steps in hand')
    release()
    expect(await ended).toBe(0)
    expect(target.seen.map((one) => one.url)).toEqual(['/one'])
    target.answer = async () => ({ status: 200 })
    await launch()
    const report = await controlPlane.reported(plan.runId, 'succeeded')
    expect(report.steps.map((one) => one.status)).toEqual(['succeeded', 'succeeded'])
    expect(target.seen.map((one) => one.url)).toEqual(['/one', '/two'])
  })
})
