import { randomUUIDv7 } from 'node:crypto'
import { sql } from 'kysely'
import { lockBlindIndex } from '../../platform/blind-index-lock.ts'
import { accountEmailOf } from '../../platform/encrypted-columns.ts'
import type { BlindIndexes, Fields } from '../../platform/fields.ts'
import type { SelfTx, SystemTx, TenantTx } from '../../platform/tenant-tx.ts'
import { emailIndexes } from './personal-data.ts'

export type SessionRow = {
  readonly id: string
  readonly userId: string
  readonly name: string
  readonly kind: 'browser' | 'token'
  readonly expiresAt: Date
  readonly revokedAt: Date | null
  lastSeenAt: Date
}

export async function findSession(
  tx: SystemTx,
  by: { tokenHash: string } | { id: string },
): Promise<SessionRow | undefined> {
  let query = tx.db
    .selectFrom('sessions as s')
    .innerJoin('users as u', 'u.id', 's.user_id')
    .select([
      's.id',
      's.user_id as userId',
      'u.name',
      's.kind',
      's.expires_at as expiresAt',
      's.revoked_at as revokedAt',
      's.last_seen_at as lastSeenAt',
    ])
  query = 'id' in by ? query.where('s.id', '=', by.id) : query.where('s.token_hash', '=', by.tokenHash)
  return query.executeTakeFirst()
}

export async function touchSession(tx: SystemTx, id: string, now: Date): Promise<void> {
  await tx.db.updateTable('sessions').set({ last_seen_at: now }).where('id', '=', id).execute()
}

export async function findMembership(
  tx: SystemTx,
  userId: string,
  organizationId: string,
): Promise<{ role: string; isOperator: boolean } | null> {
  const row = await tx.db
    .selectFrom('memberships as m')
    .leftJoin('set_up as s', 's.operator_organization_id', 'm.organization_id')
    .select(['m.role', 's.operator_organization_id as operatorId'])
    .where('m.organization_id', '=', organizationId)
    .where('m.user_id', '=', userId)
    .executeTakeFirst()
  return row ? { role: row.role, isOperator: row.operatorId !== null } : null
}

/** @param email its indexes: the same work whether anybody has this address or not (AUTH-5) */
export async function findAccount(tx: SystemTx, email: BlindIndexes) {
  return tx.db
    .selectFrom('users as u')
    .leftJoin('credentials as c', 'c.user_id', 'u.id')
    .select(['u.id', 'u.name', 'c.password_hash as passwordHash'])
    .where('u.email_index', 'in', [...email.find])
    .executeTakeFirst()
}

/** The account of an address, without what proves it. */
export async function findPerson(tx: SystemTx, email: BlindIndexes) {
  return tx.db
    .selectFrom('users')
    .select(['id', 'name'])
    .where('email_index', 'in', [...email.find])
    .executeTakeFirst()
}

export async function membershipsOf(tx: SystemTx | SelfTx, userId: string) {
  return tx.db
    .selectFrom('memberships as m')
    .innerJoin('organizations as o', 'o.id', 'm.organization_id')
    .select(['o.id', 'o.name', 'o.slug', 'o.provider_id as providerId', 'm.role'])
    .where('m.user_id', '=', userId)
    .orderBy('o.name')
    .limit(500)
    .execute()
}

export async function operatorOrganization(tx: SystemTx): Promise<string | null> {
  const row = await tx.db.selectFrom('set_up').select('operator_organization_id as id').executeTakeFirst()
  return row?.id ?? null
}

/** @returns the person's id; null when somebody of this address is there already, or comes to be at this moment */
export async function createUser(
  tx: SystemTx,
  fields: Fields,
  user: { email: string; name: string; passwordHash: string; now: Date },
): Promise<string | null> {
  const id = randomUUIDv7()
  const indexes = await emailIndexes(fields, user.email)
  const sealed = await fields.seal(accountEmailOf(id), user.email)
  await lockBlindIndex(tx.db, indexes)
  if (await findPerson(tx, indexes)) return null
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto('users')
    .values({ id, email_sealed: sealed, email_index: indexes.write, name: user.name, created_at: user.now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows !== 1n) return null
  await tx.db
    .insertInto('credentials')
    .values({ user_id: id, password_hash: user.passwordHash, changed_at: user.now })
    .execute()
  return id
}

export async function insertSession(
  tx: SystemTx,
  session: {
    id: string
    userId: string
    kind: 'browser' | 'token'
    organizationId: string | null
    tokenHash: string | null
    userAgent: string
    /** Sealed for this session; null when it is not known. */
    address: Buffer | null
    now: Date
    expiresAt: Date
  },
): Promise<void> {
  await tx.db
    .insertInto('sessions')
    .values({
      id: session.id,
      user_id: session.userId,
      kind: session.kind,
      organization_id: session.organizationId,
      token_hash: session.tokenHash,
      user_agent: session.userAgent,
      ip_sealed: session.address,
      created_at: session.now,
      last_seen_at: session.now,
      expires_at: session.expiresAt,
    })
    .execute()
}

export async function insertRefreshToken(
  tx: SystemTx,
  token: { hash: string; sessionId: string; now: Date; expiresAt: Date },
): Promise<void> {
  await tx.db
    .insertInto('refresh_tokens')
    .values({ token_hash: token.hash, session_id: token.sessionId, issued_at: token.now, expires_at: token.expiresAt })
    .execute()
}

/** Locks the token's row: of two requests that race with one token, the second sees it used. */
export async function lockRefreshToken(tx: SystemTx, hash: string) {
  return tx.db
    .selectFrom('refresh_tokens as t')
    .innerJoin('sessions as s', 's.id', 't.session_id')
    .innerJoin('users as u', 'u.id', 's.user_id')
    .select([
      't.used_at as usedAt',
      't.expires_at as expiresAt',
      's.id as sessionId',
      's.user_id as userId',
      'u.name',
      's.organization_id as organizationId',
      's.revoked_at as revokedAt',
      's.expires_at as sessionExpiresAt',
    ])
    .where('t.token_hash', '=', hash)
    .forUpdate(['t'])
    .executeTakeFirst()
}

export async function markRefreshTokenUsed(tx: SystemTx, hash: string, now: Date): Promise<void> {
  await tx.db.updateTable('refresh_tokens').set({ used_at: now }).where('token_hash', '=', hash).execute()
}

/** Ends sessions and tells every service; with `id` one, without it all of the person. @returns how many ended */
export async function revokeSessions(
  tx: SystemTx | SelfTx | TenantTx,
  which: { userId: string; id?: string },
  because: string,
  now: Date,
): Promise<number> {
  let query = tx.db
    .updateTable('sessions')
    .set({ revoked_at: now, revoked_because: because })
    .where('user_id', '=', which.userId)
    .where('revoked_at', 'is', null)
  if (which.id !== undefined) query = query.where('id', '=', which.id)
  const { numUpdatedRows } = await query.executeTakeFirst()
  if (numUpdatedRows > 0n) await announceRevocation(tx, which.id ?? which.userId)
  return Number(numUpdatedRows)
}

/** Every service forgets what it remembers about this session or person. */
export async function announceRevocation(tx: SystemTx | SelfTx | TenantTx, id: string): Promise<void> {
  await sql`select pg_notify('redoubt_revoked', ${id})`.execute(tx.db)
}

export async function listSessions(tx: SelfTx | TenantTx, userId: string, now: Date) {
  return tx.db
    .selectFrom('sessions')
    .select(['id', 'kind', 'created_at', 'last_seen_at', 'expires_at', 'user_agent', 'ip_sealed'])
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .orderBy('created_at', 'desc')
    .limit(200)
    .execute()
}

export async function findInvitation(tx: SystemTx, tokenHash: string) {
  return tx.db
    .selectFrom('invitations as i')
    .innerJoin('organizations as o', 'o.id', 'i.organization_id')
    .select([
      'i.id',
      'i.organization_id as organizationId',
      'i.email_sealed as emailSealed',
      'i.role',
      'i.expires_at as expiresAt',
      'i.accepted_at as acceptedAt',
      'i.revoked_at as revokedAt',
      'o.name as organizationName',
      'o.slug',
    ])
    .where('i.token_hash', '=', tokenHash)
    .executeTakeFirst()
}

/** Claims the invitation; false when somebody was faster. */
export async function claimInvitation(tx: SystemTx, id: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('invitations')
    .set({ accepted_at: now })
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

export async function addMembership(
  tx: SystemTx,
  membership: { organizationId: string; userId: string; role: 'admin' | 'moderator' | 'user' | 'viewer'; now: Date },
): Promise<boolean> {
  const result = await tx.db
    .insertInto('memberships')
    .values({
      organization_id: membership.organizationId,
      user_id: membership.userId,
      role: membership.role,
      created_at: membership.now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}
