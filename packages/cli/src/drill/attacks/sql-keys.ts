import { randomBytes } from 'node:crypto'
import type { AnyAttack } from '../attack.ts'
import { adminOf, changed, done, type Inside, sqlAttack } from '../sql.ts'

/* SQL at what the trust core keeps in the database: data keys, nonces, sealed columns, and the role of backups. */

const ofA = ({ a }: Inside) => adminOf(a)
const off = (table: string) => `alter table redoubt.${table} disable row level security`
const grant = (right: string, on: string, role: string) => `grant ${right} on ${on} to ${role}`

/** What the role that reads every row for backups must not do. */
const asBackup = (id: string, title: string, statements: (t: Inside) => string, lift: readonly string[]): AnyAttack =>
  sqlAttack({
    id: `backup.${id}`,
    role: 'redoubt_backup',
    requirement: 'OPS-3',
    title,
    as: null,
    statements,
    lift,
    gain: done,
  })

export const sqlKeysAttacks: readonly AnyAttack[] = [
  sqlAttack({
    id: 'web.data-keys',
    role: 'redoubt_web',
    requirement: 'TEN-1',
    title: 'read the wrapped data keys of A',
    statements: ({ a }) => `select wrapped from redoubt.data_keys where organization_id = '${a.id}'`,
    lift: [off('data_keys')],
  }),
  sqlAttack({
    id: 'ingestion.data-keys-installation',
    role: 'redoubt_ingestion',
    requirement: 'KEY-1',
    title: 'read the wrapped keys of everybody’s addresses',
    as: ({ b }) => ({ kind: 'service', organizationId: b.id, service: 'ingestion' }),
    statements: () =>
      `select wrapped from redoubt.data_keys where organization_id = '00000000-0000-0000-0000-000000000000'`,
    lift: [off('data_keys')],
  }),
  sqlAttack({
    id: 'api.data-key-exchanged',
    role: 'redoubt_api',
    requirement: 'KEY-1',
    title: 'exchange a wrapped data key of one’s own organization',
    as: ofA,
    statements: () => `update redoubt.data_keys set wrapped = '\\x${randomBytes(60).toString('hex')}'`,
    lift: [grant('update (wrapped)', 'redoubt.data_keys', 'redoubt_api')],
    gain: changed,
  }),
  sqlAttack({
    id: 'api.data-key-destroyed',
    role: 'redoubt_api',
    requirement: 'KEY-1',
    title: 'destroy a data key, and all that is sealed under it',
    as: ofA,
    statements: () => 'delete from redoubt.data_keys',
    lift: [grant('delete', 'redoubt.data_keys', 'redoubt_api')],
    gain: changed,
  }),
  sqlAttack({
    id: 'api.data-key-uses',
    role: 'redoubt_api',
    requirement: 'KEY-2',
    title: 'count the uses of a data key back, so that it seals beyond its end',
    as: ofA,
    statements: () => 'update redoubt.data_keys set uses = uses - 1 where uses > 0',
    lift: ['update redoubt.data_keys set uses = uses + 7', 'alter table redoubt.data_keys disable trigger user'],
    gain: changed,
  }),
  sqlAttack({
    id: 'ingestion.addresses',
    role: 'redoubt_ingestion',
    requirement: 'SVC-2',
    title: 'read people’s sealed addresses',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'ingestion' }),
    statements: () => 'select email_sealed from redoubt.users',
    lift: [grant('select', 'redoubt.users', 'redoubt_ingestion'), off('users')],
  }),
  sqlAttack({
    id: 'worker.people',
    role: 'redoubt_worker',
    requirement: 'SVC-2',
    title: 'read more of people than what it seals anew',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'worker' }),
    statements: () => 'select name from redoubt.users',
    lift: [grant('select', 'redoubt.users', 'redoubt_worker'), off('users')],
  }),
  ...(['select nonce from redoubt.service_nonces', 'delete from redoubt.service_nonces'] as const).map((statement) => {
    const isDelete = statement.startsWith('delete')
    return sqlAttack({
      id: isDelete ? 'api.nonces-forgotten' : 'api.nonces',
      role: 'redoubt_api',
      requirement: 'SVC-3',
      title: isDelete
        ? 'make the keeper forget which requests it has seen'
        : 'read the nonces of other services’ requests',
      as: ofA,
      statements: () => statement,
      lift: [
        grant('select, delete', 'redoubt.service_nonces', 'redoubt_api'),
        off('service_nonces'),
        `insert into redoubt.service_nonces values ('web/1', 'a nonce', now())`,
      ],
      gain: ({ count, rows, error }) => (error ? null : count + rows.length > 0 ? `${count} of them` : null),
    })
  }),
  sqlAttack({
    id: 'keeper.audit',
    role: 'redoubt_keeper',
    requirement: 'SVC-2',
    title: 'read the audit log it writes into',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'keeper' }),
    statements: () => 'select facts from redoubt.audit_events',
    lift: [grant('select', 'redoubt.audit_events', 'redoubt_keeper'), off('audit_events')],
  }),
  sqlAttack({
    id: 'keeper.cases',
    role: 'redoubt_keeper',
    requirement: 'SVC-2',
    title: 'read cases, which the holder of all keys must not',
    as: ({ a }) => ({ kind: 'service', organizationId: a.id, service: 'keeper' }),
    statements: () => 'select title from redoubt.cases',
    lift: [grant('select', 'redoubt.cases, redoubt.case_recipients', 'redoubt_keeper'), off('cases')],
  }),
  asBackup(
    'insert',
    'write a row',
    ({ b }) =>
      `insert into redoubt.organizations (id, slug, name, created_at) values (gen_random_uuid(), 'mine-${b.slug}', 'mine', now())`,
    [grant('insert', 'redoubt.organizations', 'redoubt_backup'), off('organizations')],
  ),
  asBackup(
    'update',
    'make oneself an admin',
    ({ b }) => `update redoubt.memberships set role = 'admin' where user_id = '${b.admin.userId}'`,
    [grant('update', 'redoubt.memberships', 'redoubt_backup'), off('memberships')],
  ),
  asBackup('delete', 'delete the audit log', () => 'delete from redoubt.audit_unsealed', [
    grant('delete', 'redoubt.audit_unsealed', 'redoubt_backup'),
    off('audit_unsealed'),
  ]),
  asBackup('execute', 'call one of the product’s functions', () => 'select redoubt.organization()', [
    'grant execute on all functions in schema redoubt to redoubt_backup',
  ]),
  asBackup('context-keys', 'read the keys that seal contexts', () => 'select key from redoubt.context_keys', [
    grant('select', 'redoubt.context_keys', 'redoubt_backup'),
  ]),
  asBackup(
    'temporary',
    'make a temporary table that shadows another',
    () => 'create temporary table cases (title text)',
    ['grant temporary on database redoubt_scratch to redoubt_backup'],
  ),
  asBackup('role', 'become the worker', () => 'set role redoubt_worker', ['grant redoubt_worker to redoubt_backup']),
]
