import type { OrganizationId } from '@redoubt/contract'
import { type DataClass, NIL_ORGANIZATION } from '@redoubt/trust'
import type { Kysely } from 'kysely'
import type { Database } from '../../platform/database.ts'
import type { Schema } from '../../platform/schema.ts'
import { inSystem, inTenant, type SystemTx } from '../../platform/tenant-tx.ts'
import type { StoredVersion } from './rotation.ts'

/** The versions of one organization and class, without their wrapped bytes. */
export type StoredLine = {
  readonly organizationId: string
  readonly dataClass: DataClass
  readonly versions: readonly StoredVersion[]
}
export type WrappedVersion = {
  readonly organizationId: string
  readonly dataClass: DataClass
  readonly version: number
  readonly kek: number
  readonly wrapped: Buffer
}
type Scope = { readonly organizationId: string; readonly dataClass: DataClass }

/** The worker's way to an owner's keys and values: the installation's for the nil organization, a tenant's else. */
export const inScope = <T>(database: Database, organizationId: string, use: (db: Kysely<Schema>) => Promise<T>) =>
  organizationId === NIL_ORGANIZATION
    ? inSystem(database, 'rekey', ({ db }) => use(db))
    : inTenant(database, organizationId as OrganizationId, { service: 'worker' }, ({ db }) => use(db))

const columns = [
  'organization_id as organizationId',
  'data_class as dataClass',
  'version',
  'kek',
  'uses',
  'created_at as createdAt',
  'active_at as activeAt',
  'ends_at as endsAt',
] as const

/** The organization that runs the installation; null before it is set up. */
export async function operatorOrganization(tx: SystemTx): Promise<OrganizationId | null> {
  const row = await tx.db.selectFrom('set_up').select('operator_organization_id as id').executeTakeFirst()
  return (row?.id ?? null) as OrganizationId | null
}

/** Every data key of the installation. */
export async function listLines(tx: SystemTx): Promise<StoredLine[]> {
  const rows = await tx.db
    .selectFrom('data_keys')
    .select(columns)
    .orderBy('organization_id')
    .orderBy('data_class')
    .orderBy('version')
    .execute()
  return [...Map.groupBy(rows, ({ organizationId, dataClass }) => `${organizationId}|${dataClass}`).values()].map(
    (versions) => {
      const { organizationId, dataClass } = versions[0] as (typeof versions)[number]
      return { organizationId, dataClass: dataClass as DataClass, versions }
    },
  )
}

export function readLine(db: Kysely<Schema>, { organizationId, dataClass }: Scope): Promise<StoredVersion[]> {
  return db
    .selectFrom('data_keys')
    .select(columns)
    .where('organization_id', '=', organizationId)
    .where('data_class', '=', dataClass)
    .orderBy('version')
    .execute()
}

/** Whose keys are wrapped by a KEK older than this, and how many they are. */
export function countWrappedBelow(tx: SystemTx, kek: number): Promise<{ organizationId: string; keys: number }[]> {
  return tx.db
    .selectFrom('data_keys')
    .select(({ fn }) => ['organization_id as organizationId', fn.countAll<number>().as('keys')])
    .where('kek', '<', kek)
    .groupBy('organization_id')
    .orderBy('organization_id')
    .execute()
}

export async function readWrappedBelow(
  db: Kysely<Schema>,
  organizationId: string,
  kek: number,
): Promise<WrappedVersion[]> {
  const rows = await db
    .selectFrom('data_keys')
    .select(['organization_id as organizationId', 'data_class as dataClass', 'version', 'kek', 'wrapped'])
    .where('organization_id', '=', organizationId)
    .where('kek', '<', kek)
    .orderBy('data_class')
    .orderBy('version')
    .execute()
  return rows.map((row) => ({ ...row, dataClass: row.dataClass as DataClass }))
}

/** @returns whether it was still wrapped as it was read */
export async function replaceWrapped(
  db: Kysely<Schema>,
  before: WrappedVersion,
  after: { readonly kek: number; readonly wrapped: Buffer },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('data_keys')
    .set(after)
    .where('organization_id', '=', before.organizationId)
    .where('data_class', '=', before.dataClass)
    .where('version', '=', before.version)
    .where('wrapped', '=', before.wrapped)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Decides when these versions end, those that are not decided yet. */
export async function endVersions(
  db: Kysely<Schema>,
  { organizationId, dataClass }: Scope,
  versions: readonly number[],
  endsAt: Date,
): Promise<void> {
  await db
    .updateTable('data_keys')
    .set({ ends_at: endsAt })
    .where('organization_id', '=', organizationId)
    .where('data_class', '=', dataClass)
    .where('version', 'in', [...versions])
    .where('ends_at', 'is', null)
    .execute()
}

/** Takes the end of these versions back. */
export async function reopenVersions(
  db: Kysely<Schema>,
  { organizationId, dataClass }: Scope,
  versions: readonly number[],
): Promise<void> {
  await db
    .updateTable('data_keys')
    .set({ ends_at: null })
    .where('organization_id', '=', organizationId)
    .where('data_class', '=', dataClass)
    .where('version', 'in', [...versions])
    .execute()
}

/** Destroys what has ended. @returns the versions */
export async function destroyEnded(
  db: Kysely<Schema>,
  { organizationId, dataClass }: Scope,
  now: Date,
): Promise<number[]> {
  const rows = await db
    .deleteFrom('data_keys')
    .where('organization_id', '=', organizationId)
    .where('data_class', '=', dataClass)
    .where('ends_at', '<=', now)
    .returning('version')
    .execute()
  return rows.map(({ version }) => version)
}
