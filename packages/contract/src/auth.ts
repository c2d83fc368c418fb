import { z } from 'zod'
import {
  Done,
  Email,
  line,
  Nothing,
  OpaqueToken,
  OrganizationId,
  Password,
  pageOf,
  SessionId,
  Slug,
  Timestamp,
  UserId,
} from './fields.ts'
import type { OpGroup } from './operation.ts'
import { type Permission, permissions, roles } from './permissions.ts'

export const Membership = z.object({
  organization: z.object({
    id: OrganizationId,
    name: z.string(),
    slug: z.string(),
    providerId: OrganizationId.nullable(),
  }),
  role: z.enum(roles),
  permissions: z.array(z.enum(Object.keys(permissions) as [Permission, ...Permission[]])),
})
export const Me = z.object({
  user: z.object({ id: UserId, name: z.string(), email: z.string() }),
  session: z.object({ id: SessionId, strength: z.enum(['aal1', 'aal2']), expiresAt: Timestamp }),
  memberships: z.array(Membership),
})
export type Me = z.output<typeof Me>

export const Tokens = z.object({
  tokenType: z.literal('Bearer'),
  accessToken: z.string().max(8192),
  expiresIn: z.int().describe('seconds'),
  refreshToken: z.string(),
  refreshExpiresIn: z.int().describe('seconds'),
  organizationId: OrganizationId,
})
export const Session = z.object({
  id: SessionId,
  kind: z.enum(['browser', 'token']),
  createdAt: Timestamp,
  lastSeenAt: Timestamp,
  expiresAt: Timestamp,
  userAgent: z.string(),
  ip: z.string().nullable().describe('where it was opened from; null when that is not known'),
  current: z.boolean(),
})
export type Session = z.output<typeof Session>

const Credentials = z.object({ email: Email, password: Password })

export const auth = {
  setUp: {
    kind: 'write',
    access: {
      public: 'the one-time set-up link is the credential; it works once, within 15 minutes, on an empty platform',
    },
    summary: 'Create the first organization and its first operator, and sign the browser in.',
    input: z.object({ token: OpaqueToken, organization: line(120), name: line(120), email: Email, password: Password }),
    output: z.object({ slug: Slug }),
    limit: 'sign-in',
  },
  signIn: {
    kind: 'write',
    access: { public: 'this is where a person proves who they are' },
    summary: 'Sign a browser in; the session lives in a __Host- cookie.',
    input: Credentials,
    output: Done,
    limit: 'sign-in',
  },
  login: {
    kind: 'write',
    access: { public: 'this is where a program proves who its person is' },
    summary:
      'Sign in for tokens. `organization` names the organization by its slug when the person belongs to several.',
    input: Credentials.extend({ organization: Slug.optional() }),
    output: Tokens,
    rest: { method: 'POST', path: '/auth/login' },
    rpc: false,
    limit: 'sign-in',
  },
  refresh: {
    kind: 'write',
    access: { public: 'the refresh token is the credential; a token used twice revokes its family' },
    summary: 'Exchange a refresh token for new tokens. Each refresh token works once.',
    input: z.object({ refreshToken: OpaqueToken }),
    output: Tokens,
    rest: { method: 'POST', path: '/auth/refresh' },
    rpc: false,
  },
  logout: {
    kind: 'write',
    access: { person: 'ends the session that asks' },
    summary: 'End this session everywhere, within a second.',
    input: Nothing,
    output: Done,
    rest: { method: 'POST', path: '/auth/logout' },
  },
  me: {
    kind: 'read',
    access: { person: 'tells who is asking' },
    summary: 'The signed-in person, their session, organizations and permissions.',
    input: Nothing,
    output: Me,
    rest: { method: 'GET', path: '/auth/me' },
  },
  invitation: {
    kind: 'read',
    access: { public: 'the invitation link is the credential' },
    summary: 'What an invitation offers, before it is accepted.',
    input: z.object({ token: OpaqueToken }),
    output: z.object({ organization: z.string(), email: z.string(), role: z.enum(roles), known: z.boolean() }),
    limit: 'sign-in',
  },
  acceptInvitation: {
    kind: 'write',
    access: { public: 'the invitation link is the credential; it works once' },
    summary:
      'Join the organization. A known person confirms with their password; a new one chooses a name and a password.',
    input: z.object({ token: OpaqueToken, name: line(120).optional(), password: Password }),
    output: z.object({ slug: Slug }),
    limit: 'sign-in',
  },
} as const satisfies OpGroup

export const sessions = {
  list: {
    kind: 'read',
    access: { person: 'lists one’s own sessions' },
    summary: 'Your sessions, newest first.',
    input: Nothing,
    output: pageOf(Session),
    rest: { method: 'GET', path: '/sessions' },
  },
  revoke: {
    kind: 'write',
    access: { person: 'ends one of one’s own sessions' },
    summary: 'End one of your sessions everywhere, within a second.',
    input: z.object({ id: SessionId }),
    output: Done,
    rest: { method: 'DELETE', path: '/sessions/{id}' },
  },
  listOfMember: {
    kind: 'read',
    access: { permission: 'session:revoke-member' },
    summary: 'The sessions of a member.',
    input: z.object({ userId: UserId }),
    output: pageOf(Session),
    rest: { method: 'GET', path: '/members/{userId}/sessions' },
  },
  revokeOfMember: {
    kind: 'write',
    access: { permission: 'session:revoke-member' },
    summary: 'End every session of a member, within a second.',
    input: z.object({ userId: UserId }),
    output: z.object({ ended: z.int() }),
    rest: { method: 'DELETE', path: '/members/{userId}/sessions' },
  },
} as const satisfies OpGroup
