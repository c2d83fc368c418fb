import type { Plan } from '@redoubt/contract'
import type { TenantTx } from '../../../platform/tenant-tx.ts'

export type PlanRow = {
  readonly id: string
  /** RFC 8785: the very text that was hashed. */
  readonly canonical: string
  readonly sha256: string
  readonly keyId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
  readonly acceptedAt: Date | null
}

/** The plans of a run, the newest last. */
export async function plansOf(tx: TenantTx, runId: string): Promise<PlanRow[]> {
  return plans(tx, runId).orderBy('issued_at').orderBy('id').execute()
}

/** The newest plan of a run, with what it says; undefined before the first. */
export async function newestPlan(
  tx: TenantTx,
  runId: string,
): Promise<(PlanRow & { readonly plan: Plan }) | undefined> {
  const row = await plans(tx, runId).orderBy('issued_at', 'desc').orderBy('id', 'desc').executeTakeFirst()
  return row && { ...row, plan: JSON.parse(row.canonical) as Plan }
}

/**
 * The newest plan, if it carries as many approvals as there are: then it is the one of the present segment, from the start
 * or the last approval to the next step that waits.
 */
export async function planOfSegment(tx: TenantTx, runId: string, approvals: number) {
  const newest = await newestPlan(tx, runId)
  return newest?.plan.approvals.length === approvals ? newest : undefined
}

/** Whether this plan was signed for this run. */
export async function isPlanOf(tx: TenantTx, runId: string, planId: string): Promise<boolean> {
  return (await plans(tx, runId).where('id', '=', planId).executeTakeFirst()) !== undefined
}

export async function insertPlan(tx: TenantTx, runId: string, plan: Omit<PlanRow, 'acceptedAt'>): Promise<void> {
  await tx.db
    .insertInto('plans')
    .values({
      organization_id: tx.organizationId,
      id: plan.id,
      run_id: runId,
      canonical: plan.canonical,
      sha256: plan.sha256,
      key_id: plan.keyId,
      issued_at: plan.issuedAt,
      expires_at: plan.expiresAt,
    })
    .execute()
}

/** @returns false when that was known before */
export async function acceptPlan(tx: TenantTx, planId: string, at: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('plans')
    .set({ accepted_at: at })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', planId)
    .where('accepted_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

function plans(tx: TenantTx, runId: string) {
  return tx.db
    .selectFrom('plans')
    .select([
      'id',
      'canonical',
      'sha256',
      'key_id as keyId',
      'issued_at as issuedAt',
      'expires_at as expiresAt',
      'accepted_at as acceptedAt',
    ])
    .where('organization_id', '=', tx.organizationId)
    .where('run_id', '=', runId)
}
