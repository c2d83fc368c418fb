import type { Permission } from '@redoubt/contract'
import type { IconName } from '../components/icon.tsx'

export type Place = {
  readonly label: string
  readonly to:
    | '/o/$slug'
    | '/o/$slug/inbox'
    | '/o/$slug/cases'
    | '/o/$slug/playbooks'
    | '/o/$slug/runs'
    | '/o/$slug/members'
    | '/o/$slug/sources'
    | '/o/$slug/runners'
    | '/o/$slug/clients'
    | '/o/$slug/audit'
    | '/o/$slug/sessions'
    | '/o/$slug/keys'
    | '/o/$slug/secrets'
    | '/o/$slug/services'
  readonly icon: IconName
  readonly permission: Permission | null
}

/** The places of the rail, in the groups it shows. */
export const placeGroups: readonly { readonly heading: string | null; readonly places: readonly Place[] }[] = [
  {
    heading: null,
    places: [
      { label: 'Overview', to: '/o/$slug', icon: 'overview', permission: null },
      { label: 'Inbox', to: '/o/$slug/inbox', icon: 'inbox', permission: 'alert:read' },
      { label: 'Cases', to: '/o/$slug/cases', icon: 'case', permission: 'case:read' },
      { label: 'Playbooks', to: '/o/$slug/playbooks', icon: 'playbook', permission: 'playbook:read' },
      { label: 'Runs', to: '/o/$slug/runs', icon: 'run', permission: 'run:read' },
    ],
  },
  {
    heading: 'Organization',
    places: [
      { label: 'Members', to: '/o/$slug/members', icon: 'people', permission: 'member:read' },
      { label: 'Sources', to: '/o/$slug/sources', icon: 'source', permission: 'source:read' },
      { label: 'Runners', to: '/o/$slug/runners', icon: 'runner', permission: 'runner:read' },
      { label: 'Clients', to: '/o/$slug/clients', icon: 'organizations', permission: 'organization:read' },
    ],
  },
  {
    heading: 'Trust',
    places: [
      { label: 'Audit', to: '/o/$slug/audit', icon: 'audit', permission: 'audit:read' },
      { label: 'Sessions', to: '/o/$slug/sessions', icon: 'session', permission: null },
    ],
  },
  {
    heading: 'Installation',
    places: [
      { label: 'Keys', to: '/o/$slug/keys', icon: 'key', permission: 'installation:read' },
      { label: 'Secrets', to: '/o/$slug/secrets', icon: 'lock', permission: 'installation:read' },
      { label: 'Services', to: '/o/$slug/services', icon: 'services', permission: 'installation:read' },
    ],
  },
]

export const places = placeGroups.flatMap((group) => group.places)
