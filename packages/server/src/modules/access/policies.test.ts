import { type Permission, permissions, roles } from '@redoubt/contract'
import { describe, expect, it, test } from 'vitest'
import type { Resource } from '../../platform/operation.ts'
import { createAccess } from './policies.ts'

const access = createAccess()
const organizationId = '01990000-0000-7000-8000-00000000000a'
const owner = '01990000-0000-7000-8000-000000000001'
const recipient = '01990000-0000-7000-8000-000000000002'
const stranger = '01990000-0000-7000-8000-000000000003'

const theCase = (facts: Partial<Extract<Resource, { kind: 'Case' }>>): Resource => ({
  kind: 'Case',
  id: '01990000-0000-7000-8000-0000000000c1',
  tlp: 'AMBER',
  audience: 'organization',
  ownerId: owner,
  recipientIds: [recipient],
  ...facts,
})
const may = (role: string, permission: Permission, resource: Resource, userId = stranger, isOperator = false) =>
  access.decide({ userId, role, organizationId, isOperator }, permission, resource).allowed

// AZ-2 as a table: a letter for each role that has the permission. a admin, m moderator, u user, v viewer; o an admin of
// the organization that runs the installation.
const table: Record<Permission, string> = {
  'organization:read': 'amuv',
  'organization:create-client': 'a',
  'member:read': 'amuv',
  'member:invite': 'a',
  'member:change-role': 'a',
  'member:remove': 'a',
  'session:revoke-member': 'a',
  'source:read': 'amuv',
  'source:manage': 'a',
  'alert:read': 'amuv',
  'alert:triage': 'amu',
  'case:read': 'amuv',
  'case:open': 'amu',
  'case:edit': 'amu',
  'case:comment': 'amu',
  'case:share': 'amu',
  'case:merge': 'am',
  'playbook:read': 'amuv',
  'playbook:write': 'am',
  'run:read': 'amuv',
  'run:start': 'amu',
  'run:approve': 'amu',
  'run:cancel': 'am',
  'runner:read': 'amuv',
  'runner:manage': 'a',
  'audit:read': 'am',
  'audit:export': 'a',
  'installation:read': 'o',
  'installation:manage': 'o',
}

describe('what a role may do in its organization', () => {
  for (const permission of Object.keys(permissions) as Permission[]) {
    for (const role of roles) {
      const expected = table[permission].includes(role[0] as string)
      it(`${role} ${expected ? 'has' : 'lacks'} ${permission}`, () => {
        expect(may(role, permission, { kind: 'Organization' })).toBe(expected)
      })
      const asOperator = expected || (role === 'admin' && table[permission] === 'o')
      it(`${role} of the operator ${asOperator ? 'has' : 'lacks'} ${permission}`, () => {
        expect(may(role, permission, { kind: 'Organization' }, stranger, true)).toBe(asOperator)
      })
    }
  }
  it('an unknown role has nothing', () => {
    expect(access.permissionsOf('root', true)).toEqual([])
  })
})

describe('who may see a case', () => {
  const red = theCase({ tlp: 'RED', audience: 'named' })
  const named = theCase({ audience: 'named' })
  test.each([
    ['RED is hidden from an admin who is no recipient', 'admin', red, stranger, false],
    ['RED is hidden from its own owner who is no recipient', 'admin', red, owner, false],
    ['RED is open to a viewer who is a recipient', 'viewer', red, recipient, true],
    ['named is open to its owner', 'user', named, owner, true],
    ['named is open to a recipient', 'viewer', named, recipient, true],
    ['named is open to moderators', 'moderator', named, stranger, true],
    ['named is hidden from other users', 'user', named, stranger, false],
    ['organization is open to every viewer', 'viewer', theCase({}), stranger, true],
  ] as const)('%s', (_guarantee, role, resource, userId, expected) => {
    expect(may(role, 'case:read', resource, userId)).toBe(expected)
  })

  it('names the policy that forbids', () => {
    const admin = { userId: stranger, role: 'admin', organizationId, isOperator: true }
    expect(access.decide(admin, 'case:read', red).policies).toEqual(['red-is-for-named-recipients-alone'])
  })
})

test.each([
  ['a user shares a case of their own', owner, true],
  ['a user does not share somebody else’s case', stranger, false],
] as const)('%s', (_guarantee, userId, expected) => {
  expect(may('user', 'case:share', theCase({}), userId)).toBe(expected)
})

test.each([
  ['user', 'user', true],
  ['user', 'moderator', false],
  ['moderator', 'moderator', true],
  ['moderator', 'admin', false],
  ['admin', 'admin', true],
  ['admin', 'nobody knows this role', true],
  ['moderator', 'nobody knows this role', false],
  ['viewer', 'viewer', false],
] as const)('a %s approving a step for %s is allowed: %s', (role, approverRole, expected) => {
  expect(
    may(role, 'run:approve', {
      kind: 'Run',
      id: '01990000-0000-7000-8000-0000000000f1',
      startedById: owner,
      approverRole,
    }),
  ).toBe(expected)
})

describe('broken policies stop the start', () => {
  const schema =
    'entity Organization; entity User in [Organization] = { organization: Organization, role: String }; entity Case; entity Run;'
  it('an attribute that the schema does not know', () => {
    expect(() =>
      createAccess({
        schema,
        policies: { wrong: 'permit (principal, action, resource) when { principal.rank == 3 };' },
      }),
    ).toThrow(/wrong/)
  })
  it('a permission that does not exist', () => {
    expect(() =>
      createAccess({ schema, policies: { wrong: 'permit (principal, action == Action::"case:burn", resource);' } }),
    ).toThrow(/case:burn/)
  })
})
