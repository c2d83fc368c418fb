import type { OrganizationId } from '@redoubt/contract'
import { signWebhook } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SourceDoor } from '../src/modules/alerts/index.ts'
import { AppError } from '../src/platform/app-error.ts'
import type { Database } from '../src/platform/database.ts'
import type { KeeperClient } from '../src/platform/keeper-protocol.ts'
import type { Kernel, Stop } from '../src/platform/kernel.ts'
import { LiveFeed } from '../src/platform/live.ts'
import { withClient } from '../src/platform/prepare-database.ts'
import { SigningKeys } from '../src/platform/signing-keys.ts'
import { tellAgainMs, watchKeyHealth } from '../src/services/key-health.ts'
import { record } from './audit-fixture.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'
import { ManualTime } from './manual-time.ts'

const day = 24 * 3_600_000
const maxAgeMs = 7 * day

let t: TestPlatform
let feed: LiveFeed
let timers: ManualTime
let keeperAway: boolean
const stops: Stop[] = []

beforeEach(async () => {
  t = await startTestPlatform()
  timers = new ManualTime()
  keeperAway = false
  feed = new LiveFeed(t.databases.redoubt_worker, t.kernel.log)
  await feed.start()
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  feed.stop()
  await t.stop()
})

/** A worker that watches its keys over a keeper that a test can take away. `ask` has it ask for them. */
async function worker(database: Database = t.databases.redoubt_worker) {
  const { kernel } = t.parts.redoubt_worker
  const keeper: KeeperClient = {
    ...kernel.keeper,
    call: (request, input) =>
      keeperAway
        ? Promise.reject(new AppError('unavailable', 'The keeper does not answer; try again in a few seconds.'))
        : kernel.keeper.call(request, input),
    onChange: () => () => undefined,
  }
  const fetch = (use: 'access' | 'plan' | 'checkpoint') =>
    SigningKeys.fetch(keeper, use, { clock: t.clock, timers, maxAgeMs: use === 'checkpoint' ? 99 * day : maxAgeMs })
  const signing: Kernel['signing'] = {
    access: await fetch('access'),
    plan: await fetch('plan'),
    checkpoint: await fetch('checkpoint'),
  }
  const stop = watchKeyHealth({ ...kernel, keeper, signing }, database, feed, timers)
  stops.push(async () => {
    for (const key of Object.values(signing)) key.close()
    await stop()
  })
  return {
    async ask(): Promise<void> {
      for (const key of Object.values(signing)) await key.refresh().catch(() => undefined)
    },
  }
}

async function alertsOf({ id }: { id: OrganizationId }) {
  const { rows } = await t.admin.query(
    `select a.title, a.severity, a.state, a.count, a.source_ref as subject, a.dismissed_because as because,
            extract(epoch from a.due_at - a.first_seen_at)::int / 60 as "dueMinutes", s.name as source, s.type
     from alerts a join sources s on s.id = a.source_id where a.organization_id = $1 order by a.id`,
    [id],
  )
  return rows
}
async function eventsOf({ id }: { id: OrganizationId }, action: string) {
  const { rows } = await t.admin.query(
    'select actor_id as actor, target_kind as kind, outcome, facts from audit_events where organization_id = $1 and action = $2',
    [id, action],
  )
  return rows
}
/** What is told is written behind the scenes; this waits until it can be seen. */
const seen = (look: () => Promise<unknown[]>, count: number) =>
  expect.poll(async () => (await look()).length, { interval: 20, timeout: 5000 }).toBe(count)

describe('the keeper out of reach', () => {
  let operator: TestOrganization
  let admin: TestPerson
  beforeEach(async () => {
    operator = await t.organization()
    admin = await t.member(operator)
  })

  test('is one alert of high severity with its response time in the operator’s organization, and an event', async () => {
    const other = await t.organization()
    const { ask } = await worker()
    const topics = new Promise<readonly string[]>((told) => {
      feed.onNotice((notice) => notice.topics.includes('system.health') && told(notice.topics))
    })
    keeperAway = true
    await ask()
    await seen(() => alertsOf(operator), 1)
    expect(await alertsOf(operator)).toMatchObject([
      {
        ...{ source: 'system.health', type: 'generic', subject: 'keeper-outage', severity: 3, state: 'new', count: 1 },
        ...{ dueMinutes: 60, title: expect.stringContaining('keeper cannot be reached') },
      },
    ])
    expect(await eventsOf(operator, 'key.outage')).toMatchObject([
      { actor: 'worker', kind: 'keeper', outcome: 'failed' },
    ])
    expect(await topics).toEqual(expect.arrayContaining(['alerts', 'system.health']))
    expect(await alertsOf(other)).toEqual([])
    const { items } = await t.call(admin, 'alerts.list', {})
    expect(items).toMatchObject([{ source: { name: 'system.health' }, severity: 'high' }])
    // Enrichment takes it as any other.
    await t.runWorkerJobs()
    expect((await t.call(admin, 'alerts.get', { id: items[0]?.id as never })).finding).toMatchObject({
      class_uid: 2004,
    })
  })

  test('stays one alert and one event however long it lasts and however many workers see it', async () => {
    const [one, two] = [await worker(), await worker()]
    keeperAway = true
    for (let i = 0; i < 3; i += 1) {
      t.clock.advance(60_000)
      await Promise.all([one.ask(), two.ask()])
    }
    await expect.poll(async () => (await alertsOf(operator))[0]?.count).toBe(2)
    expect(await alertsOf(operator)).toHaveLength(1)
    expect(await eventsOf(operator, 'key.outage')).toHaveLength(1)
  })

  test('is settled by itself when the keeper answers again, and both is on record', async () => {
    const { ask } = await worker()
    keeperAway = true
    await ask()
    await seen(() => alertsOf(operator), 1)
    keeperAway = false
    await ask()
    await seen(() => eventsOf(operator, 'key.recovered'), 1)
    expect(await alertsOf(operator)).toMatchObject([
      { state: 'dismissed', because: expect.stringMatching(/^The keeper answers again since/) },
    ])
    keeperAway = true
    await ask()
    // Another outage is another alert: nobody would look into a dismissed one.
    await seen(() => alertsOf(operator), 2)
    expect((await alertsOf(operator))[1]).toMatchObject({ state: 'new', count: 1 })
  })

  test('that ends does not touch an alert somebody has put into a case', async () => {
    const { ask } = await worker()
    keeperAway = true
    await ask()
    await seen(() => alertsOf(operator), 1)
    const { items } = await t.call(admin, 'alerts.list', {})
    await t.call(admin, 'alerts.openCase', { ids: [items[0]?.id as never] })
    keeperAway = false
    await ask()
    await seen(() => eventsOf(operator, 'key.recovered'), 1)
    expect(await alertsOf(operator)).toMatchObject([{ state: 'in-case' }])
  })

  test('is told as soon as the database answers again', async () => {
    let databaseAway = true
    const { databases } = t
    const { pool } = databases.redoubt_worker
    const shaky: Database = {
      ...databases.redoubt_worker,
      pool: {
        connect: () => (databaseAway ? Promise.reject(new Error('the connection was refused')) : pool.connect()),
      } as unknown as Database['pool'],
    }
    const { ask } = await worker(shaky)
    keeperAway = true
    await ask()
    await expect.poll(() => timers.next()).not.toBeNull()
    databaseAway = false
    expect(await alertsOf(operator)).toEqual([])
    await expect
      .poll(async () => {
        timers.advance(tellAgainMs)
        return (await alertsOf(operator)).length
      })
      .toBe(1)
  })
})

test('what happens before anybody has set the platform up is told to the operator afterwards', async () => {
  const { ask } = await worker()
  keeperAway = true
  await ask()
  keeperAway = false
  t.clock.advance(60_000)
  await ask()
  const operator = await t.organization()
  await record(t, operator.id, [{ action: 'platform.set-up' }])
  await seen(() => eventsOf(operator, 'key.recovered'), 1)
  expect(await alertsOf(operator)).toMatchObject([{ subject: 'keeper-outage', state: 'dismissed' }])
})

test('a key that was not rotated within KEY_MAX_AGE is a critical alert, settled when a younger version signs', async () => {
  const operator = await t.organization()
  const { ask } = await worker()
  t.clock.advance(maxAgeMs + 60_000)
  await ask()
  await seen(() => alertsOf(operator), 2)
  expect(await alertsOf(operator)).toMatchObject([
    { subject: 'key-degraded-access', severity: 4, dueMinutes: 15, title: expect.stringContaining('7 days old') },
    { subject: 'key-degraded-plan', severity: 4, dueMinutes: 15 },
  ])
  expect(await eventsOf(operator, 'key.degraded')).toMatchObject([
    { kind: 'key', outcome: 'failed', facts: { key: 'access', days: 7 } },
    { facts: { key: 'plan' } },
  ])
  await t.keeper.rotate('access')
  await ask()
  t.clock.advance(20 * 60_000)
  await ask()
  await seen(() => eventsOf(operator, 'key.recovered'), 1)
  expect(await eventsOf(operator, 'key.recovered')).toMatchObject([{ facts: { from: 'DEGRADED', key: 'access' } }])
  expect((await alertsOf(operator)).map(({ state }) => state)).toEqual(['dismissed', 'new'])
})

test('a rotation is recorded once, by whichever worker is first, also when it starts later', async () => {
  const operator = await t.organization()
  const { ask } = await worker()
  await t.keeper.rotate('access')
  await ask()
  expect(await eventsOf(operator, 'key.rotated')).toEqual([])
  t.clock.advance(20 * 60_000)
  await ask()
  await seen(() => eventsOf(operator, 'key.rotated'), 1)
  const late = await worker()
  await late.ask()
  await t.keeper.rotate('checkpoint')
  await Promise.all([ask(), late.ask()])
  await seen(() => eventsOf(operator, 'key.rotated'), 2)
  expect((await eventsOf(operator, 'key.rotated')).map(({ facts }) => facts)).toMatchObject([
    { key: 'access', version: 2 },
    { key: 'checkpoint', version: 2 },
  ])
})

describe('the platform’s own source', () => {
  let operator: TestOrganization
  let admin: TestPerson
  let id: string
  beforeEach(async () => {
    operator = await t.organization()
    admin = await t.member(operator)
    const { ask } = await worker()
    keeperAway = true
    await ask()
    await seen(() => alertsOf(operator), 1)
    const { items } = await t.call(admin, 'sources.list', {})
    id = items.find(({ slug }) => slug === 'system-health')?.id as string
  })

  test('cannot be changed, silenced, given a token, removed or made by anybody', async () => {
    const draft = { name: 'Mine', slug: 'system-health', type: 'generic', tlp: 'AMBER' } as const
    const stranger = await t.member(await t.organization())
    const attempts = await Promise.allSettled([
      t.call(admin, 'sources.update', { id: id as never, enabled: false }),
      t.call(admin, 'sources.rotate', { id: id as never }),
      t.call(admin, 'sources.remove', { id: id as never }),
      t.call(admin, 'sources.create', draft),
      t.call(stranger, 'sources.create', draft),
    ])
    const refused = { reason: { code: 'conflict', message: expect.stringContaining('own source') } }
    expect(attempts).toMatchObject(Array(5).fill(refused))
  })

  test('has no door: neither a token nor a signature opens it', async () => {
    const door = new SourceDoor(t.parts.redoubt_ingestion.kernel, t.databases.redoubt_ingestion)
    const body = Buffer.from('{}')
    const secret = `whsec_${Buffer.alloc(32).toString('base64')}`
    const headers = signWebhook({ id: 'm', body, now: t.clock.now() }, secret)
    await expect(door.bySignature(id, { ...headers }, body)).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(door.byToken(id, `src_${'a'.repeat(43)}`)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('is all that the worker can make: SQL injected there gets no source with a token, nor one of another name', async () => {
    const insert = (columns: string, values: string) =>
      withClient(t.loginOf('redoubt_worker'), (client) =>
        client.query(
          `insert into redoubt.sources (organization_id, name, type, tlp, created_at, ${columns})
           values ('${operator.id}', 'x', 'generic', 'AMBER', now(), ${values})`,
        ),
      )
    await expect(insert('slug, token_hash', `'mine', 'x'`)).rejects.toThrow('permission denied')
    await expect(insert('slug', `'mine'`)).rejects.toThrow(/check constraint|row-level security/)
  })
})
