import { randomUUID } from 'node:crypto'
import type { Case, CaseId, UserId } from '@redoubt/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCase, refusal, runOn, teamOf } from './cases-fixture.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
let team: Awaited<ReturnType<typeof teamOf>>
beforeAll(async () => {
  t = await startTestPlatform()
  team = await teamOf(t)
})
afterAll(() => t.stop())

const move = (of: Case, to: Case['phase'], by = team.user) =>
  t.call(by, 'cases.changePhase', { id: of.id, version: of.version, to })
const edit = (of: Case, change: object, by = team.user) =>
  t.call(by, 'cases.update', { id: of.id, version: of.version, ...change })
const story = async (of: { id: CaseId }) => (await t.call(team.admin, 'cases.timeline', { id: of.id })).items
const inTriage = async () => move(await openCase(t, team.user), 'triage')
const owned = async () => edit(await inTriage(), { ownerId: team.user.userId })

describe('opening and listing', () => {
  test('cases are numbered without gaps within their organization, also when opened at once', async () => {
    const elsewhere = await teamOf(t)
    const opened = await Promise.all(Array.from({ length: 12 }, () => openCase(t, elsewhere.user)))
    expect(opened.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    )
  })

  test('a new case is in detection, promises a response and tells who opened it', async () => {
    const found = await openCase(t, team.user, { severity: 'critical' })
    expect(found).toMatchObject({
      phase: 'detection',
      version: 1,
      owner: null,
      openedBy: team.user.name,
      rule: null,
      respondedAt: null,
      alertCount: 0,
    })
    expect(Date.parse(found.dueAt as string) - Date.parse(found.openedAt)).toBe(15 * 60_000)
    expect((await openCase(t, team.user, { severity: 'informational' })).dueAt).toBeNull()
    expect((await story(found)).map(({ kind }) => kind)).toEqual(['opened'])
  })

  test('lists page without doubling or losing a case, and filter', async () => {
    const { user, other } = await teamOf(t)
    const all: Case[] = []
    for (const severity of ['low', 'high', 'high', 'critical', 'low'] as const)
      all.push(await openCase(t, user, { severity, title: `A ${severity} one` }))
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await t.call(user, 'cases.list', { limit: 2, ...(cursor ? { cursor } : {}) })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.next ?? undefined
    } while (cursor)
    expect(seen).toEqual(all.map(({ id }) => id).reverse())
    const numbers = async (filter: object) =>
      (await t.call(user, 'cases.list', filter)).items.map(({ number }) => number)
    expect(await numbers({ severity: ['critical', 'low'] })).toEqual([5, 4, 1])
    expect(await numbers({ search: '#2' })).toEqual([2])
    expect(await numbers({ search: 'A HIGH' })).toEqual([3, 2])
    expect(await numbers({ search: 'A %' })).toEqual([])
    await t.call(user, 'cases.update', { id: all[0]!.id, version: 1, ownerId: other.userId })
    expect(await numbers({ ownerId: other.userId })).toEqual([1])
    expect(await numbers({ phase: ['triage'] })).toEqual([])
    expect(await numbers({ open: false })).toEqual([])
    expect(await refusal(t.call(user, 'cases.list', { cursor: 'nonsense' }))).toMatchObject({ code: 'bad_request' })
  })

  test('another organization’s case is not found by any operation', async () => {
    const stranger = (await teamOf(t)).admin
    const { id } = await openCase(t, team.user)
    const own = await openCase(t, stranger)
    const attempts = [
      () => t.call(stranger, 'cases.get', { id }),
      () => t.call(stranger, 'cases.update', { id, version: 1, title: 'Mine' }),
      () => t.call(stranger, 'cases.changePhase', { id, version: 1, to: 'triage' }),
      () =>
        t.call(stranger, 'cases.share', { id, version: 1, tlp: 'CLEAR', audience: 'organization', recipientIds: [] }),
      () => t.call(stranger, 'cases.merge', { id, version: 1, into: own.id }),
      () => t.call(stranger, 'cases.merge', { id: own.id, version: 1, into: id }),
      () => t.call(stranger, 'cases.timeline', { id }),
      () => t.call(stranger, 'cases.comment', { id, text: 'Hello' }),
      () => t.call(stranger, 'cases.tasks', { id }),
      () => t.call(stranger, 'cases.addTask', { id, title: 'Look' }),
      () => t.call(stranger, 'cases.observables', { id }),
      () => t.call(stranger, 'cases.addObservable', { id, text: '203.0.113.9' }),
      () => t.call(stranger, 'cases.similar', { id }),
    ]
    for (const attempt of attempts) expect((await refusal(attempt())).code).toBe('not_found')
  })
})

describe('phases', () => {
  test('a case goes the whole way, and each move is in its story with an audit event', async () => {
    let found = await owned()
    for (const to of ['containment', 'eradication', 'recovery', 'post-incident-review'] as const)
      found = await move(found, to)
    expect(found.nextPhases).toEqual([
      { phase: 'recovery', missing: [] },
      { phase: 'closed', missing: ['Write the resolution.'] },
    ])
    found = await move(await edit(found, { resolution: 'Wiped and handed back.' }), 'closed')
    expect(found.closedAt).not.toBeNull()
    const moves = (await story(found)).filter(({ kind }) => kind === 'phase-changed')
    expect(moves.map(({ facts }) => facts['to'])).toEqual([
      'closed',
      'post-incident-review',
      'recovery',
      'eradication',
      'containment',
      'triage',
    ])
    const { rows } = await t.admin.query('select action, facts from audit_events where id = any($1)', [
      moves.map(({ auditEventId }) => auditEventId),
    ])
    expect(rows).toHaveLength(6)
    expect(rows[0]).toMatchObject({ action: 'case.phase-changed' })

    const reopened = await move(found, 'triage')
    expect(reopened).toMatchObject({ phase: 'triage', closedAt: null, resolution: 'Wiped and handed back.' })
  })

  test('a case cannot leave triage without an owner, and says so', async () => {
    const found = await inTriage()
    expect(await refusal(move(found, 'containment'))).toEqual({ code: 'conflict', detail: 'Give the case an owner.' })
    expect((await move(await edit(found, { ownerId: team.user.userId }), 'containment')).phase).toBe('containment')
  })

  test('phases cannot be skipped', async () => {
    expect(await refusal(move(await openCase(t, team.user), 'recovery'))).toEqual({
      code: 'conflict',
      detail: 'From detection a case goes to triage, not to recovery.',
    })
  })

  test('a false positive closes from triage with a resolution, no open task and no active run', async () => {
    let found = await owned()
    const task = await t.call(team.user, 'cases.addTask', { id: found.id, title: 'Ask the owner' })
    const run = await runOn(t, team.user, found.id, 'waiting')
    found = await t.call(team.user, 'cases.get', { id: found.id })
    expect(await refusal(move(found, 'closed'))).toEqual({
      code: 'conflict',
      detail:
        'Write why this was no incident, as its resolution. Finish or cancel the open task. Wait for the active run to end, or cancel it.',
    })
    await t.call(team.user, 'cases.updateTask', { id: found.id, taskId: task.id, version: 1, state: 'cancelled' })
    await t.admin.query(`update runs set state = 'cancelled' where id = $1`, [run])
    found = await move(await edit(found, { resolution: 'A drill.' }), 'closed')
    expect(found.phase).toBe('closed')
    expect((await refusal(edit(found, { resolution: '' }))).code).toBe('conflict')
    expect((await refusal(t.call(team.user, 'cases.addTask', { id: found.id, title: 'More' }))).code).toBe('conflict')
    expect(
      (
        await refusal(
          t.call(team.user, 'cases.updateTask', { id: found.id, taskId: task.id, version: 2, state: 'open' }),
        )
      ).code,
    ).toBe('conflict')
  })

  test('a task added while a case is being closed is either refused or keeps it open', async () => {
    for (let round = 0; round < 8; round++) {
      const found = await edit(await owned(), { resolution: 'A drill.' })
      const [closing, adding] = await Promise.allSettled([
        move(found, 'closed'),
        t.call(team.other, 'cases.addTask', { id: found.id, title: 'One more' }),
      ])
      expect([closing.status, adding.status].filter((status) => status === 'fulfilled')).toHaveLength(1)
    }
  })
})

describe('two people edit at once', () => {
  test('one wins, the other hears that it is stale and when it changed, and nothing of theirs is kept', async () => {
    const found = await openCase(t, team.user)
    const attempts = await Promise.allSettled([
      edit(found, { title: 'First', severity: 'critical' }, team.user),
      edit(found, { title: 'Second', severity: 'low', description: 'Long text' }, team.other),
      move(found, 'triage', team.moderator),
    ])
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const lost = attempts.filter((each) => each.status === 'rejected')
    for (const { reason } of lost) expect(reason).toMatchObject({ code: 'stale' })
    const now = await t.call(team.user, 'cases.get', { id: found.id })
    expect(now.version).toBe(2)
    expect(lost[0]?.reason.detail).toBe(
      `Somebody changed this case at ${now.updatedAt}: read it again; your text is not lost.`,
    )
    expect(await story(found)).toHaveLength(2)
  })

  test('an edit of an older version is refused whole', async () => {
    const found = await openCase(t, team.user)
    await edit(found, { title: 'Newer' })
    expect((await refusal(edit(found, { description: 'From an old screen' }))).code).toBe('stale')
    expect(await t.call(team.user, 'cases.get', { id: found.id })).toMatchObject({
      title: 'Newer',
      description: '',
      version: 2,
    })
  })

  test('comments, tasks and verdicts of others make no edit stale', async () => {
    const found = await openCase(t, team.user)
    await t.call(team.other, 'cases.comment', { id: found.id, text: 'Looking' })
    await t.call(team.other, 'cases.addTask', { id: found.id, title: 'Look' })
    await t.call(team.other, 'cases.addObservable', { id: found.id, text: 'hxxp://bad[.]example/x' })
    expect((await edit(found, { title: 'Mine' })).title).toBe('Mine')
  })

  test('a task has a version of its own', async () => {
    const { id } = await openCase(t, team.user)
    const task = await t.call(team.user, 'cases.addTask', { id, title: 'Call them', assigneeId: team.other.userId })
    const both = await Promise.allSettled(
      ['Call her', 'Call him'].map((title) =>
        t.call(team.user, 'cases.updateTask', { id, taskId: task.id, version: 1, title }),
      ),
    )
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(both.find((each) => each.status === 'rejected')?.reason).toMatchObject({ code: 'stale' })
  })
})

describe('working on a case', () => {
  test('saying what is already so changes nothing', async () => {
    const found = await openCase(t, team.user)
    expect(await edit(found, { title: found.title, severity: found.severity, ownerId: null })).toEqual(found)
  })

  test('an edit says in the story what changed, and the audit log holds no text of people', async () => {
    const found = await openCase(t, team.user)
    await edit(found, { title: 'Maria lost her laptop', severity: 'low', techniques: ['T1078', 'T1059.001', 'T1078'] })
    const [entry] = await story(found)
    expect(entry).toMatchObject({
      kind: 'edited',
      text: 'changed the title, changed the severity from high to low, changed the ATT&CK techniques',
      facts: { title: { from: 'Stolen laptop', to: 'Maria lost her laptop' }, severity: { from: 'high', to: 'low' } },
    })
    const { rows } = await t.admin.query('select facts::text from audit_events where id = $1', [entry?.auditEventId])
    expect(rows[0].facts).toContain('T1059.001')
    expect(rows[0].facts).not.toContain('Maria')
  })

  test('owners and assignees are members', async () => {
    const found = await openCase(t, team.user)
    const stranger = (await teamOf(t)).user.userId
    for (const id of [stranger, randomUUID() as UserId]) {
      expect((await refusal(edit(found, { ownerId: id }))).code).toBe('bad_request')
      expect(
        (await refusal(t.call(team.user, 'cases.addTask', { id: found.id, title: 'Look', assigneeId: id }))).code,
      ).toBe('bad_request')
    }
  })

  test('a viewer reads and changes nothing', async () => {
    const found = await openCase(t, team.user)
    expect(await t.call(team.viewer, 'cases.get', { id: found.id })).toMatchObject({ id: found.id })
    expect((await refusal(edit(found, { title: 'X' }, team.viewer))).code).toBe('forbidden')
    expect((await refusal(t.call(team.viewer, 'cases.comment', { id: found.id, text: 'X' }))).code).toBe('forbidden')
  })

  test('observables are found in text, defanged or not, and each is kept once with its verdict', async () => {
    const { id } = await openCase(t, team.user)
    const text = 'Beacons to hxxps://c2[.]bad-example[.]com/gate from 10.1.2.3, see 203.0.113[.]77'
    const { added } = await t.call(team.user, 'cases.addObservable', { id, text })
    expect(added.map(({ value }) => value)).toEqual(
      expect.arrayContaining(['https://c2.bad-example.com/gate', 'c2.bad-example.com', '203.0.113.77', '10.1.2.3']),
    )
    expect(added.find(({ value }) => value === '10.1.2.3')?.internal).toBe(true)
    expect((await t.call(team.user, 'cases.addObservable', { id, text })).added).toEqual([])
    expect((await refusal(t.call(team.user, 'cases.addObservable', { id, text: 'nothing to see' }))).code).toBe(
      'unprocessable',
    )
    const judged = await t.call(team.user, 'cases.setVerdict', { id, observableId: added[0]!.id, verdict: 'malicious' })
    expect(judged.verdict).toBe('malicious')
    const page = await t.call(team.user, 'cases.observables', { id, limit: 2 })
    expect(page.items).toHaveLength(2)
    const rest = await t.call(team.user, 'cases.observables', { id, limit: 100, cursor: page.next as string })
    expect([...page.items, ...rest.items].map((each) => each.id).sort()).toEqual(added.map((each) => each.id).sort())
  })

  test('cases that share outside observables are similar, most shared first', async () => {
    const { user } = await teamOf(t)
    const [a, b, c, d] = [
      await openCase(t, user),
      await openCase(t, user),
      await openCase(t, user),
      await openCase(t, user),
    ]
    const name = (of: Case, text: string) => t.call(user, 'cases.addObservable', { id: of.id, text })
    await name(a, '203.0.113.1 203.0.113.2 10.0.0.1')
    await name(b, '203.0.113.1')
    await name(c, '203.0.113.1 203.0.113.2')
    await name(d, '10.0.0.1')
    const { items } = await t.call(user, 'cases.similar', { id: a.id })
    expect(items.map((each) => [each.case.number, each.shared])).toEqual([
      [c.number, ['203.0.113.1', '203.0.113.2']],
      [b.number, ['203.0.113.1']],
    ])
  })

  test('figures count open cases and tell the response times', async () => {
    const { user } = await teamOf(t)
    const [a, b] = [await openCase(t, user, { severity: 'critical' }), await openCase(t, user, { severity: 'low' })]
    t.clock.advance(6 * 60_000)
    await move(a, 'triage', user)
    expect(await t.call(user, 'cases.figures', {})).toMatchObject({
      open: expect.arrayContaining([
        { phase: 'triage', severity: 'critical', count: 1 },
        { phase: 'detection', severity: 'low', count: 1 },
      ]),
      dueSoon: [{ id: b.id }],
      breached: 0,
      responseMinutes: [{ severity: 'critical', minutes: 6, withinSla: true }],
    })
  })

  test('the story pages from the newest and filters by kind', async () => {
    const found = await openCase(t, team.user)
    for (const text of ['one', 'two', 'three']) {
      expect(await t.call(team.user, 'cases.comment', { id: found.id, text })).toMatchObject({
        kind: 'comment',
        text,
        actor: { name: team.user.name },
      })
    }
    const first = await t.call(team.user, 'cases.timeline', { id: found.id, limit: 2 })
    const second = await t.call(team.user, 'cases.timeline', { id: found.id, limit: 2, cursor: first.next as string })
    expect([...first.items, ...second.items].map(({ text }) => text)).toEqual([
      'three',
      'two',
      'one',
      'opened the case',
    ])
    expect((await t.call(team.user, 'cases.timeline', { id: found.id, kind: ['opened'] })).items).toHaveLength(1)
  })
})
