import { randomUUIDv7 } from 'node:crypto'
import { NIL_ORGANIZATION, normalEmail } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { issueSetUpLink } from '../src/modules/identity/index.ts'
import { emailIndexes, invitationIndexes } from '../src/modules/identity/personal-data.ts'
import {
  accountEmail,
  accountEmailOf,
  encryptedColumns,
  indexOf,
  invitationEmail,
  invitationEmailOf,
  placeOf,
  sessionAddressOf,
  webhookSecretOf,
} from '../src/platform/encrypted-columns.ts'
import type { Credentials } from '../src/platform/operation.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

const nobody: Credentials = { kind: 'none' }
const password = 'three unrelated words'
const tokenOf = (link: string | null) => new URL(link as string).searchParams.get('token') as string

describe('the catalogue', () => {
  let t: TestPlatform
  beforeAll(async () => {
    t = await startTestPlatform()
  })
  afterAll(() => t.stop())

  it('has every encrypted column as bytes, and no bytes that are not accounted for', async () => {
    const { rows } = await t.admin.query<{ name: string }>(`
      select c.relname || '.' || a.attname as name from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'redoubt'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
        and a.atttypid = 'bytea'::regtype order by 1`)
    const declared = encryptedColumns.flatMap(({ table, sealed, index }) =>
      index === null ? [`${table}.${sealed}`] : [`${table}.${sealed}`, `${table}.${index}`],
    )
    // Hashes, wrapped keys, and the keys of the tenant contexts: nothing that a data key seals.
    const others = [
      'alerts.dedup_key',
      'audit_log.leaf',
      'audit_nodes.hash',
      'context_keys.key',
      'data_keys.wrapped',
      'ingest_receipts.key',
    ]
    expect(rows.map(({ name }) => name)).toEqual([...declared, ...others].sort())
  })

  it('has no column left that is named after what is sealed', async () => {
    const { rows } = await t.admin.query<{ name: string }>(`
      select table_name || '.' || column_name as name from information_schema.columns
      where table_schema = 'redoubt' and column_name ~ '(^|_)(e?mail|phone|ip|address)(_|$)' order by 1`)
    expect(rows.map(({ name }) => name)).toEqual([
      'invitations.email_index',
      'invitations.email_sealed',
      'sessions.ip_sealed',
      'users.email_index',
      'users.email_sealed',
    ])
  })

  it('lets the worker read and write the sealed columns of people, and nothing else of them', async () => {
    const { rows } = await t.admin.query<{ name: string; writes: boolean }>(`
      select c.relname || '.' || a.attname as name, has_column_privilege('redoubt_worker', c.oid, a.attnum, 'update') as writes
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.oid in ('redoubt.users'::regclass, 'redoubt.sessions'::regclass, 'redoubt.invitations'::regclass,
                      'redoubt.credentials'::regclass, 'redoubt.memberships'::regclass)
        and a.attnum > 0 and has_column_privilege('redoubt_worker', c.oid, a.attnum, 'select') order by 1`)
    expect(rows).toEqual([
      { name: 'invitations.email_index', writes: true },
      { name: 'invitations.email_sealed', writes: true },
      { name: 'invitations.id', writes: false },
      { name: 'invitations.organization_id', writes: false },
      { name: 'sessions.id', writes: false },
      { name: 'sessions.ip_sealed', writes: true },
      { name: 'users.email_index', writes: true },
      { name: 'users.email_sealed', writes: true },
      { name: 'users.id', writes: false },
    ])
  })
})

describe('a sealed value', () => {
  let t: TestPlatform
  beforeAll(async () => {
    t = await startTestPlatform()
  })
  afterAll(() => t.stop())

  it('does not open in another row, column, table, class or organization', async () => {
    const { fields } = t.kernel
    const [a, b] = [await t.organization(), await t.organization()]
    const [here, there] = [randomUUIDv7(), randomUUIDv7()]
    const account = await fields.seal(accountEmailOf(here), 'ann@example.org')
    expect(await fields.open(accountEmailOf(here), account)).toBe('ann@example.org')
    const invited = await fields.seal(invitationEmailOf(a.id, here), 'ann@example.org')
    await fields.seal(invitationEmailOf(b.id, here), 'ann@example.org')
    const refusals = [
      fields.open(accountEmailOf(there), account),
      fields.open(sessionAddressOf(here), account),
      fields.open(invitationEmailOf(b.id, here), invited),
      fields.open(invitationEmailOf(a.id, there), invited),
      fields.open(placeOf({ ...accountEmail, column: 'name' }, NIL_ORGANIZATION, here), account),
      fields.open(webhookSecretOf(a.id, here), invited),
    ]
    for (const refusal of refusals) await expect(refusal).rejects.toMatchObject({ code: 'sealed_data' })
  })

  it('that SQL copies to another person is refused instead of shown', async () => {
    const organization = await t.organization()
    const admin = await t.member(organization)
    const victim = await t.member(organization, 'viewer')
    await t.admin.query(
      'update users set email_sealed = (select email_sealed from users where id = $1) where id = $2',
      [admin.userId, victim.userId],
    )
    await expect(t.call(admin, 'members.list', {})).rejects.toMatchObject({ code: 'sealed_data' })
  })

  it('is refused under the keys of the wrong owner, before anything is sealed', () => {
    expect(() => placeOf(invitationEmail, NIL_ORGANIZATION, randomUUIDv7())).toThrow('belong to the organization')
    expect(() => placeOf(accountEmail, randomUUIDv7(), randomUUIDv7())).toThrow('belong to the installation')
  })

  it('of one person is another one each time it is sealed', async () => {
    const place = accountEmailOf(randomUUIDv7())
    const sealed = await Promise.all([1, 2].map(() => t.kernel.fields.seal(place, 'ann@example.org')))
    expect(sealed[0]?.equals(sealed[1] as Buffer)).toBe(false)
  })
})

describe('a blind index', () => {
  let t: TestPlatform
  beforeAll(async () => {
    t = await startTestPlatform()
  })
  afterAll(() => t.stop())

  it('of one address is equal within an organization, and another one in every other and among the accounts', async () => {
    const { fields } = t.kernel
    const [a, b] = [await t.organization(), await t.organization()]
    const index = async (organizationId: string, email: string) =>
      (await invitationIndexes(fields, organizationId, email)).write.subarray(4).toString('hex')
    expect(await index(a.id, 'Ann@Example.org')).toBe(await index(a.id, 'ann@example.org'))
    const all = [
      await index(a.id, 'ann@example.org'),
      await index(b.id, 'ann@example.org'),
      await index(a.id, 'bob@example.org'),
      (await emailIndexes(fields, 'ann@example.org')).write.subarray(4).toString('hex'),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  it('is the same from every service that may ask', async () => {
    const indexes = await Promise.all(
      (['redoubt_web', 'redoubt_api', 'redoubt_worker'] as const).map((role) =>
        emailIndexes(t.parts[role].kernel.fields, 'ann@example.org'),
      ),
    )
    expect(new Set(indexes.map(({ write }) => write.toString('hex'))).size).toBe(1)
  })

  it('is for columns that have one', () => {
    const column = { ...accountEmail, index: null }
    expect(() => indexOf(column, NIL_ORGANIZATION)).toThrow('has no blind index')
  })

  it('is kept from the services that serve no people', async () => {
    const { fields } = t.parts.redoubt_ingestion.kernel
    await expect(emailIndexes(fields, 'ann@example.org')).rejects.toMatchObject({ code: 'unavailable' })
    const sealed = await t.kernel.fields.seal(accountEmailOf(randomUUIDv7()), 'ann@example.org')
    await expect(fields.open(accountEmailOf(randomUUIDv7()), sealed)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('a whole story', () => {
  let t: TestPlatform
  const client = '203.0.113.77'
  const client6 = '2001:db8:1:2:3:4:5:77'
  const emails = [
    'first.operator@example.org',
    'grace.analyst@example.org',
    'never.joined@example.org',
    'unknown@example.org',
  ]
  const logged: string[] = []
  beforeAll(async () => {
    t = await startTestPlatform()
    for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const)
      vi.spyOn(t.kernel.log, level).mockImplementation((...line: unknown[]) => void logged.push(JSON.stringify(line)))
    const [operator, analyst, guest, stranger] = emails as [string, string, string, string]
    const from = (address: string) => ({ address })
    const token = tokenOf(await issueSetUpLink(t.kernel, t.databases.redoubt_web))
    const named = { organization: 'Operators', name: 'First Operator', password }
    await t.call(nobody, 'auth.setUp', { ...named, token, email: operator }, from(client))
    const { accessToken } = await t.call(nobody, 'auth.login', { email: operator, password }, from(client6))
    const me: Credentials = { kind: 'bearer', token: accessToken }
    const { link } = await t.call(me, 'members.invite', { email: analyst, role: 'user' }, from(client))
    await t.call(me, 'members.invite', { email: guest, role: 'viewer' }, from(client))
    await t.call(me, 'members.invite', { email: guest, role: 'user' }, from(client))
    const joining = { token: tokenOf(link), name: 'Grace', password }
    await t.call(nobody, 'auth.invitation', { token: tokenOf(link) }, from(client))
    await t.call(nobody, 'auth.acceptInvitation', joining, from(`::ffff:${client}`))
    for (const email of [analyst, stranger])
      await t.call(nobody, 'auth.login', { email, password: 'wrong' }, from(client)).catch(() => undefined)
    await t.call(nobody, 'auth.acceptInvitation', joining, from(client)).catch(() => undefined)
    await t.call(me, 'sources.create', { name: 'Sensor', slug: 'sensor', type: 'generic', tlp: 'AMBER' }, from(client))
    await t.runWorkerJobs()
  })
  afterAll(() => t.stop())

  it('shows people each other’s addresses and their sessions’ where they may see them', async () => {
    const { accessToken } = await t.call(
      nobody,
      'auth.login',
      { email: 'First.Operator@Example.org', password },
      { address: client },
    )
    const me: Credentials = { kind: 'bearer', token: accessToken }
    expect((await t.call(me, 'auth.me', {})).user.email).toBe(emails[0])
    const { items: members } = await t.call(me, 'members.list', {})
    expect(members.map(({ email }) => email)).toEqual([emails[0], emails[1]])
    const { items: invitations } = await t.call(me, 'members.invitations', {})
    expect(invitations.map(({ email }) => email)).toEqual([emails[2]])
    const { items: sessions } = await t.call(me, 'sessions.list', {})
    expect(sessions.map(({ ip }) => ip).sort()).toEqual([client6, client, client].sort())
    const grace = members.find(({ email }) => email === emails[1])
    const { items: theirs } = await t.call(me, 'sessions.listOfMember', { userId: grace?.userId as string })
    expect(theirs.map(({ ip }) => ip)).toEqual([client])
  })

  it('leaves no e-mail or IP address of a person in any column of any table', async () => {
    const { rows: columns } = await t.admin.query<{ table: string; column: string; type: string }>(`
      select c.oid::regclass::text as table, quote_ident(a.attname) as column, a.atttypid::regtype::text as type
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace in ('redoubt'::regnamespace, 'graphile_worker'::regnamespace) and c.relkind in ('r', 'p')
        and a.attnum > 0 and not a.attisdropped order by 1, 2`)
    expect(columns.length).toBeGreaterThan(250)
    const secrets = [...emails, client, client6]
    const needles = secrets.flatMap((secret) => [
      secret,
      Buffer.from(secret).toString('hex'),
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    ])
    let values = 0
    for (const { table, column, type } of columns) {
      const text = type === 'bytea' ? `encode(${column}, 'hex')` : `${column}::text`
      const { rows } = await t.admin.query<{ text: string }>(
        `select ${text} as text from ${table.includes('.') ? table : `redoubt.${table}`} where ${column} is not null`,
      )
      values += rows.length
      for (const row of rows)
        for (const needle of needles)
          expect(row.text.toLowerCase(), `${table}.${column}`).not.toContain(needle.toLowerCase())
    }
    expect(values).toBeGreaterThan(300)
  })

  it('leaves none in the log either', () => {
    for (const line of logged) for (const secret of [...emails, client, client6]) expect(line).not.toContain(secret)
  })
})

test('a sign-in does the same work for an address with an account and for one without (AUTH-5)', async () => {
  const t = await startTestPlatform()
  const person = await t.member(await t.organization())
  const { fields } = t.kernel
  const spies = (['index', 'indexMany', 'open', 'openMany', 'seal', 'sealMany'] as const).map((name) =>
    vi.spyOn(fields, name),
  )
  const workFor = async (email: string) => {
    for (const spy of spies) spy.mockClear()
    await t.call(nobody, 'auth.login', { email, password: 'not the password' }).catch(() => undefined)
    return spies.map((spy) => spy.mock.calls.length)
  }
  const known = await workFor(person.email)
  expect(known).toEqual(await workFor('nobody@example.org'))
  expect(known).toEqual([1, 1, 0, 0, 0, 0])
  await t.stop()
})

test('an address is one account, whatever form it is written in', async () => {
  const t = await startTestPlatform()
  const admin = await t.member(await t.organization())
  const { link } = await t.call(admin, 'members.invite', { email: 'Ann@Example.org', role: 'user' })
  await t.call(nobody, 'auth.acceptInvitation', { token: tokenOf(link), name: 'Ann', password })
  await expect(t.call(admin, 'members.invite', { email: 'ANN@example.ORG', role: 'admin' })).rejects.toMatchObject({
    code: 'conflict',
  })
  expect(normalEmail('ANN@example.ORG')).toBe('ann@example.org')
  await t.call(nobody, 'auth.login', { email: 'aNN@example.org', password })
  await t.stop()
})
