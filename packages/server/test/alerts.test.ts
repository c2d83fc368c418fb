import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EnrichedAlert, enrichAlerts, sweepReceipts } from '../src/modules/alerts/index.ts'
import { work } from '../src/platform/work.ts'
import type { TestPerson } from './harness.ts'
import { event, startIngestionFixture, type TestSource } from './ingestion-fixture.ts'

let fixture: Awaited<ReturnType<typeof startIngestionFixture>>
let source: TestSource
let admin: TestPerson
beforeAll(async () => {
  fixture = await startIngestionFixture()
})
afterAll(() => fixture?.platform.stop())

const hour = 3_600_000
const fresh = async () => {
  source = await fixture.source()
  admin = source.admin
}
const send = async (...events: string[]) => expect((await fixture.post(source, events.join('\n'))).status).toBe(202)
const call: Fixture['platform']['call'] = (...given) => fixture.platform.call(...given)
type Fixture = Awaited<ReturnType<typeof startIngestionFixture>>
const listed = async (filter: object = {}) => (await call(admin, 'alerts.list', filter)).items.map(({ title }) => title)
const idsOf = async () => (await call(admin, 'alerts.list', {})).items.map(({ id }) => id)

describe('lists', () => {
  beforeAll(fresh)

  test('pages by keyset show every alert once, also when alerts share a moment and new ones arrive between pages', async () => {
    await send(...Array.from({ length: 7 }, (_, at) => event(`page-${at}`)))
    const seen: string[] = []
    let cursor: string | undefined
    for (let pages = 0; pages < 10; pages += 1) {
      const page = await call(admin, 'alerts.list', { limit: 2, ...(cursor ? { cursor } : {}) })
      seen.push(...page.items.map(({ title }) => title))
      if (pages === 1) {
        fixture.platform.clock.advance(1000)
        await send(event('page-later'))
      }
      if (page.next === null) break
      cursor = page.next
    }
    expect(seen.sort()).toEqual(Array.from({ length: 7 }, (_, at) => `Alert page-${at}`))
  })

  test.each([
    '',
    'rubbish',
    Buffer.from('["2026-01-01T00:00:00.000Z"]').toString('base64url'),
    Buffer.from(`["x'; drop table alerts",1]`).toString('base64url'),
  ])('a cursor that no page gave out is refused: %j', async (cursor) => {
    await expect(call(admin, 'alerts.list', { cursor })).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('search takes words in any case and order, and wildcards at their word', async () => {
    await fresh()
    await send(
      event('a', { title: 'Odd 100% CPU on web_1' }),
      event('b', { title: 'Odd sign-in from far away' }),
      event('c', { title: 'Backslash \\ in a title' }),
    )
    expect(await listed({ search: 'ODD' })).toHaveLength(2)
    expect(await listed({ search: 'away odd' })).toEqual(['Odd sign-in from far away'])
    expect(await listed({ search: '%' })).toEqual(['Odd 100% CPU on web_1'])
    expect(await listed({ search: 'b_1' })).toEqual(['Odd 100% CPU on web_1'])
    expect(await listed({ search: 'g__-in' })).toEqual([])
    expect(await listed({ search: '\\' })).toEqual(['Backslash \\ in a title'])
  })

  test('a search looks at a bounded number of alerts a page, and goes on from there until the end', async () => {
    await fresh()
    await send(event('needle'))
    await fixture.platform.admin.query(
      `insert into alerts (organization_id, source_id, dedup_key, title, severity, tlp, first_seen_at, last_seen_at, finding, raw)
       select organization_id, source_id, sha256(convert_to(n::text, 'UTF8')), 'hay ' || n, 1, tlp, first_seen_at,
              last_seen_at + n * interval '1 millisecond', '{}', '{}'
       from alerts, generate_series(1, 20005) as n where source_id = $1`,
      [source.id],
    )
    const first = await call(admin, 'alerts.list', { search: 'needle' })
    expect(first).toEqual({ items: [], next: expect.any(String) })
    const second = await call(admin, 'alerts.list', { search: 'needle', cursor: first.next ?? '' })
    expect(second.items.map(({ title }) => title)).toEqual(['Alert needle'])
    expect(second.next).toBeNull()
  })

  test('filters narrow by state, severity, source, assignee and observable', async () => {
    await fresh()
    await send(
      event('low', { severity: 'low', src_ip: '192.0.2.10' }),
      event('high', { severity: 'high', src_ip: '192.0.2.11' }),
      event('critical', { severity: 'critical' }),
    )
    const sibling = await fixture.source('generic', source)
    await fixture.post(sibling, event('sibling'))
    await fixture.platform.runWorkerJobs()
    expect(await listed({ severity: ['high', 'critical'], sourceId: source.id })).toHaveLength(2)
    expect(await listed({ severity: 'low' })).toEqual(['Alert low'])
    expect(await listed({ sourceId: sibling.id })).toEqual(['Alert sibling'])
    expect(await listed({ observable: '192.0.2.11' })).toEqual(['Alert high'])
    expect(await listed({ observable: '192.0.2.1' })).toEqual([])
    const [{ id } = { id: '' }] = (await call(admin, 'alerts.list', { observable: '192.0.2.10' })).items
    await call(admin, 'alerts.assign', { ids: [id], assigneeId: admin.userId })
    expect(await listed({ assigneeId: admin.userId })).toEqual(['Alert low'])
    expect(await listed({ unassigned: true })).not.toContain('Alert low')
  })

  test('an observable is found by its index, under row security', async () => {
    const plan = await work(
      fixture.platform.databases.redoubt_api,
      {
        organizationId: source.organization.id,
        actor: { kind: 'person', id: admin.userId, name: '', role: 'admin' },
        clock: fixture.platform.clock,
        requestId: null,
        mode: 'read',
      },
      async ({ tx }) => {
        const query = tx.db
          .selectFrom('alert_observables as o')
          .select('alert_id')
          .where('organization_id', '=', tx.organizationId)
          .where((eb) => eb(eb.fn('md5', ['o.value']), '=', eb.fn('md5', [eb.val('192.0.2.11')])))
        return JSON.stringify(await query.explain())
      },
    )
    expect(plan).toMatch(/alert_observables_value/)
  })

  test('an alert shows its finding, observables and payload; another tenant does not find it', async () => {
    await fresh()
    const sent = event('shown', {
      severity: 'high',
      src_ip: '203.0.113.9',
      user: 'mallory',
      message: 'technique T1110.001',
    })
    await send(sent)
    await fixture.platform.runWorkerJobs()
    const [id = ''] = await idsOf()
    const alert = await call(admin, 'alerts.get', { id })
    expect(alert).toMatchObject({
      title: 'Alert shown',
      severity: 'high',
      sourceRef: 'shown',
      raw: sent,
      latestRaw: null,
      count: 1,
      techniques: ['T1110.001'],
    })
    expect(alert.observables).toContainEqual({
      type: 'ipv4',
      value: '203.0.113.9',
      role: expect.anything(),
      internal: false,
    })
    expect(alert.entities).toContain('mallory')
    const stranger = await fixture.platform.member(await fixture.platform.organization())
    await expect(call(stranger, 'alerts.get', { id })).rejects.toMatchObject({ code: 'not_found' })
    for (const name of ['alerts.acknowledge', 'alerts.reopen'] as const)
      await expect(call(stranger, name, { ids: [id] })).rejects.toMatchObject({ code: 'not_found' })
    await expect(call(stranger, 'alerts.assign', { ids: [id], assigneeId: null })).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('counts are by state and severity and stop at 1 000', async () => {
    await fresh()
    await send(
      ...Array.from({ length: 1005 }, (_, at) => event(`count-${at}`, { severity: 'low' })),
      event('one', { severity: 'high' }),
    )
    const [first = ''] = await idsOf()
    expect(await call(admin, 'alerts.counts', {})).toEqual({
      new: { informational: 0, low: 1000, medium: 0, high: 1, critical: 0 },
      acknowledged: { informational: 0, low: 0, medium: 0, high: 0, critical: 0 },
      newTotal: 1000,
    })
    await call(admin, 'alerts.acknowledge', { ids: [first] })
    const { acknowledged } = await call(admin, 'alerts.counts', {})
    expect(Object.values(acknowledged).reduce((sum, count) => sum + count, 0)).toBe(1)
  })

  test('alerts over time fall into the hour they were first seen in', async () => {
    await fresh()
    await send(
      event('t1', { severity: 'low' }),
      event('t2', { severity: 'low' }),
      event('t3', { severity: 'critical' }),
    )
    fixture.platform.clock.advance(hour)
    await send(event('t4', { severity: 'low' }), event('t1', { severity: 'low', again: true }))
    const { buckets } = await call(admin, 'alerts.overTime', { hours: 24 })
    expect(buckets.map(({ severity, count }) => [severity, count])).toEqual([
      ['low', 2],
      ['critical', 1],
      ['low', 1],
    ])
    expect(Date.parse(buckets[2]?.at ?? '') - Date.parse(buckets[0]?.at ?? '')).toBe(hour)
    expect((await call(admin, 'sources.list', {})).items[0]?.activity.slice(-2)).toEqual([3, 1])
  })
})

describe('triage', () => {
  beforeAll(fresh)

  test('acknowledging stops the response clock, reopening starts it again, dismissing keeps the reason', async () => {
    await send(event('triage', { severity: 'critical' }))
    const [id = ''] = await idsOf()
    const due = async () => (await call(admin, 'alerts.get', { id })).dueAt
    expect(await due()).toBe(new Date(fixture.platform.clock.now().getTime() + hour / 4).toISOString())
    expect(await call(admin, 'alerts.acknowledge', { ids: [id] })).toEqual({ changed: 1 })
    expect(await due()).toBeNull()
    expect(await call(admin, 'alerts.acknowledge', { ids: [id] })).toEqual({ changed: 0 })
    await call(admin, 'alerts.dismiss', { ids: [id], reason: 'a test of ours' })
    expect(await call(admin, 'alerts.get', { id })).toMatchObject({
      state: 'dismissed',
      dismissedBecause: 'a test of ours',
      dueAt: null,
    })
    fixture.platform.clock.advance(hour)
    await call(admin, 'alerts.reopen', { ids: [id] })
    expect(await call(admin, 'alerts.get', { id })).toMatchObject({ state: 'new', dismissedBecause: null })
    expect(await due()).toBe(new Date(fixture.platform.clock.now().getTime() + hour / 4).toISOString())
  })

  test('an alert of a case is the case’s to decide: triage leaves it alone', async () => {
    await send(event('cased'))
    const [id = ''] = (await call(admin, 'alerts.list', { search: 'cased' })).items.map((alert) => alert.id)
    await call(admin, 'alerts.openCase', { ids: [id] })
    for (const name of ['alerts.acknowledge', 'alerts.reopen'] as const)
      expect(await call(admin, name, { ids: [id] })).toEqual({ changed: 0 })
    expect(await call(admin, 'alerts.dismiss', { ids: [id], reason: 'no' })).toEqual({ changed: 0 })
  })

  test('alerts are assigned to members alone', async () => {
    const [id = ''] = await idsOf()
    const stranger = await fixture.platform.member(await fixture.platform.organization())
    await expect(call(admin, 'alerts.assign', { ids: [id], assigneeId: stranger.userId })).rejects.toMatchObject({
      code: 'unprocessable',
    })
    expect(await call(admin, 'alerts.assign', { ids: [id], assigneeId: admin.userId })).toEqual({ changed: 1 })
    expect((await call(admin, 'alerts.get', { id })).assignee).toEqual({ id: admin.userId, name: admin.name })
    expect(await call(admin, 'alerts.assign', { ids: [id], assigneeId: null })).toEqual({ changed: 1 })
  })

  test('each alert that was moved has an audit event of its own', async () => {
    await fresh()
    await send(event('m1'), event('m2'))
    const ids = await idsOf()
    await call(admin, 'alerts.acknowledge', { ids })
    const { rows } = await fixture.platform.admin.query(
      `select target_id from audit_events where action = 'alert.acknowledged' and organization_id = $1`,
      [source.organization.id],
    )
    expect(rows.map(({ target_id }) => target_id).sort()).toEqual([...ids].sort())
  })
})

describe('enrichment', () => {
  test('an alert is enriched and correlated once, however often its job runs', async () => {
    await fresh()
    await send(event('e1', { src_ip: '198.51.100.7' }), event('e2', { src_ip: '198.51.100.7' }))
    const alertIds = await idsOf()
    const correlated: EnrichedAlert[] = []
    const enrich = enrichAlerts(
      fixture.platform.kernel,
      fixture.platform.databases.redoubt_worker,
      async (_unit, alerts) => void correlated.push(...alerts),
    )
    const job = { organizationId: source.organization.id, alertIds }
    await Promise.all([enrich(job, { last: false }), enrich(job, { last: false })])
    await enrich(job, { last: false })
    expect(correlated.map(({ id }) => id).sort()).toEqual([...alertIds].sort())
    expect(correlated[0]?.observables).toContainEqual(expect.objectContaining({ type: 'ipv4', value: '198.51.100.7' }))
  })

  test('when correlation fails nothing is marked, and the next attempt does it all', async () => {
    await fresh()
    await send(event('r1', { src_ip: '198.51.100.8' }))
    const job = { organizationId: source.organization.id, alertIds: await idsOf() }
    const { kernel, databases } = fixture.platform
    const failing = enrichAlerts(kernel, databases.redoubt_worker, () => Promise.reject(new Error('no')))
    await expect(failing(job, { last: false })).rejects.toThrow('no')
    expect(await listed({ observable: '198.51.100.8' })).toEqual([])
    await enrichAlerts(kernel, databases.redoubt_worker, async () => undefined)(job, { last: false })
    expect(await listed({ observable: '198.51.100.8' })).toEqual(['Alert r1'])
  })

  test('an alert of a group names what it is about, not what its neighbours are about', async () => {
    await fresh()
    source = await fixture.source('alertmanager', source)
    const alert = (name: string, instance: string) => ({
      status: 'firing',
      fingerprint: name,
      labels: { alertname: name, instance, severity: 'critical' },
      annotations: {},
      startsAt: '2026-01-01T00:00:00Z',
    })
    await send(
      JSON.stringify({
        version: '4',
        groupKey: 'g',
        receiver: 'r',
        status: 'firing',
        groupLabels: {},
        commonLabels: {},
        commonAnnotations: {},
        alerts: [alert('DiskFull', '192.0.2.21:9100'), alert('HostDown', '192.0.2.22:9100')],
      }),
    )
    await fixture.platform.runWorkerJobs()
    expect(await listed({ observable: '192.0.2.21' })).toHaveLength(1)
    expect(await listed({ observable: '192.0.2.22' })).toHaveLength(1)
  })
})

describe('sources', () => {
  beforeAll(fresh)

  test('credentials are shown once and kept as a hash and a sealed form', async () => {
    const { rows } = await fixture.platform.admin.query(
      'select token_hash, webhook_secret from sources where id = $1',
      [source.id],
    )
    expect(rows[0].token_hash).not.toContain(source.token)
    expect(rows[0].webhook_secret.includes(Buffer.from(source.webhookSecret))).toBe(false)
    const { items } = await call(admin, 'sources.list', {})
    expect(JSON.stringify(items)).not.toMatch(/rdt_src_|whsec_/)
    expect(items[0]).toMatchObject({ path: `/ingest/${source.id}`, lastEventAt: null, activity: Array(24).fill(0) })
  })

  test('a short name is used once in an organization', async () => {
    await expect(
      call(admin, 'sources.create', { name: 'again', slug: source.slug, type: 'generic' }),
    ).rejects.toMatchObject({ code: 'conflict' })
  })

  test('a mapping that cannot be read is refused when it is declared, with the place', async () => {
    const mapping = { title: 'a..b' }
    await expect(
      call(admin, 'sources.create', { name: 'm', slug: 'mapped', type: 'generic', mapping }),
    ).rejects.toMatchObject({ code: 'bad_request', fields: [{ path: 'mapping.title' }] })
    await expect(call(admin, 'sources.update', { id: source.id, mapping })).rejects.toMatchObject({
      code: 'bad_request',
    })
  })

  test('a declared mapping says where title, severity and id are; taking it away takes effect within a second', async () => {
    const mapped = await fixture.source('generic', source, {
      title: 'what',
      severity: { path: 'how.bad', map: { dire: 'critical' } },
      ref: 'no',
    })
    await fixture.post(mapped, JSON.stringify({ what: 'Mapped title', how: { bad: 'dire' }, no: 17 }))
    expect(await fixture.alerts(mapped)).toMatchObject([{ title: 'Mapped title', severity: 4, source_ref: '17' }])
    expect((await call(admin, 'sources.update', { id: mapped.id, mapping: null })).mapping).toBeNull()
  })

  test('every kind of source has instructions', async () => {
    const { items } = await call(admin, 'sources.adapters', {})
    expect(items).toHaveLength(13)
    for (const { label, instructions } of items) expect(`${label} ${instructions}`.length).toBeGreaterThan(20)
  })

  test('a source that never sent anything is removed; one that has is disabled and its alerts stay', async () => {
    const silent = await fixture.source('generic', source)
    await call(admin, 'sources.remove', { id: silent.id })
    await send(event('stays'))
    await call(admin, 'sources.remove', { id: source.id })
    const { items } = await call(admin, 'sources.list', {})
    expect(items.map(({ id }) => id)).not.toContain(silent.id)
    expect(items.find(({ id }) => id === source.id)).toMatchObject({ enabled: false })
    expect(await listed()).toContain('Alert stays')
  })

  test('another tenant’s source is not found by any operation', async () => {
    const stranger = await fixture.platform.member(await fixture.platform.organization())
    await expect(call(stranger, 'sources.update', { id: source.id, enabled: false })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(call(stranger, 'sources.rotate', { id: source.id })).rejects.toMatchObject({ code: 'not_found' })
    await expect(call(stranger, 'sources.remove', { id: source.id })).rejects.toMatchObject({ code: 'not_found' })
  })
})

test('receipts are swept after a day, of every tenant, and not before', async () => {
  const { kernel, databases, clock, admin: pool } = fixture.platform
  clock.advance(24 * hour)
  await sweepReceipts(kernel, databases.redoubt_worker)
  for (let tenants = 0; tenants < 2; tenants += 1) {
    await fresh()
    await send(event('swept'))
  }
  clock.advance(24 * hour - 1)
  await sweepReceipts(kernel, databases.redoubt_worker)
  const left = async () => Number((await pool.query('select count(*) as count from ingest_receipts')).rows[0].count)
  expect(await left()).toBe(2)
  clock.advance(1)
  expect(await sweepReceipts(kernel, databases.redoubt_worker)).toBe(2)
  expect(await left()).toBe(0)
})
