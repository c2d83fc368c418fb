import type { TenantTx } from '../../../platform/tenant-tx.ts'

export type PersonRef = { readonly id: string; readonly name: string }

/** Who left the organization keeps what they own, but their name is no longer ours to show. */
export const formerMember = 'A former member'

/** The members among these people, with their roles. */
export async function membersAmong(tx: TenantTx, ids: readonly string[]): Promise<{ id: string; role: string }[]> {
  if (ids.length === 0) return []
  return tx.db
    .selectFrom('memberships')
    .select(['user_id as id', 'role'])
    .where('organization_id', '=', tx.organizationId)
    .where('user_id', 'in', [...ids])
    .execute()
}

export async function recipientsOf(tx: TenantTx, caseId: string): Promise<PersonRef[]> {
  const rows = await tx.db
    .selectFrom('case_recipients as r')
    .leftJoin('users as u', 'u.id', 'r.user_id')
    .select(['r.user_id as id', 'u.name'])
    .where('r.organization_id', '=', tx.organizationId)
    .where('r.case_id', '=', caseId)
    .orderBy('u.name')
    .orderBy('r.user_id')
    .execute()
  return rows.map(({ id, name }) => ({ id, name: name ?? formerMember }))
}

export async function addRecipients(tx: TenantTx, caseId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.db
    .insertInto('case_recipients')
    .values(ids.map((user_id) => ({ organization_id: tx.organizationId, case_id: caseId, user_id })))
    .execute()
}

export async function removeRecipients(tx: TenantTx, caseId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.db
    .deleteFrom('case_recipients')
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .where('user_id', 'in', [...ids])
    .execute()
}
