import { randomUUID } from 'node:crypto'
import { NIL_ORGANIZATION } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { secretOperations } from '../src/modules/secrets/index.ts'
import { healthOf } from '../src/modules/secrets/rules.ts'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { startApi } from '../src/services/api.ts'
import { startWeb } from '../src/services/web.ts'
import {
  type OperationName,
  startTestPlatform,
  type TestOrganization,
  type TestPerson,
  type TestPlatform,
} from './harness.ts'

let t: TestPlatform
let operator: TestOrganization
let admin: TestPerson
let stranger: TestPerson
let web: string
let api: string
beforeAll(async () => {
  t = await startTestPlatform()
  operator = await t.organization()
  admin = await t.member(operator)
  stranger = await t.member(await t.organization(operator.id))
  const startedWeb = await startWeb(t.kernel, t.databases.redoubt_web, t.live, t.operations, t.guards)
  const startedApi = await startApi(t.kernel, t.databases.redoubt_api, t.operations, t.guards)
  t.onStop(startedWeb.stop)
  t.onStop(startedApi.stop)
  web = startedWeb.url
  api = startedApi.url
})
afterAll(() => t.stop())

const operations: readonly OperationName[] = [
  'keys.status',
  'keys.signing',
  'keys.dataKeys',
  'keys.usage',
  'keys.rotate',
  'secrets.list',
  'secrets.set',
  'secrets.remove',
  'services.list',
  'services.deny',
  'services.admit',
]
const path = () => `test/${randomUUID()}`
const events = async (person: TestPerson, action: string) =>
  (await t.call(person, 'audit.list', { action, limit: 200 })).items
/** The code, and everything that a caller or a log could read of the error. */
async function refusal(asked: Promise<unknown>): Promise<{ code: string; text: string }> {
  const error = await asked.then(
    () => expect.fail('it was allowed'),
    (thrown: Error & { code: string; fields?: unknown }) => thrown,
  )
  const told = [error.message, error.stack, JSON.stringify(error.fields), String((error.cause as Error)?.stack)]
  return { code: error.code, text: told.join('\n') }
}

describe('what belongs to the installation', () => {
  it.each(operations)('%s is refused to an admin of another organization, who finds it in the log', async (name) => {
    const { code } = await refusal(t.call(stranger, name, {} as never))
    expect(code).toBe('forbidden')
    const [event] = await events(stranger, 'access.denied')
    expect(event?.facts).toMatchObject({ operation: name, policies: ['installation-is-the-operators'] })
  })

  it.each(operations)('%s is refused to a moderator of the operator', async (name) => {
    const moderator = await t.member(operator, 'moderator')
    expect((await refusal(t.call(moderator, name, {} as never))).code).toBe('forbidden')
  })

  it('is told apart by the database: whoever claims the operator’s id in a request is no member there', async () => {
    const extra = { organizationId: operator.id }
    expect((await refusal(t.call(stranger, 'keys.status', {}, extra))).code).toBe('forbidden')
  })

  it('shows in the permissions of the operator’s admin alone', async () => {
    const of = async (person: TestPerson) =>
      (await t.call(person, 'auth.me', {})).memberships.flatMap(({ permissions }) => permissions)
    expect(await of(admin)).toContain('installation:manage')
    expect(await of(stranger)).not.toContain('installation:read')
  })

  it('is walled off in the database too: another tenant’s admin sees no line of anybody’s data keys', async () => {
    await dataKeyOf(operator.id)
    const lines = (person: TestPerson, role: TestPerson['role']) =>
      inTenant(t.databases.redoubt_api, person.organizationId, { userId: person.userId, role }, ({ db }) =>
        db.selectFrom('data_keys').select('organization_id').execute(),
      )
    expect((await lines(admin, 'admin')).length).toBeGreaterThan(0)
    expect((await lines(admin, 'moderator')).every((each) => each.organization_id === operator.id)).toBe(true)
    expect((await lines(stranger, 'admin')).every((each) => each.organization_id === stranger.organizationId)).toBe(
      true,
    )
  })
})

describe('keys', () => {
  it('tell the state of those that sign from memory, also while the keeper is away', async () => {
    const { keeper } = t
    const handle = keeper.handle
    Object.assign(keeper, { handle: () => Promise.reject(new Error('away')) })
    await t.kernel.signing.access.refresh().catch(() => undefined)
    const { items } = await t.call(admin, 'keys.signing', {})
    Object.assign(keeper, { handle })
    await t.kernel.signing.access.refresh()
    expect(items.map(({ key, state }) => [key, state])).toEqual([
      ['access', 'OUTAGE'],
      ['plan', 'READY'],
      ['checkpoint', 'READY'],
    ])
    expect((await t.call(admin, 'keys.signing', {})).items[0]?.state).toBe('READY')
  })

  it('show every key with its versions, states and next rotation', async () => {
    const { master, store, keys } = await t.call(admin, 'keys.status', {})
    expect(master.provider).toBe('file')
    expect(store).toMatchObject({ kind: 'embedded', reachable: true })
    const names = keys.map(({ key }) => key)
    expect(names).toEqual(expect.arrayContaining(['kek', 'secrets', 'access', 'plan', 'checkpoint', 'service:api']))
    for (const { key, versions, nextRotationAt } of keys) {
      expect(
        versions.filter(({ state }) => state === 'active'),
        key,
      ).toHaveLength(1)
      expect(Date.parse(nextRotationAt), key).toBeGreaterThan(t.clock.now().getTime())
    }
  })

  it('turn by hand: the new one is published before it signs, and the operator’s log says who did it', async () => {
    await t.call(admin, 'keys.rotate', { key: 'access' })
    const line = (await t.call(admin, 'keys.status', {})).keys.find(({ key }) => key === 'access')
    expect(line?.versions.slice(0, 2).map(({ state }) => state)).toEqual(['pending', 'active'])
    const [event] = await events(admin, 'key.rotated')
    expect(event).toMatchObject({ actor: { id: admin.userId }, target: { kind: 'key', id: 'access' } })
  })

  it('of data are left to the worker', async () => {
    await t.call(admin, 'keys.rotate', { key: 'data' })
    const { rows } = await t.admin.query(
      `select 1 from graphile_worker._private_jobs j join graphile_worker._private_tasks s on s.id = j.task_id
       where s.identifier = 'keys.rotate-data'`,
    )
    expect(rows).toHaveLength(1)
  })

  it('of data are listed over all organizations, page after page', async () => {
    for (const id of [operator.id, stranger.organizationId]) await dataKeyOf(id)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await t.call(admin, 'keys.dataKeys', { limit: 1, ...(cursor ? { cursor } : {}) })
      seen.push(
        ...page.items.map(({ organization, dataClass }) => `${organization?.id ?? 'installation'} ${dataClass}`),
      )
      cursor = page.next ?? undefined
    } while (cursor)
    expect(seen).toEqual([...new Set(seen)])
    expect(seen).toEqual(expect.arrayContaining([`${operator.id} evidence`, `${stranger.organizationId} evidence`]))
    expect((await refusal(t.call(admin, 'keys.dataKeys', { cursor: 'x.y' }))).code).toBe('bad_request')
  })

  it('show the jobs that bring everything under a new one, with their progress', async () => {
    const values = [NIL_ORGANIZATION, null, 'rewrap', 40, 100, t.clock.now()]
    await t.admin.query(
      `insert into key_jobs (organization_id, data_class, kind, version, done, total, started_at) values ($1, $2, $3, 2, $4, $5, $6)`,
      values,
    )
    const [job] = (await t.call(admin, 'keys.status', {})).jobs
    expect(job).toMatchObject({ kind: 'rewrap', organization: null, done: 40, total: 100, state: 'running' })
  })

  it('say which service fetched them, and count each time', async () => {
    const times = async () =>
      (await t.call(admin, 'keys.usage', {})).items.find((use) => use.service === 'worker' && use.key === 'checkpoint')
        ?.times ?? 0
    const before = await times()
    await t.parts.redoubt_worker.kernel.keeper.call('signing.line', { use: 'checkpoint' })
    expect(await times()).toBe(before + 1)
    const { items } = await t.call(admin, 'keys.usage', {})
    expect(items.find((use) => use.key === 'secret:database/api/password')).toMatchObject({ service: 'api' })
  })

  it('do not count what was refused', async () => {
    const { keeper } = t.parts.redoubt_worker.kernel
    await expect(keeper.call('secret.read', { path: 'database/api/password' })).rejects.toThrow('may not')
    const { items } = await t.call(admin, 'keys.usage', {})
    expect(items.filter((use) => use.service === 'worker').map((use) => use.key)).not.toContain(
      'secret:database/api/password',
    )
  })
})

describe('secrets', () => {
  const value = `hunter2-${randomUUID()}`

  it('are set, replaced and removed by name; each leaves path and version in the log, and no value anywhere', async () => {
    const at = path()
    expect(await t.call(admin, 'secrets.set', { path: at, value, expectedVersion: 0 })).toEqual({ version: 1 })
    expect(await t.call(admin, 'secrets.set', { path: at, value: `${value}!`, expectedVersion: 1 })).toEqual({
      version: 2,
    })
    const listed = await t.call(admin, 'secrets.list', {})
    expect(listed.items.find((each) => each.path === at)).toMatchObject({ version: 2, health: 'good', managed: false })
    expect(await t.call(admin, 'secrets.remove', { path: at })).toEqual({ done: true })
    const log = [...(await events(admin, 'secret.set')), ...(await events(admin, 'secret.removed'))].filter(
      ({ target }) => target?.id === at,
    )
    expect(log.map(({ action, facts }) => [action, facts])).toEqual([
      ['secret.set', { version: 2 }],
      ['secret.set', { version: 1 }],
      ['secret.removed', {}],
    ])
    expect(JSON.stringify([log, listed])).not.toContain(value)
  })

  it('of two who replace at once, the second is told so', async () => {
    const at = path()
    await t.call(admin, 'secrets.set', { path: at, value, expectedVersion: 0 })
    const { code, text } = await refusal(t.call(admin, 'secrets.set', { path: at, value, expectedVersion: 0 }))
    expect(code).toBe('stale')
    expect(text).not.toContain(value)
  })

  it('are due after 90 days', async () => {
    const at = path()
    await t.call(admin, 'secrets.set', { path: at, value, expectedVersion: 0 })
    const health = async () => (await t.call(admin, 'secrets.list', {})).items.find((each) => each.path === at)?.health
    const past = new Date(t.clock.now().getTime() + 90 * 24 * 3_600_000)
    expect(await health()).toBe('good')
    const writtenAt = t.clock.now()
    expect(healthOf({ writtenAt, managed: false }, past)).toBe('due')
    expect(healthOf({ writtenAt, managed: false }, new Date(past.getTime() - 1))).toBe('good')
    expect(healthOf({ writtenAt, managed: true }, past)).toBe('good')
  })

  it('that the platform keeps itself are neither set nor removed by hand', async () => {
    for (const ask of [
      () => t.call(admin, 'secrets.set', { path: 'iam/access-key', value, expectedVersion: 1 }),
      () => t.call(admin, 'secrets.remove', { path: 'iam/access-key' }),
    ])
      expect((await refusal(ask())).code).toBe('unprocessable')
    const { items } = await t.call(admin, 'secrets.list', {})
    expect(items.find((each) => each.path === 'iam/access-key')).toMatchObject({ managed: true })
  })

  it('are nowhere in a refusal, whatever is wrong with the rest', async () => {
    const wrong = [
      { path: 'UPPER', value, expectedVersion: 0 },
      { path: path(), value, expectedVersion: -1 },
      { path: path(), value: [value], expectedVersion: 0 },
      { path: path(), value: { [value]: value }, expectedVersion: 0 },
      { path: path(), value: value.repeat(2000), expectedVersion: 0 },
      { path: path(), value: `${value}${'é'.repeat(40_000)}`, expectedVersion: 0 },
      { path: value, value, expectedVersion: 'x' },
    ]
    for (const input of wrong) {
      const { code, text } = await refusal(t.call(admin, 'secrets.set', input as never))
      expect(['bad_request', 'unprocessable']).toContain(code)
      expect(text, JSON.stringify(input).slice(0, 60)).not.toContain('hunter2')
    }
  })

  it('are quoted by neither transport: not from a broken body, and not into the log', async () => {
    const logged: unknown[] = []
    const { log } = t.kernel
    const error = log.error
    Object.assign(log, { error: (...line: unknown[]) => logged.push(line) })
    const browser = {
      cookie: `__Host-redoubt=${admin.token}`,
      'redoubt-csrf': '1',
      'redoubt-organization': operator.id,
    }
    const post = (url: string, body: string) =>
      fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...browser } })
    const texts: string[] = []
    for (const body of [
      `{"path":"a/b","expectedVersion":0,"value":"${value}`,
      `{"value":${value}}`,
      `${value}`,
      JSON.stringify({ path: value, value, expectedVersion: value }),
      JSON.stringify({ path: 'iam/access-key', value, expectedVersion: 0 }),
      JSON.stringify({ path: 'a'.repeat(9000), value: value.repeat(40_000), expectedVersion: 0 }),
    ])
      for (const url of [`${web}/trpc/secrets.set`, `${api}/api/v1/installation/secrets`]) {
        const answer = await post(url, body)
        expect(answer.status).toBeGreaterThanOrEqual(400)
        texts.push(await answer.text(), JSON.stringify([...answer.headers]))
      }
    // What fails inside is logged, and even then without what came in.
    const { store } = t.keeper
    const write = store.write
    Object.assign(store, {
      write: async () => {
        throw new Error('the disk is gone')
      },
    })
    const failed = await post(`${web}/trpc/secrets.set`, JSON.stringify({ path: path(), value, expectedVersion: 0 }))
    Object.assign(store, { write })
    Object.assign(log, { error })
    expect(failed.status).toBe(500)
    expect(logged.length).toBeGreaterThan(0)
    expect(JSON.stringify(logged)).toContain('secrets.set')
    expect([...texts, await failed.text(), JSON.stringify(logged)].join('\n')).not.toContain('hunter2')
  })

  it('that the configuration refers to and that are not there are named as missing', async () => {
    const config = { ...t.kernel.config, databasePassword: 'database/owner' }
    const { list } = secretOperations({ ...t.kernel, config })
    const { items } = await list({ now: t.clock.now() } as never, {})
    expect(items.find((each) => each.path === 'database/owner')).toEqual({
      path: 'database/owner',
      version: 0,
      writtenAt: null,
      health: 'missing',
      managed: false,
      settings: ['REDOUBT_DATABASE_PASSWORD'],
    })
  })
})

describe('services', () => {
  it('show their identity, certificate and when they were last heard of', async () => {
    const { items, answeredBy } = await t.call(admin, 'services.list', {})
    expect(answeredBy).toBe('api')
    const worker = items.find((each) => each.service === 'worker')
    expect(worker).toMatchObject({ spiffeId: 'spiffe://redoubt.internal/service/worker', denied: false })
    expect(worker?.certificate?.serial).toMatch(/^[0-9a-f]+$/)
    expect(worker?.lastSeenAt).not.toBeNull()
  })

  it('are denied and admitted again, each with its event, and the reason stays off the log', async () => {
    const subject = 'spiffe://redoubt.internal/service/worker'
    const denied = async () =>
      (await t.call(admin, 'services.list', {})).items.find((each) => each.service === 'worker')?.denied
    await t.call(admin, 'services.deny', { subject, reason: 'Seen where it should not be' })
    expect(await denied()).toBe(true)
    expect((await t.call(admin, 'services.list', {})).denials).toMatchObject([
      { subject, reason: 'Seen where it should not be' },
    ])
    expect((await refusal(t.call(admin, 'services.deny', { subject, reason: 'again' }))).code).toBe('conflict')
    await t.call(admin, 'services.admit', { subject })
    expect(await denied()).toBe(false)
    expect((await refusal(t.call(admin, 'services.admit', { subject }))).code).toBe('not_found')
    for (const action of ['service.denied', 'service.admitted'])
      expect((await events(admin, action))[0]).toMatchObject({ target: { id: subject }, facts: {} })
  })

  it('cannot be locked out for good: neither the keeper nor whoever answers is denied', async () => {
    for (const subject of ['spiffe://redoubt.internal/service/keeper', 'spiffe://redoubt.internal/service/api'])
      expect((await refusal(t.call(admin, 'services.deny', { subject, reason: 'x' }))).code, subject).toBe('conflict')
    const { items } = await t.call(admin, 'services.list', {})
    const serial = items.find((each) => each.service === 'api')?.certificate?.serial ?? ''
    expect((await refusal(t.call(admin, 'services.deny', { subject: serial, reason: 'x' }))).code).toBe('conflict')
  })
})

/** A first data key of an organization, as sealing its first value makes it. */
async function dataKeyOf(organizationId: string): Promise<void> {
  const scope = { organizationId, dataClass: 'evidence', version: 1 }
  await t.admin.query(
    `insert into data_keys (organization_id, data_class, version, kek, wrapped, created_at, active_at)
     values ($1, $2, $3, 1, $4, $5, $5) on conflict do nothing`,
    [scope.organizationId, scope.dataClass, scope.version, Buffer.alloc(60), t.clock.now()],
  )
}
