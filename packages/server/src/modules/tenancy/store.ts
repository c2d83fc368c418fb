import { AppError } from '../../platform/app-error.ts'
import type { SystemTx, TenantTx } from '../../platform/tenant-tx.ts'

const columns = ['id', 'name', 'slug', 'provider_id as providerId', 'created_at'] as const

export async function readOrganization(tx: TenantTx, id: string) {
  const row = await tx.db.selectFrom('organizations').select(columns).where('id', '=', id).executeTakeFirst()
  if (!row) throw new AppError('not_found', 'There is no such organization.')
  return shown(row)
}

export async function listClients(tx: TenantTx) {
  const rows = await tx.db
    .selectFrom('organizations')
    .select(columns)
    .where('provider_id', '=', tx.organizationId)
    .orderBy('name')
    .limit(1000)
    .execute()
  return rows.map(shown)
}

/** Every organization of the installation, for a sweep over them. */
export function listOrganizations(tx: SystemTx): Promise<{ id: string; slug: string }[]> {
  return tx.db.selectFrom('organizations').select(['id', 'slug']).orderBy('id').execute()
}

/** @throws AppError conflict when the slug is taken */
export async function insertClient(
  tx: TenantTx,
  client: { id: string; name: string; slug: string; adminId: string; now: Date },
): Promise<void> {
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto('organizations')
    .values({
      id: client.id,
      name: client.name,
      slug: client.slug,
      provider_id: tx.organizationId,
      created_at: client.now,
    })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows === 0n)
    throw new AppError('conflict', `The short name "${client.slug}" is taken: choose another.`)
  await tx.db
    .insertInto('memberships')
    .values({ organization_id: client.id, user_id: client.adminId, role: 'admin', created_at: client.now })
    .execute()
}

function shown(row: { id: string; name: string; slug: string; providerId: string | null; created_at: Date }) {
  return {
    id: row.id,
    name: row.name,
    slug: row.slug,
    providerId: row.providerId,
    createdAt: row.created_at.toISOString(),
  }
}
