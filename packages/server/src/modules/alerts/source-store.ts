import type { AdapterType, SourceMapping, Tlp } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'

export type SourceRow = {
  readonly id: string
  readonly name: string
  readonly slug: string
  readonly type: AdapterType
  readonly tlp: Tlp
  readonly enabled: boolean
  readonly mapping: SourceMapping | null
  readonly createdAt: Date
  readonly lastEventAt: Date | null
}
type Credentials = { readonly tokenHash: string; readonly webhookSecret: Buffer }

const MAX_SOURCES = 1000
const columns = [
  'id',
  'name',
  'slug',
  'type',
  'tlp',
  'enabled',
  'mapping',
  'created_at as createdAt',
  'last_event_at as lastEventAt',
] as const
const missing = () => new AppError('not_found', 'There is no such source.')

export async function listSources(tx: TenantTx): Promise<SourceRow[]> {
  const rows = await tx.db
    .selectFrom('sources')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .orderBy('name')
    .orderBy('id')
    .limit(MAX_SOURCES)
    .execute()
  return rows as SourceRow[]
}

/** @throws AppError conflict when the short name is taken */
export async function insertSource(
  tx: TenantTx,
  source: Credentials & {
    readonly id: string
    readonly name: string
    readonly slug: string
    readonly type: AdapterType
    readonly tlp: Tlp
    readonly mapping: SourceMapping | null
    readonly createdAt: Date
  },
): Promise<SourceRow> {
  const row = await tx.db
    .insertInto('sources')
    .values({
      organization_id: tx.organizationId,
      id: source.id,
      name: source.name,
      slug: source.slug,
      type: source.type,
      tlp: source.tlp,
      mapping: source.mapping && JSON.stringify(source.mapping),
      token_hash: source.tokenHash,
      webhook_secret: source.webhookSecret,
      created_at: source.createdAt,
    })
    .onConflict((conflict) => conflict.columns(['organization_id', 'slug']).doNothing())
    .returning(columns)
    .executeTakeFirst()
  if (!row) throw new AppError('conflict', `A source has the short name "${source.slug}" already: choose another.`)
  return row as SourceRow
}

/** @throws AppError not_found */
export async function updateSource(
  tx: TenantTx,
  id: string,
  changes: {
    readonly name?: string | undefined
    readonly enabled?: boolean | undefined
    readonly mapping?: SourceMapping | null | undefined
  },
): Promise<SourceRow> {
  const { name, enabled, mapping } = changes
  const row = await tx.db
    .updateTable('sources')
    .set((eb) => ({
      name: name ?? eb.ref('name'),
      enabled: enabled ?? eb.ref('enabled'),
      ...(mapping === undefined ? {} : { mapping: mapping && JSON.stringify(mapping) }),
    }))
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .returning(columns)
    .executeTakeFirst()
  if (!row) throw missing()
  return row as SourceRow
}

/** @throws AppError not_found */
export async function replaceCredentials(
  tx: TenantTx,
  id: string,
  { tokenHash, webhookSecret }: Credentials,
): Promise<void> {
  const { numUpdatedRows } = await tx.db
    .updateTable('sources')
    .set({ token_hash: tokenHash, webhook_secret: webhookSecret })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw missing()
}

/** Reads a source and holds it, so that no batch can add a first alert meanwhile. @throws AppError not_found */
export async function lockSource(tx: TenantTx, id: string): Promise<SourceRow> {
  const row = await tx.db
    .selectFrom('sources')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw missing()
  return row as SourceRow
}

export async function deleteSource(tx: TenantTx, id: string): Promise<void> {
  await tx.db.deleteFrom('sources').where('organization_id', '=', tx.organizationId).where('id', '=', id).execute()
}
