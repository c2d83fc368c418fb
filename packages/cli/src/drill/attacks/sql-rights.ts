import type { AnyAttack } from '../attack.ts'
import { adminOf, changed, done, type Inside, sqlAttack } from '../sql.ts'

/* What a service's role may do at all (SVC-2), and how SQL could climb out of it. */

const ofA = ({ a }: Inside) => adminOf(a)
const grant = (right: string, on: string, role: string) => `grant ${right} on ${on} to ${role}`
/** Everything that guards the audit tables against change; the triggers hold even where rights are given. */
const unguarded = (table: string, role: string) => [
  grant('update, delete, truncate', `redoubt.${table}`, role),
  `alter table redoubt.${table} disable trigger user`,
]

export const sqlRightsAttacks: readonly AnyAttack[] = [
  sqlAttack({
    id: 'api.context-keys',
    role: 'redoubt_api',
    requirement: 'TEN-2',
    title: 'read the keys that seal the tenant context',
    statements: () => 'select key from redoubt.context_keys',
    lift: [grant('select', 'redoubt.context_keys', 'redoubt_api')],
  }),
  sqlAttack({
    id: 'ingestion.credentials',
    role: 'redoubt_ingestion',
    requirement: 'SVC-2',
    title: 'read password hashes',
    statements: () => 'select password_hash from redoubt.credentials',
    lift: [
      grant('select', 'redoubt.credentials', 'redoubt_ingestion'),
      'alter table redoubt.credentials disable row level security',
    ],
  }),
  sqlAttack({
    id: 'ingestion.cases',
    role: 'redoubt_ingestion',
    requirement: 'SVC-2',
    title: 'read the cases of the tenant whose alert it takes',
    statements: () => 'select title from redoubt.cases',
    lift: [grant('select', 'redoubt.cases, redoubt.case_recipients', 'redoubt_ingestion')],
  }),
  sqlAttack({
    id: 'worker.credentials',
    role: 'redoubt_worker',
    requirement: 'SVC-2',
    title: 'read password hashes',
    statements: () => 'select password_hash from redoubt.credentials',
    lift: [
      grant('select', 'redoubt.credentials', 'redoubt_worker'),
      'alter table redoubt.credentials disable row level security',
    ],
  }),
  sqlAttack({
    id: 'workflow.approve',
    role: 'redoubt_workflow',
    requirement: 'PLAN-2',
    title: 'approve a waiting step by itself',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'workflow-processor' }),
    statements: ({
      a,
      people,
    }) => `insert into redoubt.approvals (organization_id, run_id, step_id, user_id, at, decision, statement)
      values ('${a.id}', '${people.red.runId}', 'ok', '${a.admin.userId}', now(), 'approved', 'forged')`,
    lift: [grant('insert', 'redoubt.approvals', 'redoubt_workflow')],
    gain: changed,
  }),
  sqlAttack({
    id: 'api.plan',
    role: 'redoubt_api',
    requirement: 'SVC-2',
    title: 'write a plan, which the workflow-processor alone does',
    as: ofA,
    statements: ({
      a,
      people,
    }) => `insert into redoubt.plans (organization_id, id, run_id, canonical, sha256, key_id, issued_at, expires_at)
      values ('${a.id}', gen_random_uuid(), '${people.red.runId}', '{}', '', '', now(), now())`,
    lift: [grant('insert', 'redoubt.plans', 'redoubt_api'), 'alter table redoubt.plans disable row level security'],
    gain: changed,
  }),
  ...(['update', 'delete', 'truncate'] as const).map((verb) =>
    sqlAttack({
      id: `api.audit-${verb}`,
      role: 'redoubt_api',
      requirement: 'AUD-1',
      title: `${verb} events of one’s own audit log`,
      as: ofA,
      statements: () =>
        verb === 'update'
          ? `update redoubt.audit_events set outcome = 'allowed'`
          : verb === 'delete'
            ? 'delete from redoubt.audit_events where id not in (select event_id from redoubt.audit_log)'
            : 'truncate redoubt.audit_checkpoints',
      lift: [
        ...unguarded(verb === 'truncate' ? 'audit_checkpoints' : 'audit_events', 'redoubt_api'),
        ...(verb === 'delete'
          ? [
              // One that is not sealed yet, which no foreign key holds.
              `insert into redoubt.audit_events (organization_id, at, actor_kind, actor_id, actor_name, action, outcome)
               select id, now(), 'service', 'drill', 'drill', 'drill.made', 'allowed' from redoubt.organizations`,
            ]
          : []),
      ],
      gain: verb === 'truncate' ? done : changed,
    }),
  ),
  sqlAttack({
    id: 'worker.audit-rewrite',
    role: 'redoubt_worker',
    requirement: 'AUD-1',
    title: 'rewrite sealed events, as the role that seals them',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'worker' }),
    statements: () => `update redoubt.audit_log set body = '{}'`,
    lift: unguarded('audit_log', 'redoubt_worker'),
    gain: changed,
  }),
  sqlAttack({
    id: 'worker.audit-triggers',
    role: 'redoubt_worker',
    requirement: 'AUD-1',
    title: 'switch off the trigger that refuses to change sealed events',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'worker' }),
    statements: () => 'alter table redoubt.audit_log disable trigger append_only',
    lift: ['alter table redoubt.audit_log owner to redoubt_worker'],
    gain: done,
  }),
  sqlAttack({
    id: 'api.replica',
    role: 'redoubt_api',
    requirement: 'AUD-1',
    title: 'switch all triggers off (session_replication_role)',
    statements: () => 'set session_replication_role = replica',
    lift: ['grant set on parameter session_replication_role to redoubt_api'],
    gain: done,
  }),
  sqlAttack({
    id: 'api.no-force',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'switch row security off on a table',
    statements: () => 'alter table redoubt.cases disable row level security',
    lift: ['alter table redoubt.cases owner to redoubt_api'],
    gain: done,
  }),
  sqlAttack({
    id: 'api.row-security-off',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'ask for row security to be off (row_security)',
    statements: () => 'set local row_security = off; select title from redoubt.cases',
    lift: ['alter role redoubt_api bypassrls'],
  }),
  sqlAttack({
    id: 'web.set-role',
    role: 'redoubt_web',
    requirement: 'SVC-2',
    title: 'become the owner of the tables',
    statements: () => 'set role redoubt_owner; select key from redoubt.context_keys',
    lift: ['alter role redoubt_web superuser'],
  }),
  sqlAttack({
    id: 'ingestion.set-role',
    role: 'redoubt_ingestion',
    requirement: 'ZT-3',
    title: 'become another service',
    statements: () => 'set role redoubt_api; select 1 as there',
    lift: ['grant redoubt_api to redoubt_ingestion'],
  }),
  sqlAttack({
    id: 'api.session-authorization',
    role: 'redoubt_api',
    requirement: 'ZT-3',
    title: 'become another service to the function that checks contexts (session_user)',
    statements: () => 'set session authorization redoubt_worker; select session_user as now',
    lift: ['alter role redoubt_api superuser'],
  }),
  sqlAttack({
    id: 'api.temp-table',
    role: 'redoubt_api',
    requirement: 'TEN-1',
    title: 'shadow a table with a temporary one for the next tenant on this connection',
    statements: () => 'create temporary table alerts (id uuid)',
    lift: [`do $$ begin execute format('grant temporary on database %I to redoubt_api', current_database()); end $$`],
    gain: done,
  }),
  sqlAttack({
    id: 'api.function',
    role: 'redoubt_api',
    requirement: 'TEN-2',
    title: 'put a function of one’s own in the place of the context check (search path)',
    statements: () =>
      `create function redoubt.organization(int default 0) returns uuid language sql as 'select null::uuid'`,
    lift: [grant('create', 'schema redoubt', 'redoubt_api')],
    gain: done,
  }),
  sqlAttack({
    id: 'api.schema',
    role: 'redoubt_api',
    requirement: 'TEN-2',
    title: 'make a schema of one’s own to hijack names from',
    statements: () => 'create schema mine',
    lift: [`do $$ begin execute format('grant create on database %I to redoubt_api', current_database()); end $$`],
    gain: done,
  }),
  sqlAttack({
    id: 'worker.extension',
    role: 'redoubt_worker',
    requirement: 'ZT-3',
    title: 'load an extension',
    statements: () => 'create extension citext',
    lift: [`do $$ begin execute format('grant create on database %I to redoubt_worker', current_database()); end $$`],
    gain: done,
  }),
  sqlAttack({
    id: 'api.program',
    role: 'redoubt_api',
    requirement: 'ZT-3',
    title: 'run a program on the database’s machine (COPY … TO PROGRAM)',
    // One that reads: what ends before it is written to fails for that reason alone.
    statements: () => `copy (select 1) to program 'cat > /dev/null'`,
    lift: ['grant pg_execute_server_program to redoubt_api'],
    gain: done,
  }),
  sqlAttack({
    id: 'api.read-file',
    role: 'redoubt_api',
    requirement: 'ZT-3',
    title: 'read a file of the database’s machine (pg_read_file)',
    statements: () => `select pg_read_file('PG_VERSION') as content`,
    lift: ['grant execute on function pg_read_file(text) to redoubt_api'],
  }),
  sqlAttack({
    id: 'worker.import-file',
    role: 'redoubt_worker',
    requirement: 'ZT-3',
    title: 'read a file of the database’s machine (lo_import)',
    statements: () => `select lo_import('/etc/hostname') as content`,
    lift: [
      'grant pg_read_server_files to redoubt_worker',
      'grant execute on function lo_import(text) to redoubt_worker',
    ],
  }),
  sqlAttack({
    id: 'workflow.role-password',
    role: 'redoubt_workflow',
    requirement: 'ZT-3',
    title: 'read the password hashes of the database’s roles',
    statements: () => `select rolpassword from pg_authid where rolpassword is not null`,
    lift: [grant('select', 'pg_authid', 'redoubt_workflow')],
  }),
  sqlAttack({
    id: 'ingestion.jobs',
    role: 'redoubt_ingestion',
    requirement: 'SVC-2',
    title: 'read or plant jobs in the queue directly',
    statements: () =>
      `select graphile_worker.add_job('runs.push', '{"organizationId":"00000000-0000-4000-8000-000000000000"}') is not null as planted`,
    lift: ['grant usage on schema graphile_worker to redoubt_ingestion', 'alter role redoubt_ingestion superuser'],
  }),
  sqlAttack({
    id: 'api.delete-case',
    role: 'redoubt_api',
    requirement: 'SVC-2',
    title: 'delete cases with their history',
    as: ofA,
    statements: () => `delete from redoubt.case_timeline`,
    lift: [grant('delete', 'redoubt.case_timeline', 'redoubt_api')],
    gain: changed,
  }),
  sqlAttack({
    id: 'api.rewrite-timeline',
    role: 'redoubt_api',
    requirement: 'SVC-2',
    title: 'rewrite what somebody said in a case',
    as: ofA,
    statements: () => `update redoubt.case_timeline set text = 'I never said that'`,
    lift: [grant('update', 'redoubt.case_timeline', 'redoubt_api')],
    gain: changed,
  }),
]
