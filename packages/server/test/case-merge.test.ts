import type { AlertId, Case, CaseId } from '@redoubt/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { idsOf, openCase, refusal, runOn, sourceOf, teamOf } from './cases-fixture.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let team: Awaited<ReturnType<typeof teamOf>>
beforeAll(async () => {
  t = await startTestPlatform()
  team = await teamOf(t)
})
afterAll(() => t.stop())

const merge = (source: { id: CaseId; version: number }, into: { id: CaseId }, by = team.admin) =>
  t.call(by, 'cases.merge', { id: source.id, version: source.version, into: into.id })
const read = (of: { id: CaseId }, by = team.admin) => t.call(by, 'cases.get', { id: of.id })
const share = async (of: Case, tlp: Case['tlp'], audience: 'organization' | 'named', to: readonly TestPerson[]) =>
  t.call(team.admin, 'cases.share', { id: of.id, version: of.version, tlp, audience, recipientIds: idsOf(to) })

async function caseOf(events: Record<string, unknown>[], severity: Case['severity'] = 'medium') {
  const source = await sourceOf(t, team.admin)
  const ids = await source.send(...events)
  const { caseId } = await t.call(team.user, 'alerts.openCase', { ids, severity })
  await t.runWorkerJobs()
  return { found: await read({ id: caseId }), ids }
}

describe('a merge', () => {
  test('moves alerts, observables, tasks and comments, closes the source and points there', async () => {
    const a = await caseOf([{ src_ip: '203.0.113.10', dest_ip: '203.0.113.11' }])
    const b = await caseOf([{ src_ip: '203.0.113.10' }, { src_ip: '203.0.113.10', n: 2 }], 'critical')
    const source = b.found
    const named = await t.call(team.user, 'cases.observables', { id: source.id })
    const address = named.items.find(({ value }) => value === '203.0.113.10')
    expect(address?.sightings).toBe(2)
    await t.call(team.user, 'cases.setVerdict', { id: source.id, observableId: address!.id, verdict: 'malicious' })
    await t.call(team.user, 'cases.comment', { id: source.id, text: 'Said before the merge' })
    await t.call(team.user, 'cases.addTask', { id: source.id, title: 'Asked before the merge' })

    const merged = await merge(source, a.found)
    expect(merged).toMatchObject({
      phase: 'closed',
      mergedInto: { id: a.found.id, number: a.found.number },
      alertCount: 0,
      nextPhases: [],
    })
    expect(merged.respondedAt).not.toBeNull()
    const target = await read(a.found)
    expect(target).toMatchObject({
      alertCount: 3,
      severity: 'critical',
      version: a.found.version + 1,
      phase: 'detection',
    })
    expect((await t.call(team.user, 'alerts.list', { caseId: target.id })).items).toHaveLength(3)
    const observables = (await t.call(team.user, 'cases.observables', { id: target.id })).items
    expect(observables.find(({ value }) => value === '203.0.113.10')).toMatchObject({
      sightings: 3,
      verdict: 'malicious',
    })
    expect(observables.find(({ value }) => value === '203.0.113.11')).toMatchObject({ sightings: 1 })
    expect((await t.call(team.user, 'cases.tasks', { id: target.id })).items.map(({ title }) => title)).toEqual([
      'Asked before the merge',
    ])
    const kinds = (await t.call(team.user, 'cases.timeline', { id: target.id })).items.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['merged', 'comment', 'opened']))
    for (const name of ['cases.observables', 'cases.tasks'] as const)
      expect((await t.call(team.user, name, { id: source.id })).items).toEqual([])
    // The earlier promise stands: the critical one's.
    expect(target.dueAt).toBe(source.dueAt)
  })

  test('is refused with itself, with what is closed or merged, and while a run is active', async () => {
    const [a, b, c] = [await openCase(t, team.user), await openCase(t, team.user), await openCase(t, team.user)]
    expect((await refusal(merge(a, a))).detail).toContain('into itself')
    await runOn(t, team.user, b.id, 'running')
    expect((await refusal(merge(b, a))).detail).toContain('A run is still active')
    await merge(c, a)
    expect((await refusal(merge({ id: c.id, version: 2 }, b))).detail).toContain(`was merged into case #${a.number}`)
    expect((await refusal(merge(await read(a), c))).detail).toContain(`was merged into case #${a.number}`)
    for (const attempt of [
      () => t.call(team.user, 'cases.comment', { id: c.id, text: 'Late' }),
      () => t.call(team.user, 'cases.changePhase', { id: c.id, version: 2, to: 'triage' }),
      () => t.call(team.user, 'cases.update', { id: c.id, version: 2, title: 'Late' }),
    ]) {
      expect((await refusal(attempt())).code).toBe('conflict')
    }
  })

  test('is refused stale, and for who may not merge', async () => {
    const [a, b] = [await openCase(t, team.user), await openCase(t, team.user)]
    expect((await refusal(merge({ id: a.id, version: 7 }, b))).code).toBe('stale')
    expect((await refusal(merge(a, b, team.user))).code).toBe('forbidden')
  })

  test('both ways at once: one happens, nobody waits for ever', async () => {
    for (let round = 0; round < 6; round++) {
      const [a, b] = [await openCase(t, team.user), await openCase(t, team.user)]
      const both = await Promise.allSettled([merge(a, b), merge(b, a)])
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(both.find((each) => each.status === 'rejected')?.reason).toMatchObject({ code: 'conflict' })
    }
  })
})

describe('a merge never widens an audience', () => {
  const everybody = () => [team.admin, team.moderator, team.user, team.other, team.viewer]
  const seers = async (of: { id: CaseId }) => {
    const seen: TestPerson[] = []
    for (const person of everybody()) {
      try {
        await read(of, person)
        seen.push(person)
      } catch (error) {
        expect(error).toMatchObject({ code: 'not_found' })
      }
    }
    return seen.map(({ userId }) => userId)
  }

  const shapes: readonly [Case['tlp'], 'organization' | 'named', (people: typeof team) => TestPerson[]][] = [
    ['CLEAR', 'organization', () => []],
    ['AMBER', 'named', (p) => [p.other]],
    ['AMBER+STRICT', 'named', (p) => [p.user, p.viewer]],
    ['RED', 'named', (p) => [p.admin, p.other]],
    ['RED', 'named', (p) => [p.admin, p.user, p.viewer]],
  ]

  test('the merged case is seen by exactly those who saw both, its alerts and comments too, for every pair of audiences', async () => {
    for (const [fromTlp, fromAudience, fromTo] of shapes) {
      for (const [toTlp, toAudience, toTo] of shapes) {
        const { found, ids } = await caseOf([{ src_ip: '203.0.113.20' }])
        await t.call(team.user, 'cases.comment', { id: found.id, text: 'What was said there' })
        const source = await share(found, fromTlp, fromAudience, fromTo(team))
        const target = await share(await openCase(t, team.user), toTlp, toAudience, toTo(team))
        const both = (await seers(source)).filter((id, _, all) => all.includes(id))
        const sawTarget = await seers(target)
        const expected = both.filter((id) => sawTarget.includes(id))
        await merge(source, target)
        expect([fromTlp, toTlp, await seers(target)]).toEqual([fromTlp, toTlp, expected])
        // The source still is for whom it was for.
        expect(await seers(source)).toEqual(both)
        if (fromTlp === 'RED' || toTlp === 'RED') {
          for (const person of everybody()) {
            const alerts = await t.call(person, 'alerts.list', { caseId: target.id })
            expect(alerts.items.length > 0).toBe(expected.includes(person.userId))
            const direct = t.call(person, 'alerts.get', { id: ids[0] as AlertId })
            if (expected.includes(person.userId)) await direct
            else expect((await refusal(direct)).code).toBe('not_found')
          }
        }
      }
    }
  })

  test('an owner who could not see the other case is owner no more', async () => {
    const source = await share(await openCase(t, team.user), 'RED', 'named', [team.admin, team.other])
    const opened = await openCase(t, team.user)
    const target = await t.call(team.user, 'cases.update', { id: opened.id, version: 1, ownerId: team.user.userId })
    await merge(source, target)
    expect(await read(target)).toMatchObject({ tlp: 'RED', owner: null })
    expect((await refusal(read(target, team.user))).code).toBe('not_found')
  })
})
