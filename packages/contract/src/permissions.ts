/** Every permission there is, with the sentence that the console and the reference show. Names are `noun:verb`. */
export const permissions = {
  'organization:read': 'See the organization and the clients it provides for',
  'organization:create-client': 'Create an organization below this one',
  'member:read': 'See who belongs to the organization',
  'member:invite': 'Invite a person',
  'member:change-role': 'Change the role of a member',
  'member:remove': 'Remove a member',
  'session:revoke-member': 'List and end the sessions of a member',
  'source:read': 'See alert sources',
  'source:manage': 'Create, rotate and disable alert sources',
  'alert:read': 'See alerts',
  'alert:triage': 'Acknowledge, assign, dismiss and reopen alerts',
  'case:read': 'See cases',
  'case:open': 'Open a case',
  'case:edit': 'Change a case, its tasks and its observables',
  'case:comment': 'Comment on a case',
  'case:share': 'Change the TLP, the audience and the recipients of a case',
  'case:merge': 'Merge one case into another',
  'playbook:read': 'See playbooks',
  'playbook:write': 'Write and archive playbooks',
  'run:read': 'See playbook runs',
  'run:start': 'Start a playbook on a case',
  'run:approve': 'Approve or reject a waiting step',
  'run:cancel': 'Cancel a run',
  'runner:read': 'See runners',
  'runner:manage': 'Enrol and revoke runners',
  'audit:read': 'Read the audit log and its proofs',
  'audit:export': 'Export the audit log',
  'installation:read': 'See the keys, secrets and services of the installation',
  'installation:manage': 'Rotate keys, set secrets and deny services of the installation',
} as const

export type Permission = keyof typeof permissions

/** AZ-2. Ranked from least to most; a higher rank does not imply a permission, the policies do. */
export const roles = ['viewer', 'user', 'moderator', 'admin'] as const
export type Role = (typeof roles)[number]
