import { z } from 'zod'
import { Done, Email, line, Nothing, OrganizationId, pageOf, Slug, Timestamp, UserId } from './fields.ts'
import type { OpGroup } from './operation.ts'
import { roles } from './permissions.ts'

export const Organization = z.object({
  id: OrganizationId,
  name: z.string(),
  slug: Slug,
  providerId: OrganizationId.nullable(),
  createdAt: Timestamp,
})
export type Organization = z.output<typeof Organization>

export const organizations = {
  current: {
    kind: 'read',
    access: { permission: 'organization:read' },
    summary: 'The organization of this request.',
    input: Nothing,
    output: Organization,
    rest: { method: 'GET', path: '/organization' },
  },
  clients: {
    kind: 'read',
    access: { permission: 'organization:read' },
    summary: 'The organizations this one provides for, by name.',
    input: Nothing,
    output: pageOf(Organization),
    rest: { method: 'GET', path: '/organization/clients' },
  },
  createClient: {
    kind: 'write',
    access: { permission: 'organization:create-client' },
    summary: 'Create a client organization below this one; you become its first admin.',
    input: z.object({ name: line(120), slug: Slug }),
    output: Organization,
    rest: { method: 'POST', path: '/organization/clients' },
  },
} as const satisfies OpGroup

export const Member = z.object({
  userId: UserId,
  name: z.string(),
  email: z.string(),
  role: z.enum(roles),
  since: Timestamp,
})
export type Member = z.output<typeof Member>
export const Invitation = z.object({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(roles),
  invitedBy: z.string(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
})
export type Invitation = z.output<typeof Invitation>

export const members = {
  list: {
    kind: 'read',
    access: { permission: 'member:read' },
    summary: 'The members of the organization, by name.',
    input: Nothing,
    output: pageOf(Member),
    rest: { method: 'GET', path: '/members' },
  },
  invitations: {
    kind: 'read',
    access: { permission: 'member:invite' },
    summary: 'Invitations that are still open.',
    input: Nothing,
    output: pageOf(Invitation),
    rest: { method: 'GET', path: '/invitations' },
  },
  invite: {
    kind: 'write',
    access: { permission: 'member:invite' },
    summary: 'Invite a person by e-mail address. The link is shown once and works for 7 days.',
    input: z.object({ email: Email, role: z.enum(roles) }),
    output: z.object({ invitation: Invitation, link: z.string() }),
    rest: { method: 'POST', path: '/invitations' },
  },
  revokeInvitation: {
    kind: 'write',
    access: { permission: 'member:invite' },
    summary: 'Withdraw an open invitation.',
    input: z.object({ id: z.uuid() }),
    output: Done,
    rest: { method: 'DELETE', path: '/invitations/{id}' },
  },
  changeRole: {
    kind: 'write',
    access: { permission: 'member:change-role' },
    summary: 'Change a member’s role. The last admin cannot be changed.',
    input: z.object({ userId: UserId, role: z.enum(roles) }),
    output: Member,
    rest: { method: 'PATCH', path: '/members/{userId}' },
  },
  remove: {
    kind: 'write',
    access: { permission: 'member:remove' },
    summary: 'Remove a member. The last admin cannot be removed.',
    input: z.object({ userId: UserId }),
    output: Done,
    rest: { method: 'DELETE', path: '/members/{userId}' },
  },
} as const satisfies OpGroup
