import { randomUUIDv7 } from 'node:crypto'
import type { contract, Role } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import { lockBlindIndex } from '../../platform/blind-index-lock.ts'
import { accountEmailOf, invitationEmailOf } from '../../platform/encrypted-columns.ts'
import type { Fields } from '../../platform/fields.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers, TenantCtx } from '../../platform/operation.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import { emailIndexes, invitationIndexes, openEmails } from './personal-data.ts'
import { announceRevocation } from './store.ts'

const invitationMs = 7 * 24 * 3_600_000

/** Who belongs to the organization. */
export function memberOperations({ config, fields }: Kernel): Handlers<typeof contract.members> {
  return {
    async list(ctx) {
      const rows = await members(ctx.tx).orderBy('u.name').limit(1000).execute()
      return { items: await shown(fields, rows), next: null }
    },

    async invitations(ctx) {
      const rows = await openInvitations(ctx.tx, ctx.now).orderBy('i.created_at', 'desc').limit(1000).execute()
      return { items: await shownInvitations(fields, ctx.organizationId, rows), next: null }
    },

    async invite(ctx, { email, role }) {
      const accounts = await emailIndexes(fields, email)
      const invited = await invitationIndexes(fields, ctx.organizationId, email)
      const id = randomUUIDv7()
      const sealed = await fields.seal(invitationEmailOf(ctx.organizationId, id), email)
      const belongs = await ctx.tx.db
        .selectFrom('memberships as m')
        .innerJoin('users as u', 'u.id', 'm.user_id')
        .select('u.id')
        .where('m.organization_id', '=', ctx.organizationId)
        .where('u.email_index', 'in', [...accounts.find])
        .executeTakeFirst()
      if (belongs) throw new AppError('conflict', 'This person belongs to the organization already.')
      // A new invitation to the same address replaces the open one.
      await lockBlindIndex(ctx.tx.db, invited)
      await ctx.tx.db
        .updateTable('invitations')
        .set({ revoked_at: ctx.now })
        .where('organization_id', '=', ctx.organizationId)
        .where('email_index', 'in', [...invited.find])
        .where('accepted_at', 'is', null)
        .where('revoked_at', 'is', null)
        .execute()
      const token = createOpaqueToken('inv')
      await ctx.tx.db
        .insertInto('invitations')
        .values({
          id,
          organization_id: ctx.organizationId,
          email_sealed: sealed,
          email_index: invited.write,
          role,
          token_hash: hashToken(token),
          invited_by: ctx.person.userId,
          created_at: ctx.now,
          expires_at: new Date(ctx.now.getTime() + invitationMs),
        })
        .execute()
      ctx.record({ action: 'member.invited', target: { kind: 'invitation', id }, facts: { role } })
      ctx.live('members')
      const row = await openInvitations(ctx.tx, ctx.now).where('i.id', '=', id).executeTakeFirstOrThrow()
      return { invitation: shownInvitation(row, email), link: `${config.publicUrl}/invitation?token=${token}` }
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
      const row = await members(ctx.tx).where('m.user_id', '=', userId).executeTakeFirstOrThrow()
      return shownMember(row, await fields.open(accountEmailOf(userId), row.emailSealed))
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
    .select(['u.id', 'u.name', 'u.email_sealed as emailSealed', 'm.role', 'm.created_at as since'])
    .where('m.organization_id', '=', tx.organizationId)
}

type MemberRow = { id: string; name: string; emailSealed: Buffer; role: Role; since: Date }

async function shown(fields: Fields, rows: readonly MemberRow[]) {
  const emails = await openEmails(fields, rows)
  return rows.map((row, at) => shownMember(row, emails[at] as string))
}

function shownMember(row: MemberRow, email: string) {
  return { userId: row.id, name: row.name, email, role: row.role, since: row.since.toISOString() }
}

function openInvitations(tx: TenantTx, now: Date) {
  return tx.db
    .selectFrom('invitations as i')
    .leftJoin('users as u', 'u.id', 'i.invited_by')
    .select(['i.id', 'i.email_sealed as emailSealed', 'i.role', 'i.created_at', 'i.expires_at', 'u.name as inviter'])
    .where('i.organization_id', '=', tx.organizationId)
    .where('i.accepted_at', 'is', null)
    .where('i.revoked_at', 'is', null)
    .where('i.expires_at', '>', now)
}

type InvitationRow = {
  id: string
  emailSealed: Buffer
  role: Role
  created_at: Date
  expires_at: Date
  inviter: string | null
}

async function shownInvitations(fields: Fields, organizationId: string, rows: readonly InvitationRow[]) {
  const emails = await fields.openMany(
    organizationId,
    'pii',
    rows.map(({ id, emailSealed }) => ({ place: invitationEmailOf(organizationId, id), sealed: emailSealed })),
  )
  return rows.map((row, at) => shownInvitation(row, emails[at] as string))
}

function shownInvitation(row: InvitationRow, email: string) {
  return {
    id: row.id,
    email,
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
