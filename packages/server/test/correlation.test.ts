import type { AlertId } from '@redoubt/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checkResponse, createCorrelation } from '../src/modules/cases/index.ts'
import { work } from '../src/platform/work.ts'
import { idsOf, openCase, refusal, sourceOf, teamOf } from './cases-fixture.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
let team: Awaited<ReturnType<typeof teamOf>>
let source: Awaited<ReturnType<typeof sourceOf>>
const minute = 60_000
beforeAll(async () => {
  t = await startTestPlatform()
})
beforeEach(async () => {
  team = await teamOf(t)
  source = await sourceOf(t, team.admin)
})
afterAll(() => t.stop())

const cases = async () => (await t.call(team.admin, 'cases.list', { limit: 200 })).items
const alert = (id: AlertId | undefined) => t.call(team.admin, 'alerts.get', { id: id as AlertId })
const ip = '198.51.100.7'

describe('alerts become cases', () => {
  test('a grave alert opens a case with its title, severity, observables and the rule; a lesser one stays in the inbox', async () => {
    const [grave, lesser] = await source.send(
      { title: 'Beacon to a known server', severity: 'critical', src_ip: ip },
      { title: 'Odd sign-in', src_ip: '198.51.100.8' },
    )
    await t.runWorkerJobs()
    const [opened, ...others] = await cases()
    expect(others).toEqual([])
    expect(opened).toMatchObject({
      title: 'Beacon to a known server',
      severity: 'critical',
      alertCount: 1,
      number: 1,
      phase: 'detection',
    })
    expect(Date.parse(opened!.dueAt as string) - Date.parse(opened!.openedAt)).toBe(15 * minute)
    expect(await t.call(team.user, 'cases.get', { id: opened!.id })).toMatchObject({
      openedBy: 'worker',
      rule: 'Same indicator',
    })
    expect(await alert(grave)).toMatchObject({ state: 'in-case', caseId: opened!.id })
    expect(await alert(lesser)).toMatchObject({ state: 'new', caseId: null })
    const observables = (await t.call(team.user, 'cases.observables', { id: opened!.id })).items
    expect(observables).toEqual(expect.arrayContaining([expect.objectContaining({ value: ip, sightings: 1 })]))
    const story = (await t.call(team.user, 'cases.timeline', { id: opened!.id })).items
    expect(story.map(({ kind, actor }) => [kind, actor.kind])).toEqual([
      ['alert-added', 'service'],
      ['opened', 'service'],
    ])
  })

  test('what shares an indicator joins the open case, whichever came first', async () => {
    const [before] = await source.send({ severity: 'low', src_ip: ip })
    await t.runWorkerJobs()
    expect(await cases()).toEqual([])
    const [grave] = await source.send({ title: 'Malware ran', severity: 'high', src_ip: ip })
    await t.runWorkerJobs()
    const [after] = await source.send({ severity: 'low', dest_ip: ip })
    await t.runWorkerJobs()
    const [opened, ...others] = await cases()
    expect(others).toEqual([])
    expect(opened).toMatchObject({ alertCount: 3, title: 'Malware ran' })
    for (const id of [before, grave, after]) expect((await alert(id)).caseId).toBe(opened!.id)
    const observables = (await t.call(team.user, 'cases.observables', { id: opened!.id })).items
    expect(observables.find(({ value }) => value === ip)?.sightings).toBe(3)
  })

  test('enough lesser alerts about one thing are a case', async () => {
    await source.send(...Array.from({ length: 4 }, () => ({ severity: 'low', src_ip: ip })))
    await t.runWorkerJobs()
    expect(await cases()).toEqual([])
    await source.send({ severity: 'low', src_ip: ip })
    await t.runWorkerJobs()
    expect(await cases()).toMatchObject([{ alertCount: 5, severity: 'low' }])
  })

  test('a graver alert raises the case and its promise, a flood of equal ones makes nobody’s edit stale', async () => {
    await source.send({ severity: 'high', src_ip: ip })
    await t.runWorkerJobs()
    const [opened] = await cases()
    await source.send(...Array.from({ length: 20 }, () => ({ severity: 'high', src_ip: ip })))
    await t.runWorkerJobs()
    const [flooded] = await cases()
    expect(flooded).toMatchObject({ alertCount: 21, version: opened!.version, dueAt: opened!.dueAt })
    await source.send({ severity: 'critical', src_ip: ip })
    await t.runWorkerJobs()
    const [raised] = await cases()
    expect(raised).toMatchObject({ severity: 'critical', version: opened!.version + 1 })
    expect(Date.parse(raised!.dueAt as string) - Date.parse(raised!.openedAt)).toBe(15 * minute)
  })

  test('the stricter TLP of an alert makes the case as strict', async () => {
    await source.send({ severity: 'high', src_ip: ip })
    await t.runWorkerJobs()
    await (await sourceOf(t, team.admin, { tlp: 'AMBER+STRICT' })).send({ severity: 'high', src_ip: ip })
    await t.runWorkerJobs()
    expect(await cases()).toMatchObject([{ tlp: 'AMBER+STRICT', alertCount: 2 }])
  })

  test('nothing joins by itself a case that is closed, old, RED or for named people', async () => {
    const known = async () => {
      const opened = await openCase(t, team.admin)
      await t.call(team.admin, 'cases.addObservable', { id: opened.id, text: ip })
      return t.call(team.admin, 'cases.get', { id: opened.id })
    }
    const [red, named, closed, old] = [await known(), await known(), await known(), await known()]
    await t.call(team.admin, 'cases.share', {
      id: red.id,
      version: 1,
      tlp: 'RED',
      audience: 'named',
      recipientIds: idsOf([team.admin]),
    })
    await t.call(team.admin, 'cases.share', {
      id: named.id,
      version: 1,
      tlp: 'AMBER',
      audience: 'named',
      recipientIds: [],
    })
    await t.call(team.admin, 'cases.changePhase', { id: closed.id, version: 1, to: 'triage' })
    await t.call(team.admin, 'cases.update', {
      id: closed.id,
      version: 2,
      ownerId: team.admin.userId,
      resolution: 'A drill.',
    })
    await t.call(team.admin, 'cases.changePhase', { id: closed.id, version: 3, to: 'closed' })
    await t.admin.query(`update cases set updated_at = updated_at - interval '25 hours' where id = $1`, [old.id])
    const [id] = await source.send({ severity: 'medium', src_ip: ip })
    await t.runWorkerJobs()
    expect(await alert(id)).toMatchObject({ state: 'new', caseId: null })
    for (const each of [red, named, closed, old])
      expect((await t.call(team.admin, 'cases.get', { id: each.id })).alertCount).toBe(0)
  })

  test('a dismissed alert and a duplicate of one in a closed case open nothing', async () => {
    const [dismissed] = await source.send({ severity: 'high', id: 'one', src_ip: ip })
    await t.call(team.admin, 'alerts.dismiss', { ids: [dismissed as AlertId], reason: 'A test' })
    await t.runWorkerJobs()
    expect(await cases()).toEqual([])
    await source.send({ severity: 'high', id: 'two', src_ip: '198.51.100.9' })
    await t.runWorkerJobs()
    const [opened] = await cases()
    await t.call(team.admin, 'cases.changePhase', { id: opened!.id, version: 1, to: 'triage' })
    await t.call(team.admin, 'cases.update', {
      id: opened!.id,
      version: 2,
      ownerId: team.admin.userId,
      resolution: 'A test.',
    })
    await t.call(team.admin, 'cases.changePhase', { id: opened!.id, version: 3, to: 'closed' })
    await source.send({ severity: 'high', id: 'two', src_ip: '198.51.100.9', again: true })
    await t.runWorkerJobs()
    expect(await cases()).toMatchObject([{ phase: 'closed', alertCount: 1 }])
  })

  test('two workers at once open one case for one incident', async () => {
    const half = () => Array.from({ length: 10 }, () => ({ severity: 'high', src_ip: ip }))
    await source.send(...half())
    await source.send(...half())
    await Promise.all([t.runWorkerJobs(), t.runWorkerJobs()])
    expect(await cases()).toMatchObject([{ alertCount: 20 }])
  })

  test('correlating again changes nothing', async () => {
    const ids = await source.send({ severity: 'high', src_ip: ip }, { severity: 'low', src_ip: ip })
    await t.runWorkerJobs()
    const before = {
      cases: await cases(),
      observables: (await t.call(team.admin, 'cases.observables', { id: (await cases())[0]!.id })).items,
    }
    const correlate = createCorrelation() as (unit: unknown, alerts: readonly { id: string }[]) => Promise<void>
    await work(
      t.databases.redoubt_worker,
      {
        organizationId: team.organization.id,
        actor: { kind: 'service', id: 'worker', name: 'worker' },
        clock: t.clock,
        requestId: null,
      },
      (unit) =>
        correlate(
          unit,
          ids.map((id) => ({ id })),
        ),
    )
    expect({
      cases: await cases(),
      observables: (await t.call(team.admin, 'cases.observables', { id: before.cases[0]!.id })).items,
    }).toEqual(before)
  })

  test('one organization’s alerts never join another’s case', async () => {
    await source.send({ severity: 'high', src_ip: ip })
    await t.runWorkerJobs()
    const elsewhere = await teamOf(t)
    await (await sourceOf(t, elsewhere.admin)).send({ severity: 'low', src_ip: ip })
    await t.runWorkerJobs()
    expect((await t.call(elsewhere.admin, 'cases.list', {})).items).toEqual([])
    expect(await cases()).toMatchObject([{ alertCount: 1 }])
  })
})

describe('people make cases of alerts', () => {
  test('the gravest gives title and severity, the strictest the TLP', async () => {
    const strict = await sourceOf(t, team.admin, { tlp: 'AMBER+STRICT' })
    const ids = [
      ...(await source.send({ title: 'Minor', severity: 'low', src_ip: ip })),
      ...(await strict.send({ title: 'Major', severity: 'medium', src_ip: ip })),
    ]
    await t.runWorkerJobs()
    const { caseId } = await t.call(team.user, 'alerts.openCase', { ids })
    expect(await t.call(team.user, 'cases.get', { id: caseId })).toMatchObject({
      title: 'Major',
      severity: 'medium',
      tlp: 'AMBER+STRICT',
      alertCount: 2,
      openedBy: team.user.name,
      rule: null,
    })
    const { caseId: chosen } = await t.call(team.user, 'alerts.openCase', {
      ids: await source.send({ severity: 'medium' }),
      title: 'Mine',
      severity: 'low',
    })
    expect(await t.call(team.user, 'cases.get', { id: chosen })).toMatchObject({ title: 'Mine', severity: 'low' })
  })

  test('an alert is in one case: another does not take it, its own takes it once', async () => {
    const ids = await source.send({}, {})
    const { caseId } = await t.call(team.user, 'alerts.openCase', { ids: ids.slice(0, 1) })
    const other = await openCase(t, team.user)
    expect((await refusal(t.call(team.user, 'alerts.openCase', { ids }))).code).toBe('conflict')
    expect((await refusal(t.call(team.user, 'alerts.addToCase', { ids, caseId: other.id }))).code).toBe('conflict')
    expect(await t.call(team.user, 'alerts.addToCase', { ids, caseId })).toEqual({ changed: 1 })
    expect(await t.call(team.user, 'alerts.addToCase', { ids, caseId })).toEqual({ changed: 0 })
    expect((await t.call(team.user, 'cases.get', { id: caseId })).alertCount).toBe(2)
    const stranger = await teamOf(t)
    expect((await refusal(t.call(stranger.user, 'alerts.openCase', { ids }))).code).toBe('not_found')
  })

  test('of two who open a case from one alert at once, one does', async () => {
    const ids = await source.send({})
    const both = await Promise.allSettled(
      [team.user, team.other].map((person) => t.call(person, 'alerts.openCase', { ids })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await cases()).toHaveLength(1)
  })

  test('observables that are found after the alert came to its case come along', async () => {
    const ids = await source.send({ src_ip: ip }, { src_ip: ip })
    const { caseId } = await t.call(team.user, 'alerts.openCase', { ids })
    expect((await t.call(team.user, 'cases.observables', { id: caseId })).items).toEqual([])
    await t.runWorkerJobs()
    const { items } = await t.call(team.user, 'cases.observables', { id: caseId })
    expect(items.find(({ value }) => value === ip)?.sightings).toBe(2)
  })

  test('a closed case takes no alerts', async () => {
    const found = await openCase(t, team.user)
    await t.call(team.user, 'cases.changePhase', { id: found.id, version: 1, to: 'triage' })
    await t.call(team.user, 'cases.update', {
      id: found.id,
      version: 2,
      ownerId: team.user.userId,
      resolution: 'A drill.',
    })
    await t.call(team.user, 'cases.changePhase', { id: found.id, version: 3, to: 'closed' })
    const ids = await source.send({})
    expect((await refusal(t.call(team.user, 'alerts.addToCase', { ids, caseId: found.id }))).detail).toContain(
      'reopen it first',
    )
  })
})

describe('the response time', () => {
  const check = (caseId: string) =>
    checkResponse(t.kernel, t.databases.redoubt_worker)(
      { organizationId: team.organization.id, caseId },
      { last: false },
    )
  const jobsOf = async (caseId: string) => {
    const { rows } = await t.admin.query<{ run_at: Date }>('select run_at from graphile_worker.jobs where key = $1', [
      `${team.organization.id}:case-response:${caseId}`,
    ])
    return rows.map((row) => row.run_at.toISOString())
  }
  const kinds = async (id: Parameters<typeof t.call<'cases.timeline'>>[2]['id']) =>
    (await t.call(team.user, 'cases.timeline', { id: id as never })).items.map(({ kind }) => kind)

  test('that nobody kept is noted once, in the case and in the audit log', async () => {
    const { id } = await openCase(t, team.user, { severity: 'critical' })
    t.clock.advance(14 * minute)
    await check(id)
    expect((await t.call(team.user, 'cases.get', { id })).breachedAt).toBeNull()
    t.clock.advance(minute)
    await check(id)
    const breached = await t.call(team.user, 'cases.get', { id })
    expect(breached).toMatchObject({ breachedAt: t.clock.now().toISOString(), version: 1 })
    t.clock.advance(minute)
    await check(id)
    expect(await kinds(id)).toEqual(['sla-breached', 'opened'])
    const { rows } = await t.admin.query(
      `select actor_kind from audit_events where action = 'case.response-breached' and target_id = $1`,
      [id],
    )
    expect(rows).toEqual([{ actor_kind: 'service' }])
    expect((await t.call(team.user, 'cases.figures', {})).breached).toBe(1)
  })

  test('is kept by leaving detection or by an owner, and counts from the opening', async () => {
    const [moved, owned] = [
      await openCase(t, team.user, { severity: 'critical' }),
      await openCase(t, team.user, { severity: 'critical' }),
    ]
    t.clock.advance(10 * minute)
    await t.call(team.user, 'cases.changePhase', { id: moved.id, version: 1, to: 'triage' })
    await t.call(team.user, 'cases.update', { id: owned.id, version: 1, ownerId: team.user.userId })
    const at = t.clock.now().toISOString()
    t.clock.advance(10 * minute)
    for (const { id } of [moved, owned]) {
      await check(id)
      expect(await t.call(team.user, 'cases.get', { id })).toMatchObject({ respondedAt: at, breachedAt: null })
    }
    await t.call(team.user, 'cases.update', { id: owned.id, version: 2, ownerId: null })
    expect(await t.call(team.user, 'cases.get', { id: owned.id })).toMatchObject({ respondedAt: at, owner: null })
  })

  test('has one check on the queue, which moves with the severity', async () => {
    const found = await openCase(t, team.user, { severity: 'low' })
    expect(await jobsOf(found.id)).toEqual([found.dueAt])
    const raised = await t.call(team.user, 'cases.update', { id: found.id, version: 1, severity: 'critical' })
    expect(Date.parse(raised.dueAt as string)).toBe(Date.parse(raised.openedAt) + 15 * minute)
    expect(await jobsOf(found.id)).toEqual([raised.dueAt])
    const lowered = await t.call(team.user, 'cases.update', { id: found.id, version: 2, severity: 'medium' })
    t.clock.advance(16 * minute)
    await check(found.id)
    expect((await t.call(team.user, 'cases.get', { id: found.id })).breachedAt).toBeNull()
    expect(await jobsOf(found.id)).toEqual([lowered.dueAt])
  })

  test('a check that comes a moment early by this machine’s clock looks again', async () => {
    const found = await openCase(t, team.user, { severity: 'critical' })
    await t.admin.query('select graphile_worker.remove_job($1)', [`${team.organization.id}:case-response:${found.id}`])
    t.clock.advance(15 * minute - 500)
    await check(found.id)
    expect(await jobsOf(found.id)).toEqual([found.dueAt])
  })
})
