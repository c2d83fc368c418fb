import type { contract, Role } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers, TenantCtx } from '../../platform/operation.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import { announceRevocation } from './store.ts'

const invitationMs = 7 * 24 * 3_600_000

/** Who belongs to the organization. */
export function memberOperations(kernel: Kernel): Handlers<typeof contract.members> {
  return {
    async list(ctx) {
      const rows = await members(ctx.tx).orderBy('u.name').limit(1000).execute()
      return { items: rows.map(shown), next: null }
    },

    async invitations(ctx) {
      const rows = await openInvitations(ctx.tx, ctx.now).orderBy('i.created_at', 'desc').limit(1000).execute()
      return { items: rows.map(shownInvitation), next: null }
    },

    async invite(ctx, { email, role }) {
      const belongs = await ctx.tx.db
        .selectFrom('memberships as m')
        .innerJoin('users as u', 'u.id', 'm.user_id')
        .select('u.id')
        .where('m.organization_id', '=', ctx.organizationId)
        .where('u.email', '=', email)
        .executeTakeFirst()
      if (belongs) throw new AppError('conflict', 'This person belongs to the organization already.')
      // A new invitation to the same address replaces the open one.
      await ctx.tx.db
        .updateTable('invitations')
        .set({ revoked_at: ctx.now })
        .where('organization_id', '=', ctx.organizationId)
        .where('email', '=', email)
        .where('accepted_at', 'is', null)
        .where('revoked_at', 'is', null)
        .execute()
      const token = createOpaqueToken('inv')
      const { id } = await ctx.tx.db
        .insertInto('invitations')
        .values({
          organization_id: ctx.organizationId,
          email,
          role,
          token_hash: hashToken(token),
          invited_by: ctx.person.userId,
          created_at: ctx.now,
          expires_at: new Date(ctx.now.getTime() + invitationMs),
        })
        .returning('id')
        .executeTakeFirstOrThrow()
      ctx.record({ action: 'member.invited', target: { kind: 'invitation', id }, facts: { role } })
      ctx.live('members')
      const row = await openInvitations(ctx.tx, ctx.now).where('i.id', '=', id).executeTakeFirstOrThrow()
      return { invitation: shownInvitation(row), link: `${kernel.config.publicUrl}/invitation?token=${token}` }
    },

    async revokeInvitation(ctx, { id }) {
      const { numUpdatedRows } = await ctx.tx.db
        .updateTable('invitations')
        .set({ revoked_at: ctx.now })
        .where('organization_id', '=', ctx.organizationId)
        .where('id', '=', id)
        .where('accepted_at', 'is', null)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      if (numUpdatedRows === 0n) throw new AppError('not_found', 'There is no such open invitation.')
      ctx.record({ action: 'member.invitation-revoked', target: { kind: 'invitation', id } })
      ctx.live('members')
      return { done: true }
    },

    async changeRole(ctx, { userId, role }) {
      const before = await lockedRole(ctx.tx, userId)
      await keepAnAdmin(ctx.tx, userId, before, role)
      await ctx.tx.db
        .updateTable('memberships')
        .set({ role })
        .where('organization_id', '=', ctx.organizationId)
        .where('user_id', '=', userId)
        .execute()
      if (role !== 'admin') await withdrawInvitationsOf(ctx, userId)
      await announceRevocation(ctx.tx, userId)
      ctx.record({
        action: 'member.role-changed',
        target: { kind: 'user', id: userId },
        facts: { from: before, to: role },
      })
      ctx.live('members')
      return shown(await members(ctx.tx).where('m.user_id', '=', userId).executeTakeFirstOrThrow())
    },

    async remove(ctx, { userId }) {
      const before = await lockedRole(ctx.tx, userId)
      await keepAnAdmin(ctx.tx, userId, before, null)
      await ctx.tx.db
        .deleteFrom('memberships')
        .where('organization_id', '=', ctx.organizationId)
        .where('user_id', '=', userId)
        .execute()
      await withdrawInvitationsOf(ctx, userId)
      await announceRevocation(ctx.tx, userId)
      ctx.record({ action: 'member.removed', target: { kind: 'user', id: userId }, facts: { role: before } })
      ctx.live('members')
      return { done: true }
    },
  }
}

function members(tx: TenantTx) {
  return tx.db
    .selectFrom('memberships as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select(['u.id', 'u.name', 'u.email', 'm.role', 'm.created_at as since'])
    .where('m.organization_id', '=', tx.organizationId)
}

function shown(row: { id: string; name: string; email: string; role: Role; since: Date }) {
  return { userId: row.id, name: row.name, email: row.email, role: row.role, since: row.since.toISOString() }
}

function openInvitations(tx: TenantTx, now: Date) {
  return tx.db
    .selectFrom('invitations as i')
    .leftJoin('users as u', 'u.id', 'i.invited_by')
    .select(['i.id', 'i.email', 'i.role', 'i.created_at', 'i.expires_at', 'u.name as inviter'])
    .where('i.organization_id', '=', tx.organizationId)
    .where('i.accepted_at', 'is', null)
    .where('i.revoked_at', 'is', null)
    .where('i.expires_at', '>', now)
}

function shownInvitation(row: {
  id: string
  email: string
  role: Role
  created_at: Date
  expires_at: Date
  inviter: string | null
}) {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    invitedBy: row.inviter ?? 'former member',
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  }
}

/** Whoever invited holds the links: an admin who is removed could else come back by one, as admin, for a week. */
async function withdrawInvitationsOf(ctx: TenantCtx, userId: string): Promise<void> {
  const withdrawn = await ctx.tx.db
    .updateTable('invitations')
    .set({ revoked_at: ctx.now })
    .where('organization_id', '=', ctx.organizationId)
    .where('invited_by', '=', userId)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .returning('id')
    .execute()
  for (const { id } of withdrawn)
    ctx.record({ action: 'member.invitation-revoked', target: { kind: 'invitation', id } })
}

/** @throws AppError not_found for whoever does not belong to the organization */
export async function requireMember(tx: TenantTx, userId: string): Promise<void> {
  const row = await members(tx).where('m.user_id', '=', userId).executeTakeFirst()
  if (!row) throw notAMember()
}

async function lockedRole(tx: TenantTx, userId: string): Promise<Role> {
  const row = await tx.db
    .selectFrom('memberships')
    .select('role')
    .where('organization_id', '=', tx.organizationId)
    .where('user_id', '=', userId)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw notAMember()
  return row.role
}

/** An organization that nobody administers could never be mended: the last admin stays. */
async function keepAnAdmin(tx: TenantTx, userId: string, before: Role, after: Role | null): Promise<void> {
  if (before !== 'admin' || after === 'admin') return
  // Locked, so that two admins who demote each other at once do not both succeed.
  const admins = await tx.db
    .selectFrom('memberships')
    .select('user_id')
    .where('organization_id', '=', tx.organizationId)
    .where('role', '=', 'admin')
    .orderBy('user_id')
    .forUpdate()
    .execute()
  if (!admins.some((admin) => admin.user_id !== userId))
    throw new AppError('conflict', 'This is the last admin: make somebody else admin first.')
}

function notAMember(): AppError {
  return new AppError('not_found', 'This person is not a member.')
}
