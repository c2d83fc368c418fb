import type { ConsoleProcedures } from '@redoubt/contract'
import type { useNavigate } from '@tanstack/react-router'
import type { IconName } from '../components/icon.tsx'

type OperationName = {
  [G in keyof ConsoleProcedures & string]: `${G}.${keyof ConsoleProcedures[G] & string}`
}[keyof ConsoleProcedures & string]

export type Destination = {
  readonly label: string
  readonly icon: IconName
  readonly hint?: string
  readonly go: (navigate: ReturnType<typeof useNavigate>, slug: string) => void
}

const inInbox = (label: string, hint: string, icon: IconName): Destination => ({
  label,
  icon,
  hint,
  go: (navigate, slug) => void navigate({ to: '/o/$slug/inbox', params: { slug } }),
})
const inCase = (label: string, icon: IconName): Destination => ({
  label,
  icon,
  hint: 'Choose the case',
  go: (navigate, slug) => void navigate({ to: '/o/$slug/cases', params: { slug } }),
})
const inSources = (label: string, icon: IconName): Destination => ({
  label,
  icon,
  go: (navigate, slug) => void navigate({ to: '/o/$slug/sources', params: { slug } }),
})
const inMembers = (label: string, icon: IconName): Destination => ({
  label,
  icon,
  go: (navigate, slug) => void navigate({ to: '/o/$slug/members', params: { slug } }),
})

const inInstallation = (
  label: string,
  icon: IconName,
  to: '/o/$slug/keys' | '/o/$slug/secrets' | '/o/$slug/services',
) => ({
  label,
  icon,
  go: (navigate: ReturnType<typeof useNavigate>, slug: string) => void navigate({ to, params: { slug } }),
})

/**
 * Where each operation of the contract is done. Reading needs no command of its own (null): the places show it. An
 * operation that joins the contract does not compile here until it has its place.
 */
export const destinations: Record<OperationName, Destination | null> = {
  'auth.setUp': null,
  'auth.signIn': null,
  'auth.logout': null,
  'auth.me': null,
  'auth.invitation': null,
  'auth.acceptInvitation': null,
  'sessions.list': null,
  'sessions.revoke': {
    label: 'End a session',
    icon: 'session',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/sessions', params: { slug } }),
  },
  'sessions.listOfMember': null,
  'sessions.revokeOfMember': inMembers('End the sessions of a member', 'session'),
  'organizations.current': null,
  'organizations.clients': null,
  'organizations.createClient': {
    label: 'Create a client organization',
    icon: 'organizations',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/clients', params: { slug }, search: { do: 'create' } }),
  },
  'members.list': null,
  'members.invitations': null,
  'members.invite': {
    label: 'Invite a person',
    icon: 'people',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/members', params: { slug }, search: { do: 'invite' } }),
  },
  'members.revokeInvitation': inMembers('Withdraw an invitation', 'people'),
  'members.changeRole': inMembers('Change a role', 'people'),
  'members.remove': inMembers('Remove a member', 'people'),
  'sources.list': null,
  'sources.adapters': null,
  'sources.create': {
    label: 'Add a source',
    icon: 'source',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/sources', params: { slug }, search: { do: 'create' } }),
  },
  'sources.update': inSources('Change a source', 'source'),
  'sources.rotate': inSources('Replace the credentials of a source', 'key'),
  'sources.remove': inSources('Remove a source', 'source'),
  'alerts.list': null,
  'alerts.get': null,
  'alerts.counts': null,
  'alerts.overTime': null,
  'alerts.acknowledge': inInbox('Acknowledge alerts', 'Select, then e', 'check'),
  'alerts.dismiss': inInbox('Dismiss alerts', 'Select, then d', 'close'),
  'alerts.reopen': inInbox('Reopen alerts', 'Select, then r', 'undo'),
  'alerts.assign': inInbox('Assign alerts', 'Select, then a', 'user'),
  'alerts.openCase': inInbox('Open a case from alerts', 'Select, then c', 'case'),
  'alerts.addToCase': inInbox('Merge alerts into a case', 'Select, then m', 'merge'),
  'cases.list': null,
  'cases.get': null,
  'cases.open': {
    label: 'Open a case by hand',
    icon: 'case',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/cases', params: { slug }, search: { do: 'open' } }),
  },
  'cases.update': inCase('Change a case', 'edit'),
  'cases.changePhase': inCase('Move a case to another phase', 'phase'),
  'cases.share': inCase('Share a case', 'lock'),
  'cases.merge': inCase('Merge a case into another', 'merge'),
  'cases.timeline': null,
  'cases.comment': inCase('Comment on a case', 'comment'),
  'cases.tasks': null,
  'cases.addTask': inCase('Add a task', 'task'),
  'cases.updateTask': null,
  'cases.observables': null,
  'cases.addObservable': inCase('Add observables', 'observable'),
  'cases.setVerdict': null,
  'cases.similar': null,
  'cases.figures': null,
  'playbooks.list': null,
  'playbooks.get': null,
  'playbooks.check': null,
  'playbooks.create': {
    label: 'Write a playbook',
    icon: 'playbook',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/playbooks/new', params: { slug } }),
  },
  'playbooks.update': {
    label: 'Change a playbook',
    icon: 'playbook',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/playbooks', params: { slug } }),
  },
  'playbooks.archive': null,
  'runs.list': null,
  'runs.get': null,
  'runs.start': inCase('Start a playbook on a case', 'run'),
  'runs.decide': {
    label: 'Decide on waiting runs',
    icon: 'wait',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/runs', params: { slug }, search: { state: 'waiting' } }),
  },
  'runs.cancel': null,
  'runners.list': null,
  'runners.invite': {
    label: 'Enrol a runner',
    icon: 'runner',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/runners', params: { slug }, search: { do: 'invite' } }),
  },
  'runners.revoke': null,
  'audit.list': null,
  'audit.checkpoint': null,
  'audit.inclusion': null,
  'audit.consistency': null,
  'keys.status': null,
  'keys.signing': null,
  'keys.dataKeys': null,
  'keys.usage': null,
  'keys.rotate': inInstallation('Rotate a key', 'key', '/o/$slug/keys'),
  'secrets.list': null,
  'secrets.set': {
    label: 'Set a secret',
    icon: 'lock',
    go: (navigate, slug) => void navigate({ to: '/o/$slug/secrets', params: { slug }, search: { do: 'set' } }),
  },
  'secrets.remove': inInstallation('Remove a secret', 'lock', '/o/$slug/secrets'),
  'services.list': null,
  'services.deny': inInstallation('Deny a service', 'services', '/o/$slug/services'),
  'services.admit': inInstallation('Admit a service again', 'services', '/o/$slug/services'),
}

export const isKnown = (name: string): name is OperationName => name in destinations
