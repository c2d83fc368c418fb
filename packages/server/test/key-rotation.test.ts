import { randomUUIDv7 } from 'node:crypto'
import { fieldKeyVersion, NIL_ORGANIZATION, normalEmail } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { emailIndexes } from '../src/modules/identity/personal-data.ts'
import { rotateDataKeys } from '../src/modules/keys/jobs.ts'
import { reencrypt } from '../src/modules/keys/reencrypt.ts'
import { rewrap } from '../src/modules/keys/rewrap.ts'
import { dataKeyRule, partingMs, settlingMs } from '../src/modules/keys/rotation.ts'
import { sweepKeys } from '../src/modules/keys/sweep.ts'
import { accountEmail, accountEmailOf, indexOf, webhookSecretOf } from '../src/platform/encrypted-columns.ts'
import type { Fields } from '../src/platform/fields.ts'
import type { Credentials } from '../src/platform/operation.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

const nobody: Credentials = { kind: 'none' }
const password = 'three unrelated words'
const day = 24 * 3_600_000

let t: TestPlatform
let a: TestOrganization
let b: TestOrganization
let admin: TestPerson
beforeEach(async () => {
  t = await startTestPlatform()
  a = await t.organization()
  b = await t.organization()
  admin = await t.member(a)
})
afterEach(() => t.stop())

const worker = () => ({ kernel: t.parts.redoubt_worker.kernel, database: t.databases.redoubt_worker })
const rotateAll = () => rotateDataKeys(worker().kernel, worker().database, a.id, () => true)
const sweep = () => sweepKeys(worker().kernel, worker().database)
const reencryptAs = (
  kernel: Parameters<typeof reencrypt>[0],
  dataClass: 'pii' | 'index' | 'integration',
  owner: string,
) => reencrypt(kernel, worker().database, { organizationId: owner, dataClass })
/** Until nothing can be written under the version before any more. */
const settle = () => t.clock.advance(dataKeyRule.leadMs + settlingMs)
const source = () =>
  t.call(admin, 'sources.create', { name: 'S', slug: randomUUIDv7().slice(-8), type: 'generic', tlp: 'AMBER' })
const jobs = async () => {
  const { rows } = await t.admin.query<{ kind: string; state: string; done: number; total: number; damaged: number }>(
    'select kind, state, done, total, damaged from key_jobs order by started_at, id',
  )
  return rows
}
const dataKeys = async () => {
  const { rows } = await t.admin.query<{ owner: string; class: string; version: number; kek: number }>(
    'select organization_id as owner, data_class as class, version, kek from data_keys order by 1, 2, 3',
  )
  return rows
}

/** Accounts that are in no organization, sealed as sign-up seals them. */
async function manyAccounts(count: number): Promise<void> {
  const { fields } = t.kernel
  const ids = Array.from({ length: count }, () => randomUUIDv7())
  const emails = ids.map((id) => `${id}@example.org`)
  const sealed = await fields.sealMany(
    NIL_ORGANIZATION,
    'pii',
    ids.map((id, at) => ({ place: accountEmailOf(id), value: emails[at] as string })),
  )
  const indexes = await fields.indexMany(indexOf(accountEmail, NIL_ORGANIZATION), emails.map(normalEmail))
  await t.admin.query(
    `insert into users (id, email_sealed, email_index, name, created_at)
     select id, sealed, index, 'Somebody', now() from unnest($1::uuid[], $2::bytea[], $3::bytea[]) v (id, sealed, index)`,
    [ids, sealed, indexes.map(({ write }) => write)],
  )
}

/** How many values lie under each version, and that all of them open. */
async function accountsByVersion(): Promise<Record<number, number>> {
  const { rows } = await t.admin.query<{ id: string; email_sealed: Buffer }>('select id, email_sealed from users')
  await t.kernel.fields.openMany(
    NIL_ORGANIZATION,
    'pii',
    rows.map(({ id, email_sealed }) => ({ place: accountEmailOf(id), sealed: email_sealed })),
  )
  const counts: Record<number, number> = {}
  for (const { email_sealed } of rows) {
    const version = fieldKeyVersion(email_sealed)
    counts[version] = (counts[version] ?? 0) + 1
  }
  return counts
}

describe('a new KEK', () => {
  it('wraps every data key of every organization, and the one before is destroyed', async () => {
    for (const organization of [a, b])
      await t.call(await t.member(organization), 'members.invite', { email: 'new@example.org', role: 'user' })
    await source()
    await t.keeper.rotate('kek')
    const before = await dataKeys()
    expect(new Set(before.map(({ kek }) => kek))).toEqual(new Set([1]))
    expect(await rewrap(worker().kernel, worker().database)).toEqual({ kek: 2, done: before.length, damaged: 0 })
    expect(await dataKeys()).toEqual(before.map((key) => ({ ...key, kek: 2 })))
    expect(t.keeper.ring.versions().map(({ version }) => version)).toEqual([2])
    expect(await jobs()).toEqual([
      { kind: 'rewrap', state: 'done', done: before.length, total: before.length, damaged: 0 },
    ])
    // A service that has never held a key opens all of them by the new one.
    expect((await t.call(admin, 'members.list', {})).items).toHaveLength(2)
    t.kernel.fields.close()
    expect((await t.call(admin, 'members.list', {})).items).toHaveLength(2)
  })

  it('is gone on with after a kill in the middle, and the old one lives until then', async () => {
    for (const organization of [a, b])
      await t.call(await t.member(organization), 'members.invite', { email: 'new@example.org', role: 'user' })
    await t.keeper.rotate('kek')
    const total = (await dataKeys()).length
    let wrapped = 0
    const { kernel, database } = worker()
    const dying: typeof kernel.keeper = {
      ...kernel.keeper,
      call: async (request, input) => {
        if (request === 'data-key.rewrap' && ++wrapped === total - 1) await cutOff('redoubt_worker')
        return kernel.keeper.call(request, input)
      },
    }
    await expect(rewrap({ ...kernel, keeper: dying }, database)).rejects.toThrow()
    const left = (await dataKeys()).filter(({ kek }) => kek === 1)
    expect(left.length).toBeGreaterThan(0)
    expect(left.length).toBeLessThan(total)
    expect(t.keeper.ring.versions()).toHaveLength(2)
    expect(await rewrap(kernel, database)).toMatchObject({ done: left.length, damaged: 0 })
    expect(await jobs()).toEqual([{ kind: 'rewrap', state: 'done', done: total, total, damaged: 0 }])
    expect(t.keeper.ring.versions()).toHaveLength(1)
  })

  it('does not take the old one’s place where a data key does not open: that one would be lost', async () => {
    await t.call(admin, 'members.invite', { email: 'new@example.org', role: 'user' })
    await t.keeper.rotate('kek')
    await t.admin.query(
      `update data_keys set wrapped = (select wrapped from data_keys where organization_id = $1 and data_class = 'pii')
       where organization_id = $1 and data_class = 'index'`,
      [a.id],
    )
    expect(await rewrap(worker().kernel, worker().database)).toMatchObject({ damaged: 1 })
    expect(t.keeper.ring.versions()).toHaveLength(2)
    expect((await jobs()).map(({ state }) => state)).toEqual(['failed'])
  })
})

describe('a new data key', () => {
  it('is made for everything that is 90 days old, by itself, and its turn is carried through', async () => {
    await t.call(admin, 'members.invite', { email: 'new@example.org', role: 'user' })
    const created = await source()
    await sweep()
    expect(new Set((await dataKeys()).map(({ version }) => version))).toEqual(new Set([1]))
    t.clock.advance(90 * day)
    await sweep()
    expect((await dataKeys()).filter(({ version }) => version === 2)).toHaveLength(5)
    settle()
    await sweep()
    await t.runWorkerJobs()
    expect((await jobs()).map(({ state }) => state)).toEqual(Array(5).fill('done'))
    t.clock.advance(partingMs)
    await sweep()
    expect((await dataKeys()).map(({ version }) => version)).toEqual(Array(5).fill(2))
    expect(await accountsByVersion()).toEqual({ 2: 1 })
    const { rows } = await t.admin.query('select webhook_secret from sources')
    expect(fieldKeyVersion(rows[0].webhook_secret)).toBe(2)
    expect(await t.kernel.fields.open(webhookSecretOf(a.id, created.source.id), rows[0].webhook_secret)).toBe(
      created.credentials.webhookSecret,
    )
    const { rows: events } = await t.admin.query(
      `select action, count(*)::int as times from audit_events where action like 'data-key.%' group by 1 order by 1`,
    )
    expect(events).toEqual([
      { action: 'data-key.destroyed', times: 5 },
      { action: 'data-key.reencrypted', times: 5 },
      { action: 'data-key.rotated', times: 5 },
    ])
  })

  it('is made by command whatever the age, once, also when the command is tried again', async () => {
    await t.parts.redoubt_web.kernel.fields.seal(accountEmailOf(randomUUIDv7()), 'x@example.org')
    await rotateAll()
    await rotateAll()
    expect(Math.max(...(await dataKeys()).map(({ version }) => version))).toBe(2)
  })

  it('takes no value along while one may still be written under the version before', async () => {
    await rotateAll()
    t.clock.advance(dataKeyRule.leadMs + settlingMs - 1)
    expect(await reencryptAs(worker().kernel, 'pii', NIL_ORGANIZATION)).toBeNull()
    expect(await accountsByVersion()).toEqual({ 1: 1 })
  })

  it('goes on after a kill in the middle: nothing is lost and nothing done twice', async () => {
    await manyAccounts(1200)
    await rotateAll()
    settle()
    const { kernel } = worker()
    let batches = 0
    const dying = new Proxy(kernel.fields, {
      get(fields, name) {
        const own = Reflect.get(fields, name)
        if (typeof own !== 'function') return own
        if (name !== 'sealMany') return own.bind(fields)
        return async (...all: Parameters<Fields['sealMany']>) => {
          if (++batches === 2) await cutOff('redoubt_worker')
          return fields.sealMany(...all)
        }
      },
    })
    await expect(reencryptAs({ ...kernel, fields: dying }, 'pii', NIL_ORGANIZATION)).rejects.toThrow()
    expect(await accountsByVersion()).toEqual({ 1: 701, 2: 500 })
    expect(await jobs()).toEqual([{ kind: 'reencrypt', state: 'running', done: 500, total: 1201, damaged: 0 }])
    expect(await reencryptAs(kernel, 'pii', NIL_ORGANIZATION)).toEqual({ version: 2, done: 701, damaged: 0 })
    expect(await jobs()).toEqual([{ kind: 'reencrypt', state: 'done', done: 1201, total: 1201, damaged: 0 }])
    expect(await accountsByVersion()).toEqual({ 2: 1201 })
  })

  it('does not take along a value that came late, whatever held it up', async () => {
    const id = randomUUIDv7()
    const late = await t.kernel.fields.seal(accountEmailOf(id), 'late@example.org')
    await rotateAll()
    settle()
    await reencryptAs(worker().kernel, 'pii', NIL_ORGANIZATION)
    await t.admin.query(
      `insert into users (id, email_sealed, email_index, name, created_at)
       select $1, $2, overlay(email_index placing '\\xffff' from 10), 'Late', now() from users limit 1`,
      [id, late],
    )
    t.clock.advance(partingMs)
    await sweep()
    await sweep()
    await t.runWorkerJobs()
    expect(await accountsByVersion()).toEqual({ 2: 2 })
    t.clock.advance(partingMs)
    await sweep()
    expect((await dataKeys()).filter((key) => key.class === 'pii').map(({ version }) => version)).toEqual([2])
    expect(await accountsByVersion()).toEqual({ 2: 2 })
  })

  it('is written by two workers at once as by one', async () => {
    await manyAccounts(700)
    await rotateAll()
    settle()
    const { kernel } = worker()
    const results = await Promise.all([1, 2].map(() => reencryptAs(kernel, 'pii', NIL_ORGANIZATION)))
    expect(results.reduce((sum, result) => sum + (result?.done ?? 0), 0)).toBe(701)
    expect(await accountsByVersion()).toEqual({ 2: 701 })
  })

  it('leaves alone what somebody wrote meanwhile', async () => {
    const created = await source()
    await rotateAll()
    settle()
    const { kernel } = worker()
    let rotated: { webhookSecret: string } | undefined
    const slow = new Proxy(kernel.fields, {
      get(fields, name) {
        const own = Reflect.get(fields, name)
        if (typeof own !== 'function') return own
        if (name !== 'sealMany') return own.bind(fields)
        return async (...all: Parameters<Fields['sealMany']>) => {
          rotated = await t.call(admin, 'sources.rotate', { id: created.source.id })
          return fields.sealMany(...all)
        }
      },
    })
    await reencryptAs({ ...kernel, fields: slow }, 'integration', a.id)
    const { rows } = await t.admin.query('select webhook_secret from sources')
    expect(await t.kernel.fields.open(webhookSecretOf(a.id, created.source.id), rows[0].webhook_secret)).toBe(
      rotated?.webhookSecret,
    )
  })

  it('does not end the old one while a value does not open, and does all the others', async () => {
    await manyAccounts(20)
    await t.admin.query(
      `update users set email_sealed = overlay(email_sealed placing '\\xffff' from 20) where id = (select id from users order by id offset 7 limit 1)`,
    )
    await rotateAll()
    settle()
    expect(await reencryptAs(worker().kernel, 'pii', NIL_ORGANIZATION)).toEqual({ version: 2, done: 20, damaged: 1 })
    expect((await jobs()).map(({ state, damaged }) => ({ state, damaged }))).toEqual([{ state: 'failed', damaged: 1 }])
    const { rows } = await t.admin.query(
      `select ends_at from data_keys where organization_id = $1 and data_class = 'pii' and version = 1`,
      [NIL_ORGANIZATION],
    )
    expect(rows).toEqual([{ ends_at: null }])
  })

  it('touches no other organization’s values', async () => {
    for (const organization of [a, b])
      await t.call(await t.member(organization), 'members.invite', { email: 'new@example.org', role: 'user' })
    await rotateAll()
    settle()
    await reencryptAs(worker().kernel, 'pii', a.id)
    const { rows } = await t.admin.query<{ owner: string; email_sealed: Buffer }>(
      'select organization_id as owner, email_sealed from invitations',
    )
    const versions = Object.fromEntries(rows.map(({ owner, email_sealed }) => [owner, fieldKeyVersion(email_sealed)]))
    expect(versions).toEqual({ [a.id]: 2, [b.id]: 1 })
  })
})

describe('a new index secret', () => {
  const login = (email: string) => t.call(nobody, 'auth.login', { email, password })
  async function join(email: string, by = admin): Promise<void> {
    const { link } = await t.call(by, 'members.invite', { email, role: 'user' })
    const token = new URL(link).searchParams.get('token') as string
    await t.call(nobody, 'auth.acceptInvitation', { token, name: 'Somebody', password })
  }

  it('loses nobody: people sign in before, while and after their index is made anew', async () => {
    await join('early.bird@example.org')
    await rotateAll()
    await login('early.bird@example.org')
    t.clock.advance(dataKeyRule.leadMs)
    await join('late.riser@example.org')
    for (const email of ['early.bird@example.org', 'late.riser@example.org']) await login(email)
    t.clock.advance(settlingMs)
    expect(await reencryptAs(worker().kernel, 'index', NIL_ORGANIZATION)).toMatchObject({ done: 2, damaged: 0 })
    for (const email of ['early.bird@example.org', 'late.riser@example.org']) await login(email)
    t.clock.advance(partingMs)
    await sweep()
    for (const email of ['early.bird@example.org', 'late.riser@example.org']) await login(email)
    const { find } = await emailIndexes(t.kernel.fields, 'early.bird@example.org')
    expect(find.map((index) => index.readUInt32BE())).toEqual([2])
  })

  it('lets nobody have an address twice, while rows have one index or the other', async () => {
    await join('early.bird@example.org')
    await rotateAll()
    t.clock.advance(dataKeyRule.leadMs)
    const elsewhere = await t.member(b)
    const { link } = await t.call(elsewhere, 'members.invite', { email: 'early.bird@example.org', role: 'user' })
    const token = new URL(link).searchParams.get('token') as string
    expect(await t.call(nobody, 'auth.invitation', { token })).toMatchObject({ known: true })
    await expect(
      t.call(admin, 'members.invite', { email: 'early.bird@example.org', role: 'viewer' }),
    ).rejects.toMatchObject({ code: 'conflict' })
  })

  it('is no way to two accounts, also where two services sit on either side of the turn', async () => {
    await rotateAll()
    const { createUser } = await import('../src/modules/identity/store.ts')
    const { inSystem } = await import('../src/platform/tenant-tx.ts')
    const { Fields } = await import('../src/platform/fields.ts')
    const at = (ms: number) => ({ now: () => new Date(t.clock.now().getTime() + ms) })
    // One clock has just not reached the turn, the other one has: each writes with another version.
    const sides = [dataKeyRule.leadMs - 1, dataKeyRule.leadMs].map((ms) => ({
      fields: new Fields(t.kernel.keeper, t.databases.redoubt_web, at(ms)),
    }))
    const user = { email: 'twice@example.org', name: 'Twice', passwordHash: '$argon2id$x', now: t.clock.now() }
    const written = await Promise.all(sides.map(async ({ fields }) => (await emailIndexes(fields, user.email)).write))
    expect(written.map((index) => index.readUInt32BE())).toEqual([1, 2])
    for (let round = 0; round < 10; round++) {
      const email = `twice-${round}@example.org`
      const made = await Promise.all(
        sides.map(({ fields }) =>
          inSystem(t.databases.redoubt_api, 'invitation', (tx) => createUser(tx, fields, { ...user, email })),
        ),
      )
      expect(made.filter((id) => id !== null)).toHaveLength(1)
    }
    for (const { fields } of sides) fields.close()
  })
})

/** The connections of a service are cut, as a kill cuts them. */
async function cutOff(role: string): Promise<void> {
  await t.admin.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and datname = current_database()',
    [role],
  )
}
