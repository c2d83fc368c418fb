import type { OrganizationId } from '@redoubt/contract'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { listCases } from '../src/modules/cases/store/cases.ts'
import { type Database, openDatabase } from '../src/platform/database.ts'
import { inTenant, type TenantTx } from '../src/platform/tenant-tx.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let a: TestOrganization
let b: TestOrganization
let viewerA: TestPerson
let moderatorA: TestPerson
let viewerB: TestPerson
/** One connection, so that every transaction meets the statements of the ones before it. */
let database: Database

beforeAll(async () => {
  t = await startTestPlatform()
  a = await t.organization()
  b = await t.organization()
  viewerA = await t.member(a, 'viewer')
  moderatorA = await t.member(a, 'moderator')
  viewerB = await t.member(b, 'viewer')
  await t.admin.query(
    `insert into cases (organization_id, number, title, severity, tlp, audience, opened_at, opened_by, updated_at)
     select o, n, case n % 2 when 0 then 'open to all' else 'named' end, 2, 'AMBER', case n % 2 when 0 then 'organization' else 'named' end, now(), 'x', now()
     from unnest($1::uuid[]) o, generate_series(1, 200) n`,
    [[a.id, b.id]],
  )
  await t.admin.query('analyze cases')
})
afterAll(() => t.stop())
beforeEach(async () => {
  const role = 'redoubt_api'
  const { rolePasswords, contextKeys } = t.secrets
  database = await openDatabase(t.loginOf(role), role, rolePasswords[role], contextKeys[role], { connections: 1 })
})
afterEach(() => database.close())

const as = <T>({ userId, role, organizationId }: TestPerson, use: (tx: TenantTx) => Promise<T>): Promise<T> =>
  inTenant(database, organizationId, { userId, role }, use, 'read')
const titlesFor = async (person: TestPerson) =>
  new Set((await as(person, (tx) => listCases(tx, {}, null, 51))).map((row) => row.title))

type Prepared = { readonly statement: string; readonly generic_plans: number }
const preparedFor = (person: TestPerson): Promise<Prepared[]> =>
  as(
    person,
    async (tx) =>
      (await sql<Prepared>`select statement, generic_plans from pg_prepared_statements`.execute(tx.db)).rows,
  )

describe('statements prepared once for every tenant', () => {
  it('keep one plan for a page, its size being a part of the statement', async () => {
    for (let run = 0; run < 8; run++) await titlesFor(viewerA)
    const pages = (await preparedFor(viewerA)).filter(({ statement }) => statement.includes('limit 51'))
    expect(pages).toHaveLength(1)
    expect(pages[0]?.generic_plans).toBeGreaterThan(0)
  })

  it('show each person their own rows whoever ran the plan before', async () => {
    for (let run = 0; run < 12; run++) {
      expect(await titlesFor(moderatorA)).toEqual(new Set(['named', 'open to all']))
      expect(await titlesFor(viewerA)).toEqual(new Set(['open to all']))
    }
  })

  it('show nothing of another tenant even when a kept plan is asked for it', async () => {
    const idsIn = (person: TestPerson, organizationId: OrganizationId) =>
      as(person, ({ db }) =>
        db.selectFrom('cases').select('id').where('organization_id', '=', organizationId).execute(),
      )
    for (let run = 0; run < 12; run++) {
      expect(await idsIn(viewerA, a.id)).toHaveLength(100)
      expect(await idsIn(viewerB, a.id)).toEqual([])
      expect(await idsIn(viewerB, b.id)).toHaveLength(100)
    }
  })

  it('work again after a transaction in which they could not be prepared', async () => {
    const broken = as(viewerA, (tx) =>
      // Sent together: the page is prepared in a transaction that has already failed.
      Promise.all([sql`select 1 / 0`.execute(tx.db), listCases(tx, {}, null, 51)]),
    )
    await expect(broken).rejects.toThrow('division by zero')
    expect(await titlesFor(viewerA)).toEqual(new Set(['open to all']))
  })

  it('are forgotten with their connection before a caller’s filters fill the server’s memory', async () => {
    for (let limit = 1; limit <= 700; limit++) await as(viewerA, (tx) => listCases(tx, {}, null, limit))
    expect((await preparedFor(viewerA)).length).toBeLessThan(400)
  })

  it('are not made of long lists, which hardly come twice', async () => {
    const severity = Array.from({ length: 2000 }, (_, at) => at % 5)
    await as(viewerA, (tx) => listCases(tx, { severity }, null, 51))
    expect((await preparedFor(viewerA)).filter(({ statement }) => statement.length > 4096)).toEqual([])
  })
})

describe('the end of a read', () => {
  it('gives its connection back after its answer, again and again', async () => {
    for (let run = 0; run < 50; run++) await titlesFor(viewerA)
    await expect.poll(() => database.pool.idleCount).toBe(1)
    expect(database.pool.totalCount).toBe(1)
  })

  it('gives it back after a failure too', async () => {
    await expect(as(viewerA, (tx) => sql`select 1 / 0`.execute(tx.db))).rejects.toThrow('division by zero')
    await expect.poll(() => database.pool.idleCount).toBe(1)
  })

  it('changes nothing: the transaction of a read is read-only', async () => {
    const writing = as(viewerA, ({ db, organizationId }) =>
      db.updateTable('cases').set({ title: 'changed' }).where('organization_id', '=', organizationId).execute(),
    )
    await expect(writing).rejects.toThrow('read-only transaction')
  })
})
