import type { ServiceRole } from '@redoubt/server'
import type { AnyAttack } from '../attack.ts'
import { changed, type Inside, rows, type SqlAttack, sqlAttack } from '../sql.ts'

/* What is another tenant's, and what is RED, under row security: the SQL runs inside a transaction of B, or of an
 * uninvited member of A, as if it had been injected there. */

const openTable = (...tables: string[]) =>
  tables.map((table) => `alter table redoubt.${table} disable row level security`)
const service =
  (name: string) =>
  ({ b }: Inside) => ({ kind: 'service' as const, organizationId: b.id, service: name })

/** Each service reads the table it lives on, across tenants: with a context of B, and with none at all. */
const readable: readonly { role: ServiceRole; table: string; as?: SqlAttack['as'] }[] = [
  { role: 'redoubt_web', table: 'cases' },
  { role: 'redoubt_api', table: 'alerts' },
  { role: 'redoubt_ingestion', table: 'sources', as: service('ingestion') },
  { role: 'redoubt_worker', table: 'alerts', as: service('worker') },
  { role: 'redoubt_workflow', table: 'playbooks', as: service('workflow-processor') },
]

const crossTenant = readable.flatMap(({ role, table, as }): AnyAttack[] => {
  const name = role.replace('redoubt_', '')
  const attack = { role, requirement: 'TEN-1', lift: openTable(table) }
  return [
    sqlAttack({
      ...attack,
      id: `${name}.other-tenant`,
      title: `select A’s ${table} inside a transaction of B`,
      ...(as === undefined ? {} : { as }),
      statements: ({ a }) => `select organization_id from redoubt.${table} where organization_id = '${a.id}'`,
    }),
    sqlAttack({
      ...attack,
      id: `${name}.no-context`,
      title: `select ${table} with no tenant context at all`,
      as: null,
      statements: () => `select organization_id from redoubt.${table}`,
    }),
  ]
})

const uninvited = ({ a, people }: Inside) => ({
  kind: 'user' as const,
  organizationId: a.id,
  userId: people.user.userId,
  role: 'user' as const,
})
const moreThanSeen: SqlAttack['gain'] = ({ results, count }) => {
  const seen = Number(results[0]?.rows[0]?.['seen'] ?? 0)
  return count > seen ? `${count} rows changed, of which ${seen} are visible` : null
}

export const sqlTenantAttacks: readonly AnyAttack[] = [
  ...crossTenant,
  sqlAttack({
    id: 'api.update-everything',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'update every tenant’s alerts by leaving the WHERE out',
    statements: () => `select count(*)::int as seen from redoubt.alerts where organization_id = redoubt.organization();
      update redoubt.alerts set count = count`,
    lift: openTable('alerts'),
    gain: moreThanSeen,
  }),
  sqlAttack({
    id: 'api.insert-elsewhere',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'write a line into the timeline of A’s case',
    statements: ({
      a,
      b,
    }) => `insert into redoubt.case_timeline (organization_id, case_id, at, kind, actor_kind, actor_id, actor_name, text)
      values ('${a.id}', '${a.caseId}', now(), 'comment', 'person', '${b.admin.userId}', 'Mallory', 'was here')`,
    lift: openTable('case_timeline', 'cases'),
    gain: changed,
  }),
  sqlAttack({
    id: 'api.move-row',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'move a row of B into A',
    statements: ({ a, b }) =>
      `update redoubt.counters set organization_id = '${a.id}', name = 'planted' where organization_id = '${b.id}'`,
    lift: openTable('counters'),
    gain: changed,
  }),
  sqlAttack({
    id: 'api.on-conflict',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'reach A’s source through ON CONFLICT DO UPDATE',
    statements: ({
      a,
    }) => `insert into redoubt.sources (organization_id, name, slug, type, tlp, token_hash, webhook_secret, created_at)
      values ('${a.id}', 'x', '${a.secret.slice(0, 48)}', 'generic', 'AMBER', 'x', '', now())
      on conflict (organization_id, slug) do update set token_hash = 'mine' returning id`,
    lift: openTable('sources'),
  }),
  sqlAttack({
    id: 'api.foreign-key',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'hang a task of B onto A’s case through its foreign key',
    statements: ({ a, b }) =>
      `insert into redoubt.case_tasks (organization_id, case_id, title, created_at) values ('${b.id}', '${a.caseId}', 'x', now())`,
    lift: [
      ...openTable('case_tasks'),
      'alter table redoubt.case_tasks drop constraint case_tasks_organization_id_case_id_fkey',
    ],
    gain: changed,
    sqlstates: ['42501', '23503'],
  }),
  sqlAttack({
    id: 'api.error-message',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'have an error quote the title of A’s case (a cast that fails before the policy)',
    statements: ({ a }) => `select * from redoubt.cases where title::int = 0 and id = '${a.caseId}'`,
    lift: openTable('cases'),
    gain: ({ error }, { a }) => (error?.message.includes(a.secret) ? `${error.sqlstate} ${error.message}` : null),
  }),
  sqlAttack({
    id: 'api.statistics',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'read A’s titles in the planner’s statistics',
    statements:
      () => `select tablename, attname, coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '') as held
      from pg_stats where schemaname = 'redoubt' and tablename in ('cases', 'sources')`,
    lift: [...openTable('cases', 'sources'), 'analyze redoubt.cases', 'analyze redoubt.sources'],
    gain: ({ rows }, { a }) =>
      rows.some(({ held }) => String(held).includes(a.secret)) ? `a title of A among ${rows.length} columns` : null,
  }),
  sqlAttack({
    id: 'api.explain',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'read A’s rows through EXPLAIN ANALYZE',
    statements: ({ a }) =>
      `explain (analyze, costs off, timing off, summary off, format json) select * from redoubt.cases where organization_id = '${a.id}'`,
    lift: openTable('cases'),
    gain: ({ rows }) => {
      const [{ Plan }] = (rows[0]?.['QUERY PLAN'] ?? [{ Plan: {} }]) as [{ Plan: Record<string, number> }]
      return (Plan['Actual Rows'] ?? 0) > 0 ? `the plan returned ${Plan['Actual Rows']} rows` : null
    },
  }),
  sqlAttack({
    id: 'api.credentials',
    role: 'redoubt_api',
    requirement: 'AUTH-4',
    title: 'read password hashes inside a tenant’s transaction',
    statements: () => 'select password_hash from redoubt.credentials',
    lift: openTable('credentials'),
  }),
  sqlAttack({
    id: 'web.sessions',
    role: 'redoubt_web',
    requirement: 'SESS-1',
    title: 'read the sessions of A’s people inside a transaction of B',
    statements: ({ a }) => `select token_hash from redoubt.sessions where user_id = '${a.admin.userId}'`,
    lift: openTable('sessions'),
  }),
  sqlAttack({
    id: 'api.grant-oneself',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'make B’s admin a member of A',
    statements: ({ a, b }) =>
      `insert into redoubt.memberships (organization_id, user_id, role, created_at) values ('${a.id}', '${b.admin.userId}', 'admin', now())`,
    lift: openTable('memberships'),
    gain: changed,
  }),
  sqlAttack({
    id: 'api.red',
    role: 'redoubt_api',
    requirement: 'TLP-2',
    title: 'read A’s RED case as an uninvited member of A',
    as: uninvited,
    statements: () => `select title from redoubt.cases where tlp = 'RED'`,
    lift: ['drop policy audience on redoubt.cases'],
  }),
  sqlAttack({
    id: 'api.red-update',
    role: 'redoubt_api',
    requirement: 'TLP-2',
    title: 'change RED cases unseen, by an UPDATE without WHERE',
    as: uninvited,
    statements: () => 'select count(*)::int as seen from redoubt.cases; update redoubt.cases set alert_count = 0',
    lift: ['drop policy audience_update on redoubt.cases'],
    gain: moreThanSeen,
  }),
  sqlAttack({
    id: 'api.red-recipients',
    role: 'redoubt_api',
    requirement: 'TLP-2',
    title: 'name oneself on a RED case',
    as: uninvited,
    statements: ({ a, people }) =>
      `insert into redoubt.case_recipients (organization_id, case_id, user_id) values ('${a.id}', '${people.red.caseId}', '${people.user.userId}')`,
    lift: ['drop policy audience_insert on redoubt.case_recipients'],
    gain: changed,
  }),
  sqlAttack({
    id: 'web.red-timeline',
    role: 'redoubt_web',
    requirement: 'TLP-2',
    title: 'read what was said in a RED case, past the case itself',
    as: uninvited,
    statements: ({ people }) => `select text from redoubt.case_timeline where case_id = '${people.red.caseId}'`,
    lift: ['drop policy audience on redoubt.case_timeline'],
  }),
  sqlAttack({
    id: 'api.red-alert',
    role: 'redoubt_api',
    requirement: 'TLP-2',
    title: 'lift the restriction of a RED case’s alerts',
    as: uninvited,
    statements: ({ people }) =>
      `update redoubt.alerts set restricted_case = null; select 1 from redoubt.alerts where id = '${people.red.alertId}'`,
    lift: ['drop policy audience on redoubt.alerts', 'drop policy audience_update on redoubt.alerts'],
    gain: rows,
  }),
  sqlAttack({
    id: 'worker.enqueue-elsewhere',
    role: 'redoubt_worker',
    requirement: 'TEN-5',
    title: 'enqueue a job in the name of A',
    as: service('worker'),
    statements: ({
      a,
    }) => `select redoubt.enqueue('alerts.enrich', '{"organizationId":"${a.id}","alertIds":["drill"]}');
      select payload from graphile_worker._private_jobs where payload::text like '%drill%' and payload::text like '%${a.id}%'`,
    lift: [
      `create or replace function redoubt.enqueue(task text, payload jsonb, run_at timestamptz default null, job_key text default null) returns void
       language plpgsql security definer set search_path = pg_catalog as $$ begin perform graphile_worker.add_job(task, payload::json); end $$`,
    ],
  }),
  sqlAttack({
    id: 'api.enqueue-unknown',
    role: 'redoubt_api',
    requirement: 'SVC-2',
    title: 'enqueue a task that does not exist',
    statements: () => `select redoubt.enqueue('shell.run', '{"command":"id"}') is null as queued`,
    lift: [
      `create or replace function redoubt.enqueue(task text, payload jsonb, run_at timestamptz default null, job_key text default null) returns void
       language plpgsql security definer set search_path = pg_catalog as $$ begin perform graphile_worker.add_job(task, payload::json); end $$`,
    ],
  }),
  sqlAttack({
    id: 'api.audit-of-a',
    role: 'redoubt_api',
    requirement: 'AUD-1',
    title: 'forge an event in A’s audit log',
    statements: ({
      a,
      b,
    }) => `insert into redoubt.audit_events (organization_id, at, actor_kind, actor_id, actor_name, action, outcome)
      values ('${a.id}', now(), 'person', '${b.admin.userId}', 'Mallory', 'case.closed', 'allowed')`,
    lift: openTable('audit_events', 'audit_unsealed'),
    gain: changed,
  }),
]
