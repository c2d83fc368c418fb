import { AppError } from '../../../platform/app-error.ts'
import type { SystemTx, TenantTx } from '../../../platform/tenant-tx.ts'

export type RunnerRow = {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly keyId: string
  readonly enrolledAt: Date
  readonly lastSeenAt: Date | null
  readonly revokedAt: Date | null
}
const columns = [
  'id',
  'name',
  'url',
  'key_id as keyId',
  'enrolled_at as enrolledAt',
  'last_seen_at as lastSeenAt',
  'revoked_at as revokedAt',
] as const

/** The newest first; an organization has a handful. */
export function listRunners(tx: TenantTx): Promise<RunnerRow[]> {
  return tx.db
    .selectFrom('runners')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .orderBy('id', 'desc')
    .limit(500)
    .execute()
}

export function findRunner(tx: TenantTx, id: string): Promise<RunnerRow | undefined> {
  return tx.db
    .selectFrom('runners')
    .select(columns)
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .executeTakeFirst()
}

/** The runner for a new run: of those that are not revoked the one that was heard of last. */
export function chooseRunner(tx: TenantTx): Promise<{ id: string } | undefined> {
  return tx.db
    .selectFrom('runners')
    .select('id')
    .where('organization_id', '=', tx.organizationId)
    .where('revoked_at', 'is', null)
    .orderBy('last_seen_at', (order) => order.desc().nullsLast())
    .orderBy('id', 'desc')
    .executeTakeFirst()
}

/** @returns false when it was revoked before */
export async function revokeRunner(tx: TenantTx, id: string, at: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('runners')
    .set({ revoked_at: at })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** The longest serving admin, on whose behalf the platform itself enrols. */
export async function firstAdmin(tx: TenantTx): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom('memberships')
    .select('user_id')
    .where('organization_id', '=', tx.organizationId)
    .where('role', '=', 'admin')
    .orderBy('created_at')
    .executeTakeFirst()
  return row?.user_id
}

export async function insertEnrolment(
  tx: TenantTx,
  enrolment: { id: string; name: string; tokenHash: string; by: string; at: Date; expiresAt: Date },
): Promise<void> {
  await tx.db
    .insertInto('runner_enrolments')
    .values({
      organization_id: tx.organizationId,
      id: enrolment.id,
      name: enrolment.name,
      token_hash: enrolment.tokenHash,
      created_by: enrolment.by,
      created_at: enrolment.at,
      expires_at: enrolment.expiresAt,
    })
    .execute()
}

/** Whose enrolment a token is: it names no organization itself. */
export function findEnrolment(tx: SystemTx, tokenHash: string) {
  return tx.db
    .selectFrom('runner_enrolments')
    .select(['id', 'organization_id as organizationId', 'name'])
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
}

/**
 * Uses an enrolment up; of two that race the second gets false. So does the token of somebody who is no admin any more:
 * new runs go to the runner heard of last, and theirs would be it.
 */
export async function claimEnrolment(tx: TenantTx, id: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('runner_enrolments')
    .set({ used_at: now })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .where((where) =>
      where.exists(
        where
          .selectFrom('memberships as m')
          .select('m.user_id')
          .whereRef('m.organization_id', '=', 'runner_enrolments.organization_id')
          .whereRef('m.user_id', '=', 'runner_enrolments.created_by')
          .where('m.role', '=', 'admin'),
      ),
    )
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** @throws AppError conflict when the key already speaks for a runner */
export async function insertRunner(
  tx: TenantTx,
  runner: { id: string; name: string; url: string; publicKey: object; keyId: string; at: Date },
): Promise<void> {
  try {
    await tx.db
      .insertInto('runners')
      .values({
        organization_id: tx.organizationId,
        id: runner.id,
        name: runner.name,
        url: runner.url,
        public_key: JSON.stringify(runner.publicKey),
        key_id: runner.keyId,
        enrolled_at: runner.at,
      })
      .execute()
  } catch (cause) {
    if ((cause as { constraint?: string }).constraint !== 'runners_key') throw cause
    throw new AppError('conflict', 'This key is enrolled already: give the runner a home of its own, with a new key.', {
      cause,
    })
  }
}

export type KnownRunner = {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  readonly publicKey: unknown
  readonly lastSeenAt: Date | null
}

/** The runner that a key speaks for, unless it was revoked. */
export function findRunnerByKey(tx: SystemTx, keyId: string): Promise<KnownRunner | undefined> {
  return tx.db
    .selectFrom('runners')
    .select([
      'id',
      'organization_id as organizationId',
      'name',
      'public_key as publicKey',
      'last_seen_at as lastSeenAt',
    ])
    .where('key_id', '=', keyId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
}

export async function touchRunner(tx: TenantTx, id: string, now: Date): Promise<void> {
  await tx.db
    .updateTable('runners')
    .set({ last_seen_at: now })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .execute()
}
