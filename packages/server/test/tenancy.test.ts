import { randomUUIDv7 } from 'node:crypto'
import { sealTenantContext } from '@redoubt/trust'
import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { serviceRoles } from '../src/platform/database-roles.ts'
import { runJobsOnce } from '../src/platform/jobs.ts'
import { refuseUnsafeRole } from '../src/platform/prepare-database.ts'
import { inSystem, inTenant, systemReasons, type TenantTx } from '../src/platform/tenant-tx.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let a: TestOrganization
let b: TestOrganization
let adminA: TestPerson
beforeAll(async () => {
  t = await startTestPlatform()
  a = await t.organization()
  b = await t.organization()
  adminA = await t.member(a)
  await t.member(b)
  for (const organization of [a, b]) {
    await t.admin.query(
      `insert into cases (organization_id, number, title, severity, tlp, opened_at, opened_by, updated_at) values ($1, 1, 'A case', 2, 'AMBER', now(), 'x', now())`,
      [organization.id],
    )
  }
})
afterAll(() => t.stop())

const openTables = ['migrations', 'context_keys']

describe('the catalogue (TEN-1)', () => {
  it('every table forces row security, has a policy and carries its organization', async () => {
    const { rows } = await t.admin.query<{ name: string; forced: boolean; policies: number; organization: boolean }>(`
      select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
        (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies,
        exists (select 1 from pg_attribute where attrelid = c.oid and attname = 'organization_id') as organization
      from pg_class c where c.relnamespace = 'redoubt'::regnamespace and c.relkind in ('r', 'p') order by 1`)
    expect(rows.length).toBeGreaterThan(30)
    const tenantless = ['service_nonces', 'organizations', 'users', 'credentials', 'refresh_tokens', 'set_up']
    for (const row of rows.filter((each) => !openTables.includes(each.name))) {
      expect(row, row.name).toMatchObject({
        forced: true,
        organization: tenantless.includes(row.name) ? row.organization : true,
      })
      expect(row.policies, row.name).toBeGreaterThan(0)
    }
  })

  it('no application role owns, inherits, bypasses or may create anything', async () => {
    const { rows } = await t.admin.query(
      `
      select r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication,
        (select count(*)::int from pg_auth_members m where m.member = r.oid) as memberships,
        (select count(*)::int from pg_class c where c.relowner = r.oid) as owned,
        has_database_privilege(r.oid, current_database(), 'CREATE') as creates,
        has_database_privilege(r.oid, current_database(), 'TEMP') as temp,
        has_schema_privilege(r.oid, 'redoubt', 'CREATE') or has_schema_privilege(r.oid, 'public', 'CREATE') as schema_creates
      from pg_roles r where r.rolname = any($1) order by 1`,
      [serviceRoles],
    )
    expect(rows).toHaveLength(serviceRoles.length)
    for (const row of rows) {
      expect(row).toMatchObject({
        rolsuper: false,
        rolbypassrls: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        memberships: 0,
        owned: 0,
        creates: false,
        temp: false,
        schema_creates: false,
      })
    }
  })

  it('no application role reads the context keys or changes the audit log', async () => {
    const { rows } = await t.admin.query<{ role: string; bad: boolean }>(
      `
      select r as role, has_table_privilege(r, 'redoubt.context_keys', 'SELECT')
        or has_table_privilege(r, 'redoubt.audit_events', 'UPDATE') or has_table_privilege(r, 'redoubt.audit_events', 'DELETE')
        or has_table_privilege(r, 'redoubt.audit_log', 'UPDATE') or has_table_privilege(r, 'redoubt.audit_log', 'DELETE') as bad
      from unnest($1::text[]) r`,
      [serviceRoles],
    )
    expect(rows.filter((row) => row.bad)).toEqual([])
  })

  it('every reason for work outside a tenant is used by a row policy, and none else is', async () => {
    const { rows } = await t.admin.query<{ expression: string }>(`
      select coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '') as expression from pg_policy
      where polrelid in (select oid from pg_class where relnamespace = 'redoubt'::regnamespace)`)
    const used = new Set(
      rows.flatMap((row) =>
        row.expression.includes('reason()') ? [...row.expression.matchAll(/'([a-z-]+)'::text/g)].map((m) => m[1]) : [],
      ),
    )
    expect([...used].sort()).toEqual([...systemReasons].sort())
  })
})

describe('the boot check', () => {
  it('accepts the roles as they are', async () => {
    const client = await t.databases.redoubt_web.pool.connect()
    await refuseUnsafeRole(client, 'redoubt_web')
    client.release()
  })
  // Roles belong to the whole cluster, so each weakness gets a role of its own.
  test.each([
    ['a superuser', (role: string) => `alter role ${role} superuser`, /superuser or bypasses/],
    ['BYPASSRLS', (role: string) => `alter role ${role} bypassrls`, /superuser or bypasses/],
    ['a role that owns a table', (role: string) => `alter table counters owner to ${role}`, /owns tables/],
    ['a member of the owner', (role: string) => `grant redoubt_owner to ${role}`, /owns tables/],
    ['an unforced table', () => 'alter table counters no force row level security', /not forced on counters/],
  ] as const)('refuses %s with a sentence', async (_what, weaken, sentence) => {
    const role = `probe_${randomUUIDv7().replaceAll('-', '')}`
    await t.admin.query(`create role ${role} login password 'probe'; grant usage on schema redoubt to ${role}`)
    await t.admin.query(weaken(role))
    const client = new pg.Client({ ...t.loginOf('redoubt_web'), user: role, password: 'probe' })
    await client.connect()
    try {
      await expect(refuseUnsafeRole(client, role)).rejects.toThrow(sentence)
    } finally {
      await client.end()
      await t.admin.query('alter table counters owner to redoubt_owner; alter table counters force row level security')
      await t.admin.query(`drop owned by ${role}; drop role ${role}`)
    }
  })
})

describe('the signed context (TEN-2)', () => {
  const seen = (tx: TenantTx) => tx.db.selectFrom('cases').select('organization_id').execute()

  it('shows one tenant’s rows and no other’s', async () => {
    expect(await inTenant(t.databases.redoubt_web, a.id, adminA, seen)).toEqual([{ organization_id: a.id }])
  })

  it('shows nothing without a context', async () => {
    const { rows } = await t.databases.redoubt_web.pool.query('select * from redoubt.cases')
    expect(rows).toEqual([])
  })

  it('shows nothing after the transaction that had one', async () => {
    const pool = new pg.Pool({ ...t.loginOf('redoubt_web'), max: 1, options: '-c search_path=redoubt' })
    await inTenant({ ...t.databases.redoubt_web, pool }, a.id, adminA, seen)
    expect((await pool.query('select * from redoubt.cases')).rows).toEqual([])
    await pool.end()
  })

  const contextFor = (
    pid: number,
    key = t.databases.redoubt_web.contextKey.reveal(),
    expiresAt = new Date(Date.now() + 60_000),
  ) =>
    sealTenantContext(
      { kind: 'user', organizationId: b.id, userId: adminA.userId, role: 'admin' },
      { expiresAt, backendPid: pid },
      key,
    )
  const readAs = async (context: (pid: number) => string) => {
    const client = new pg.Client(t.loginOf('redoubt_web'))
    await client.connect()
    try {
      await client.query('begin')
      await client.query(`select set_config('app.context', $1, true)`, [
        context((client as unknown as { processID: number }).processID),
      ])
      return (await client.query('select organization_id from redoubt.cases')).rows
    } finally {
      await client.end()
    }
  }
  it('with the right key it opens the other tenant: what stops the forgeries below is the key', async () => {
    expect(await readAs((pid) => contextFor(pid))).toEqual([{ organization_id: b.id }])
  })
  it('refuses another role’s key', async () => {
    await expect(readAs((pid) => contextFor(pid, t.databases.redoubt_worker.contextKey.reveal()))).rejects.toThrow(
      'forged tenant context',
    )
  })
  it('refuses a changed organization under a true MAC', async () => {
    await expect(readAs((pid) => contextFor(pid).replace(b.id, a.id))).rejects.toThrow('forged tenant context')
  })
  it('refuses the context of another connection', async () => {
    await expect(readAs((pid) => contextFor(pid + 1))).rejects.toThrow('tenant context of another connection')
  })
  it('refuses an expired context', async () => {
    await expect(readAs((pid) => contextFor(pid, undefined, new Date(Date.now() - 1000)))).rejects.toThrow(
      'expired tenant context',
    )
  })
  it('refuses text that is no context at all', async () => {
    await expect(readAs(() => 'x'.repeat(80))).rejects.toThrow()
  })
})

describe('a transaction’s handle', () => {
  it('throws once its function has returned, so it cannot be smuggled into another tenant’s', async () => {
    let smuggled: TenantTx | undefined
    await inTenant(t.databases.redoubt_web, a.id, adminA, async (tx) => {
      smuggled = tx
    })
    await expect((smuggled as TenantTx).db.selectFrom('cases').selectAll().execute()).rejects.toThrow('has ended')
  })

  it('rolls back what a failing function wrote', async () => {
    await expect(
      inTenant(t.databases.redoubt_web, a.id, adminA, async ({ db }) => {
        await db.updateTable('cases').set({ title: 'changed' }).where('organization_id', '=', a.id).execute()
        throw new Error('half-way')
      }),
    ).rejects.toThrow('half-way')
    expect((await t.admin.query('select title from cases where organization_id = $1', [a.id])).rows).toEqual([
      { title: 'A case' },
    ])
  })

  it('writes nothing in read mode', async () => {
    await expect(
      inTenant(
        t.databases.redoubt_web,
        a.id,
        adminA,
        ({ db }) => db.updateTable('cases').set({ title: 'changed' }).execute(),
        'read',
      ),
    ).rejects.toThrow('read-only')
  })
})

describe('what a smaller right opens in the database', () => {
  const becomeAdmin = (db: TenantTx['db']) => sql`update memberships set role = 'admin'`.execute(db)

  it('makes nobody an admin, nor lets them read invitations, who is none', async () => {
    const user = await t.member(a, 'user')
    await inTenant(t.databases.redoubt_web, a.id, user, ({ db }) => becomeAdmin(db))
    await inTenant(t.databases.redoubt_web, a.id, user, ({ db }) => sql`delete from memberships`.execute(db))
    const { rows } = await t.admin.query('select role from memberships where user_id = $1', [user.userId])
    expect(rows).toEqual([{ role: 'user' }])
    await t.call(adminA, 'members.invite', { email: 'invited@example.org', role: 'user' })
    const invitations = ({ db }: TenantTx) => db.selectFrom('invitations').select('id').execute()
    expect(await inTenant(t.databases.redoubt_web, a.id, user, invitations)).toEqual([])
    expect(await inTenant(t.databases.redoubt_web, a.id, adminA, invitations)).toHaveLength(1)
  })

  it.each(systemReasons)('neither changes nor ends a membership for the reason %s', async (reason) => {
    const before = (await t.admin.query('select * from memberships order by user_id')).rows
    await inSystem(t.databases.redoubt_web, reason, ({ db }) => becomeAdmin(db))
    await inSystem(t.databases.redoubt_web, reason, ({ db }) => sql`delete from memberships`.execute(db))
    expect((await t.admin.query('select * from memberships order by user_id')).rows).toEqual(before)
  })

  it.each([
    `update credentials set password_hash = '$argon2id$'`,
    `update sessions set token_hash = 'known'`,
    `update sessions set expires_at = 'infinity'`,
    `update refresh_tokens set session_id = null`,
    `update invitations set email_sealed = '', email_index = ''`,
  ])('has no right to %s', async (statement) => {
    await expect(
      inSystem(t.databases.redoubt_web, 'sign-in', ({ db }) => sql.raw(statement).execute(db)),
    ).rejects.toThrow('permission denied')
  })
})

describe('writing across the wall', () => {
  it('refuses a row of another organization', async () => {
    await expect(
      inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) =>
        db.insertInto('counters').values({ organization_id: b.id, name: 'case', value: 9 }).execute(),
      ),
    ).rejects.toThrow('row-level security')
  })
  it('changes no row of another organization, even without a WHERE', async () => {
    await inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) => sql`update cases set title = 'mine'`.execute(db))
    expect((await t.admin.query('select title from cases where organization_id = $1', [b.id])).rows).toEqual([
      { title: 'A case' },
    ])
  })
  it('puts no job on the queue for another organization', async () => {
    await inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) =>
      sql`select redoubt.enqueue('runs.push', ${JSON.stringify({ runId: randomUUIDv7(), organizationId: b.id })}::jsonb)`.execute(
        db,
      ),
    )
    const { rows } = await t.admin.query<{ payload: { body: string } }>(
      'select payload from graphile_worker._private_jobs',
    )
    expect(rows.map((row) => JSON.parse(row.payload.body.slice('runs.push|'.length)).organizationId)).toEqual([a.id])
  })
  it('runs no job that SQL as the worker planted or altered', async () => {
    const taken: unknown[] = []
    const run = () =>
      runJobsOnce(t.parts.redoubt_worker.kernel, t.loginOf('redoubt_worker'), {
        'cases.check-response': async (payload) => void taken.push(payload),
      })
    const enqueue = (caseId: string) =>
      inTenant(t.databases.redoubt_worker, a.id, { service: 'worker' }, ({ db }) =>
        sql`select redoubt.enqueue('cases.check-response', ${JSON.stringify({ caseId })}::jsonb)`.execute(db),
      )
    const own = randomUUIDv7()
    await enqueue(own)
    await run()
    expect(taken).toEqual([{ caseId: own, organizationId: a.id }])

    const { pool } = t.databases.redoubt_worker
    await pool.query(`select graphile_worker.add_job('cases.check-response', $1)`, [
      JSON.stringify({ caseId: own, organizationId: b.id }),
    ])
    await enqueue(own)
    await pool.query(
      `update graphile_worker._private_jobs set payload = replace(payload::text, $1, $2)::json where payload::text like '%mac%' and attempts = 0`,
      [a.id, b.id],
    )
    await run()
    expect(taken).toHaveLength(1)
    // The queue notes a failure behind the answer of `run`; the database must not go away before that.
    const noted = `select last_error from graphile_worker._private_jobs where locked_by is null and last_error is not null`
    await expect.poll(async () => (await t.admin.query(noted)).rows.length).toBe(2)
    await t.admin.query('delete from graphile_worker._private_jobs')
  })
  it('takes no task that is not on the list', async () => {
    await expect(
      inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) =>
        sql`select redoubt.enqueue('anything', '{}'::jsonb)`.execute(db),
      ),
    ).rejects.toThrow('unknown task')
  })
  it('runs one statement at a time, so injected text cannot add its own', async () => {
    for (const text of ['select 1; select 2', `select '${'x'.repeat(5000)}'; deallocate all`]) {
      await expect(
        inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) => sql.raw(text).execute(db)),
      ).rejects.toThrow('multiple commands')
    }
  })
  it('makes no temporary table that would shadow a real one for the next tenant', async () => {
    await expect(
      inTenant(t.databases.redoubt_web, a.id, adminA, ({ db }) => sql`create temp table cases (id int)`.execute(db)),
    ).rejects.toThrow('permission denied')
  })
})

test('work outside a tenant sees no tenant’s cases, whatever its reason', async () => {
  for (const reason of systemReasons) {
    expect(
      await inSystem(t.databases.redoubt_web, reason, ({ db }) => db.selectFrom('cases').selectAll().execute()),
    ).toEqual([])
  }
})
