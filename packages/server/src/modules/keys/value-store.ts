import { type DataClass, NIL_ORGANIZATION } from '@redoubt/trust'
import { type Kysely, sql } from 'kysely'
import type { Schema } from '../../platform/schema.ts'
import { columnsUnder, type KeyedColumn, olderThan } from './rotation.ts'

/** A value of a keyed column: its bytes, and the sealed value they belong to. */
export type KeyedValue = { readonly id: string; readonly bytes: Buffer; readonly sealed: Buffer }
/** Which values: an owner's, those whose bytes sort below `below`. */
export type Older = { readonly column: KeyedColumn; readonly organizationId: string; readonly below: Buffer }

/** All values of an owner and class that lie under a version older than this, column by column. */
export const olderValues = (organizationId: string, dataClass: DataClass, version: number): readonly Older[] =>
  columnsUnder(dataClass, organizationId === NIL_ORGANIZATION).map((column) => ({
    column,
    organizationId,
    below: olderThan(dataClass, version),
  }))

export async function countAllOlder(db: Kysely<Schema>, all: readonly Older[]): Promise<number> {
  let count = 0
  for (const older of all) count += await countOlder(db, older)
  return count
}

async function countOlder(db: Kysely<Schema>, older: Older): Promise<number> {
  const { rows } = await sql<{ left: number }>`
    select count(*) as left from ${sql.table(older.column.table)} where ${isOlder(older)}`.execute(db)
  return rows[0]?.left ?? 0
}

/** By id, those after `after`. */
export async function readOlder(
  db: Kysely<Schema>,
  older: Older,
  after: string,
  limit: number,
): Promise<readonly KeyedValue[]> {
  const { table, bytes, sealed } = older.column
  const { rows } = await sql<KeyedValue>`
    select id, ${sql.ref(bytes)} as bytes, ${sql.ref(sealed)} as sealed from ${sql.table(table)}
    where ${isOlder(older)} and id > ${after}::uuid order by id limit ${sql.lit(limit)}`.execute(db)
  return rows
}

/** Replaces what is still as it was read; whoever wrote meanwhile wrote under the new key. @returns how many */
export async function replaceValues(
  db: Kysely<Schema>,
  { column: { table, bytes } }: Pick<Older, 'column'>,
  values: readonly { readonly id: string; readonly before: Buffer; readonly after: Buffer }[],
): Promise<number> {
  if (values.length === 0) return 0
  const { numAffectedRows } = await sql`
    update ${sql.table(table)} as t set ${sql.ref(bytes)} = v.after
    from unnest(${values.map(({ id }) => id)}::uuid[], ${values.map(({ before }) => before)}::bytea[],
      ${values.map(({ after }) => after)}::bytea[]) as v (id, before, after)
    where t.id = v.id and t.${sql.ref(bytes)} = v.before`.execute(db)
  return Number(numAffectedRows ?? 0n)
}

const isOlder = ({ column: { scope, bytes }, organizationId, below }: Older) =>
  scope === 'installation'
    ? sql`${sql.ref(bytes)} < ${below}`
    : sql`organization_id = ${organizationId}::uuid and ${sql.ref(bytes)} < ${below}`
