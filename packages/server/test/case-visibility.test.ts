import { randomUUID } from 'node:crypto'
import type { AlertId, Case } from '@redoubt/contract'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asMember, idsOf, openCase, refusal, runOn, sourceOf, teamOf } from './cases-fixture.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let team: Awaited<ReturnType<typeof teamOf>>
beforeAll(async () => {
  t = await startTestPlatform()
  team = await teamOf(t)
})
afterAll(() => t.stop())

type Sharing = { tlp: Case['tlp']; audience?: 'organization' | 'named'; to?: readonly TestPerson[] }
const share = (of: Case, { tlp, audience = 'named', to = [] }: Sharing, by = team.admin) =>
  t.call(by, 'cases.share', { id: of.id, version: of.version, tlp, audience, recipientIds: idsOf(to) })
const sees = async (person: TestPerson, of: { id: Case['id'] }): Promise<boolean> => {
  try {
    await t.call(person, 'cases.get', { id: of.id })
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'not_found' })
    return false
  }
}
const whoSees = async (of: { id: Case['id'] }) => {
  const seen: string[] = []
  for (const [role, person] of Object.entries({
    admin: team.admin,
    moderator: team.moderator,
    user: team.user,
    other: team.other,
    viewer: team.viewer,
  })) {
    if (await sees(person, of)) seen.push(role)
  }
  return seen
}

/** A case with something in every table, shared as RED with the admin and the first user. */
async function redCase() {
  const source = await sourceOf(t, team.admin)
  const [alertId] = (await source.send({ title: 'Secret alert', src_ip: '203.0.113.50' })) as [AlertId]
  await t.runWorkerJobs()
  const { caseId: id } = await t.call(team.user, 'alerts.openCase', { ids: [alertId], title: 'Insider matter' })
  await t.call(team.user, 'cases.comment', { id, text: 'secret comment' })
  const task = await t.call(team.user, 'cases.addTask', { id, title: 'secret task' })
  const run = await runOn(t, team.user, id, 'succeeded')
  const found = await t.call(team.admin, 'cases.get', { id })
  const red = await share(found, { tlp: 'RED', to: [team.admin, team.user] })
  const [observable] = (await t.call(team.admin, 'cases.observables', { id })).items
  return { red, alertId, task, run, observable: observable! }
}

describe('who sees a case', () => {
  test('everybody in the organization, by default', async () => {
    expect(await whoSees(await openCase(t, team.user))).toEqual(['admin', 'moderator', 'user', 'other', 'viewer'])
  })

  test('named: owner, recipients, moderators and admins', async () => {
    const opened = await openCase(t, team.user)
    const owned = await t.call(team.user, 'cases.update', { id: opened.id, version: 1, ownerId: team.user.userId })
    const named = await share(owned, { tlp: 'AMBER', to: [team.viewer] })
    expect(await whoSees(named)).toEqual(['admin', 'moderator', 'user', 'viewer'])
  })

  test('RED: its named recipients alone, and nobody for being admin or moderator', async () => {
    expect(
      await whoSees(await share(await openCase(t, team.user), { tlp: 'RED', to: [team.admin, team.other] })),
    ).toEqual(['admin', 'other'])
  })

  test('a case opened as RED is its opener’s alone', async () => {
    const red = await openCase(t, team.user, { tlp: 'RED' })
    expect(red).toMatchObject({
      tlp: 'RED',
      audience: 'named',
      owner: { id: team.user.userId },
      recipients: [{ id: team.user.userId }],
    })
    expect(await whoSees(red)).toEqual(['user'])
    expect(await whoSees(await share(red, { tlp: 'RED', to: [team.user, team.other] }, team.user))).toEqual([
      'user',
      'other',
    ])
  })
})

describe('what is in a RED case', () => {
  test('is not found, listed, counted or changed by anybody else through any operation', async () => {
    const { red, alertId, task, observable } = await redCase()
    const { id, version } = red
    for (const person of [team.moderator, team.other, team.viewer]) {
      const list = await t.call(person, 'cases.list', { limit: 200 })
      expect(list.items.map((each) => each.id)).not.toContain(id)
      expect((await t.call(person, 'cases.list', { search: 'Insider' })).items).toEqual([])
      expect((await t.call(person, 'alerts.list', { limit: 200 })).items.map((each) => each.id)).not.toContain(alertId)
      expect((await t.call(person, 'alerts.list', { observable: '203.0.113.50' })).items).toEqual([])
      expect((await t.call(person, 'alerts.list', { caseId: id })).items).toEqual([])
      for (const attempt of [
        () => t.call(person, 'cases.timeline', { id }),
        () => t.call(person, 'cases.tasks', { id }),
        () => t.call(person, 'cases.observables', { id }),
        () => t.call(person, 'cases.similar', { id }),
        () => t.call(person, 'alerts.get', { id: alertId }),
      ]) {
        expect((await refusal(attempt())).code).toBe('not_found')
      }
    }
    for (const attempt of [
      () => t.call(team.moderator, 'cases.update', { id, version, title: 'X' }),
      () => t.call(team.moderator, 'cases.changePhase', { id, version, to: 'triage' }),
      () =>
        t.call(team.moderator, 'cases.share', {
          id,
          version,
          tlp: 'CLEAR',
          audience: 'organization',
          recipientIds: [],
        }),
      () => t.call(team.moderator, 'cases.comment', { id, text: 'X' }),
      () => t.call(team.moderator, 'cases.addTask', { id, title: 'X' }),
      () => t.call(team.moderator, 'cases.updateTask', { id, taskId: task.id, version: 1, title: 'X' }),
      () => t.call(team.moderator, 'cases.addObservable', { id, text: '203.0.113.9' }),
      () => t.call(team.moderator, 'cases.setVerdict', { id, observableId: observable.id, verdict: 'benign' }),
      () => t.call(team.moderator, 'alerts.addToCase', { ids: [alertId], caseId: id }),
    ]) {
      expect((await refusal(attempt())).code).toBe('not_found')
    }
    const mine = await t.call(team.user, 'cases.get', { id })
    expect(mine).toMatchObject({ title: 'Insider matter', version: red.version, alertCount: 1 })
    expect((await t.call(team.user, 'alerts.get', { id: alertId })).title).toBe('Secret alert')
  })

  test('is in nobody else’s figures or similar cases', async () => {
    const apart = await teamOf(t)
    const red = await openCase(t, apart.user, { tlp: 'RED', severity: 'critical' })
    const open = await openCase(t, apart.user, { severity: 'low' })
    for (const { id } of [red, open]) await t.call(apart.user, 'cases.addObservable', { id, text: '203.0.113.60' })
    const figures = await t.call(apart.moderator, 'cases.figures', {})
    expect(figures).toMatchObject({
      open: [{ severity: 'low', count: 1 }],
      dueSoon: [{ id: open.id }],
      responseMinutes: [],
    })
    expect((await t.call(apart.moderator, 'cases.similar', { id: open.id })).items).toEqual([])
    expect((await t.call(apart.user, 'cases.similar', { id: open.id })).items).toHaveLength(1)
  })

  test('is not shown by SQL run as the web service in another member’s context, whichever the table', async () => {
    const { red, alertId, run } = await redCase()
    const rowsOf = (person: TestPerson) =>
      asMember(t, person, async ({ db }) => {
        const counts: Record<string, number> = {}
        const one = async (name: string, query: ReturnType<typeof sql<{ n: number }>>) => {
          counts[name] = (await query.execute(db)).rows[0]?.n ?? -1
        }
        await one('cases', sql`select count(*) as n from cases where id = ${red.id}`)
        await one('recipients', sql`select count(*) as n from case_recipients where case_id = ${red.id}`)
        for (const table of ['case_timeline', 'case_tasks', 'case_observables', 'runs']) {
          await one(table, sql`select count(*) as n from ${sql.table(table)} where case_id = ${red.id}`)
        }
        await one('alerts', sql`select count(*) as n from alerts where id = ${alertId}`)
        await one('alert_observables', sql`select count(*) as n from alert_observables where alert_id = ${alertId}`)
        await one('plans', sql`select count(*) as n from plans where run_id = ${run}`)
        return counts
      })
    for (const person of [team.moderator, team.other, team.viewer]) {
      expect(Object.values(await rowsOf(person)).every((count) => count === 0)).toBe(true)
    }
    const mine = await rowsOf(team.user)
    expect(mine).toMatchObject({ cases: 1, recipients: 2, case_tasks: 1, runs: 1, alerts: 1 })
    expect(mine['case_timeline']).toBeGreaterThan(2)
    expect(mine['case_observables']).toBeGreaterThan(0)
  })

  test('cannot be opened by SQL run as the web service: nobody names themselves, lifts the label or takes its rows', async () => {
    const { red, alertId } = await redCase()
    const attacks: Record<string, ReturnType<typeof sql>> = {
      'naming oneself': sql`insert into case_recipients values (${team.other.organizationId}, ${red.id}, ${team.other.userId})`,
      'taking a recipient off': sql`delete from case_recipients where case_id = ${red.id}`,
      'taking every recipient off': sql`delete from case_recipients`,
      'lifting the label': sql`update cases set tlp = 'CLEAR', audience = 'organization'`,
      'lifting the label without a where': sql`update cases set audience = 'named'`,
      'freeing its alerts': sql`update alerts set restricted_case = null where id = ${alertId}`,
      'moving its alerts': sql`update alerts set case_id = null, restricted_case = null`,
      'moving its comments': sql`update case_timeline set case_id = ${(await openCase(t, team.other)).id} where case_id = ${red.id}`,
      'taking its tasks': sql`update case_tasks set title = 'mine' where case_id = ${red.id}`,
      'dropping its observables': sql`delete from case_observables where case_id = ${red.id}`,
      'writing into its story': sql`insert into case_timeline (organization_id, case_id, at, kind, actor_kind, actor_id, actor_name)
        values (${team.other.organizationId}, ${red.id}, now(), 'comment', 'person', 'x', 'x')`,
    }
    const before = await secretRows(red.id)
    for (const [name, attack] of Object.entries(attacks)) {
      await asMember(t, team.other, async ({ db }) => {
        await attack.execute(db)
      }).catch((error: { code?: string }) => expect([name, error.code]).toEqual([name, '42501']))
    }
    expect(await secretRows(red.id)).toEqual(before)
    expect(await sees(team.other, red)).toBe(false)
  })

  async function secretRows(id: string) {
    const tables = ['case_recipients', 'case_timeline', 'case_tasks', 'case_observables', 'alerts']
    const rows = await Promise.all(
      tables.map((table) => t.admin.query(`select * from ${table} where case_id = $1 order by 1, 2, 3`, [id])),
    )
    const { rows: cases } = await t.admin.query('select tlp, audience from cases where id = $1', [id])
    return [...rows.map((each) => each.rows), cases]
  }
})

describe('sharing', () => {
  test('into RED and out again takes the alerts along, both ways', async () => {
    const { red, alertId } = await redCase()
    expect((await refusal(t.call(team.moderator, 'alerts.get', { id: alertId }))).code).toBe('not_found')
    const free = await share(red, { tlp: 'AMBER', audience: 'organization', to: [team.user] })
    expect(free).toMatchObject({ tlp: 'AMBER', audience: 'organization', recipients: [] })
    expect((await t.call(team.moderator, 'alerts.get', { id: alertId })).caseId).toBe(red.id)
    expect(await whoSees(free)).toHaveLength(5)
  })

  test('recipients of a RED case change while it is RED', async () => {
    const red = await share(await openCase(t, team.user), { tlp: 'RED', to: [team.admin, team.user] })
    const changed = await share(red, { tlp: 'RED', to: [team.admin, team.other, team.viewer] })
    expect(await whoSees(changed)).toEqual(['admin', 'other', 'viewer'])
    expect(await sees(team.user, changed)).toBe(false)
  })

  test('RED is always for named people', async () => {
    const red = await share(await openCase(t, team.user), { tlp: 'RED', audience: 'organization', to: [team.admin] })
    expect(red.audience).toBe('named')
  })

  test('refuses, with the way out, what would leave nobody, oneself or the owner outside', async () => {
    const found = await openCase(t, team.user)
    expect(await refusal(share(found, { tlp: 'RED' }))).toEqual({
      code: 'conflict',
      detail: 'TLP:RED is for named recipients: name at least one.',
    })
    expect(await refusal(share(found, { tlp: 'RED', to: [team.other] }))).toEqual({
      code: 'conflict',
      detail: 'You would no longer see this case: put yourself among its recipients.',
    })
    const owned = await t.call(team.user, 'cases.update', { id: found.id, version: 1, ownerId: team.user.userId })
    expect((await refusal(share(owned, { tlp: 'RED', to: [team.admin] }))).detail).toContain(
      'The owner would no longer see this case',
    )
    const stranger = (await teamOf(t)).user
    expect((await refusal(share(owned, { tlp: 'AMBER', to: [stranger] }))).code).toBe('bad_request')
    expect(await t.call(team.user, 'cases.get', { id: found.id })).toEqual(owned)
  })

  test('a user shares what they own and nothing else', async () => {
    const found = await openCase(t, team.user)
    expect((await refusal(share(found, { tlp: 'AMBER', to: [team.user] }, team.user))).code).toBe('forbidden')
    const owned = await t.call(team.user, 'cases.update', { id: found.id, version: 1, ownerId: team.user.userId })
    expect((await share(owned, { tlp: 'GREEN', to: [team.viewer] }, team.user)).tlp).toBe('GREEN')
  })

  test('an owner cannot be a way round it: who is let in by becoming owner must see the case before', async () => {
    const named = await share(await openCase(t, team.user), { tlp: 'AMBER', to: [team.user] })
    const give = (person: TestPerson) =>
      t.call(team.user, 'cases.update', { id: named.id, version: named.version, ownerId: person.userId })
    expect((await refusal(give(team.other))).code).toBe('bad_request')
    expect((await give(team.moderator)).owner?.id).toBe(team.moderator.userId)
  })

  test('a task of a RED case is assigned to a recipient only', async () => {
    const red = await share(await openCase(t, team.user), { tlp: 'RED', to: [team.admin, team.user] })
    const assign = (person: TestPerson) =>
      t.call(team.admin, 'cases.addTask', { id: red.id, title: 'Look', assigneeId: person.userId })
    expect((await refusal(assign(team.moderator))).code).toBe('bad_request')
    expect((await assign(team.user)).assignee?.id).toBe(team.user.userId)
  })

  test('who waited for a lock while being taken off the recipients changes nothing', async () => {
    const red = await share(await openCase(t, team.user), { tlp: 'RED', to: [team.admin, team.user] })
    const text = randomUUID()
    const [shared, comment] = await Promise.allSettled([
      share(red, { tlp: 'RED', to: [team.admin] }),
      t.call(team.user, 'cases.comment', { id: red.id, text }),
    ])
    expect(shared.status).toBe('fulfilled')
    const { items } = await t.call(team.admin, 'cases.timeline', { id: red.id })
    const order = items.map(({ kind }) => kind)
    // Either the comment came first, or it was refused.
    if (comment.status === 'fulfilled') expect(order.indexOf('comment')).toBeGreaterThan(order.indexOf('shared'))
    else expect(comment.reason).toMatchObject({ code: 'not_found' })
  })
})

test('the audit log says how many a RED case is for, never who', async () => {
  const opened = await t.call(team.admin, 'cases.open', { title: 'Quiet matter', severity: 'high' })
  await share(opened, { tlp: 'RED', to: [team.admin, team.viewer] })
  const { rows } = await t.admin.query<{ facts: { to: object } }>(
    `select facts from audit_events where action = 'case.shared' and target_id = $1`,
    [opened.id],
  )
  expect(rows.map(({ facts }) => facts.to)).toEqual([{ tlp: 'RED', audience: 'named', recipients: 2 }])
  expect(JSON.stringify(rows)).not.toContain(team.viewer.userId)
})
