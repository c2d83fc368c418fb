import type {
  AdapterType,
  AlertState,
  Audience,
  CaseObservable,
  KeyState,
  Phase,
  Role,
  RotatableKey,
  RunState,
  SecretHealth,
  Severity,
  SigningKeyHealth,
  TimelineEntry,
  Tlp,
} from '@redoubt/contract'
import type { z } from 'zod'

/**
 * The words of the field for the contract's closed sets, in their order. A set that grows in the contract does not
 * compile here until it has its word.
 */
export const severityWords: Record<Severity, string> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
  informational: 'Info',
}
export const alertStateWords: Record<AlertState, string> = {
  new: 'New',
  acknowledged: 'Acknowledged',
  'in-case': 'In case',
  dismissed: 'Dismissed',
}
export const phaseWords: Record<Phase, string> = {
  detection: 'Detection',
  triage: 'Triage',
  containment: 'Containment',
  eradication: 'Eradication',
  recovery: 'Recovery',
  'post-incident-review': 'Review',
  closed: 'Closed',
}
export const runStateWords: Record<RunState, string> = {
  queued: 'Queued',
  sent: 'Sent',
  running: 'Running',
  waiting: 'Waiting for approval',
  succeeded: 'Succeeded',
  failed: 'Failed',
  rejected: 'Rejected',
  cancelled: 'Cancelled',
}
export const tlpWords: Record<Tlp, string> = {
  CLEAR: 'No limit on disclosure',
  GREEN: 'The community',
  AMBER: 'This organization and its clients',
  'AMBER+STRICT': 'This organization only',
  RED: 'Named recipients only',
}
export const audienceWords: Record<z.output<typeof Audience>, string> = {
  organization: 'Every member',
  named: 'Owner, named people, moderators and admins',
}
export const roleWords: Record<Role, { name: string; does: string }> = {
  viewer: { name: 'Viewer', does: 'Reads what is shared' },
  user: { name: 'User', does: 'Works on own and shared cases' },
  moderator: { name: 'Moderator', does: 'Works on every case and approves runs' },
  admin: { name: 'Admin', does: 'Everything in the organization' },
}
export const verdictWords: Record<CaseObservable['verdict'], string> = {
  unknown: 'Unknown',
  benign: 'Benign',
  suspicious: 'Suspicious',
  malicious: 'Malicious',
}
export const timelineWords: Record<TimelineEntry['kind'], string> = {
  opened: 'Opened',
  'alert-added': 'Alerts',
  'phase-changed': 'Phase',
  edited: 'Edits',
  shared: 'Sharing',
  comment: 'Comments',
  task: 'Tasks',
  observable: 'Observables',
  run: 'Runs',
  'sla-breached': 'Response time',
  merged: 'Merges',
}
export const adapterWords: Record<AdapterType, string> = {
  suricata: 'Suricata EVE',
  crowdstrike: 'CrowdStrike Falcon',
  guardduty: 'AWS GuardDuty',
  wazuh: 'Wazuh',
  'microsoft-365-defender': 'Microsoft 365 Defender',
  sentinelone: 'SentinelOne',
  okta: 'Okta System Log',
  'cortex-xdr': 'Cortex XDR',
  wiz: 'Wiz',
  alertmanager: 'Alertmanager',
  ocsf: 'OCSF',
  ecs: 'ECS',
  generic: 'Any JSON',
}

export const keyWords: Record<RotatableKey, { name: string; does: string; rotating: string }> = {
  access: {
    name: 'Access tokens',
    does: 'Signs what programs sign in with',
    rotating:
      'The new key is published at once and signs a quarter of an hour later, when every service has it. Tokens of the old one stay good until they expire. Nobody is signed out.',
  },
  plan: {
    name: 'Execution plans',
    does: 'Signs what runners are told',
    rotating:
      'The new key is published at once and signs a quarter of an hour later, when every runner has it. Plans of the old one stay good until they expire.',
  },
  checkpoint: {
    name: 'Audit checkpoints',
    does: 'Signs the audit logs',
    rotating:
      'New checkpoints are signed by the new key. The old one never ends: what it signed can be verified for ever.',
  },
  kek: {
    name: 'Key encryption',
    does: 'Wraps the data keys',
    rotating:
      'A new key-encryption key is wrapped by the master key. All data keys are wrapped anew in the background; when none needs the old one any more, it is destroyed.',
  },
  data: {
    name: 'Data',
    does: 'Seals what each organization stores',
    rotating:
      'Every organization gets new data keys. What is stored is sealed anew in the background, while the old keys go on opening it. On a large installation this takes a while.',
  },
  secrets: {
    name: 'Secret store',
    does: 'Seals the secrets',
    rotating: 'Every secret is sealed anew under a new key, at once.',
  },
  services: {
    name: 'Service requests',
    does: 'Signs what services ask of the keeper',
    rotating:
      'Every service gets a new key, which signs ten minutes later. The old keys are accepted for another hour, so that no request is lost.',
  },
  authority: {
    name: 'Certificate authority',
    does: 'Certifies services and runners',
    rotating:
      'The new root is trusted at once and certifies an hour later. Certificates of the old one stay good until they end, within 24 hours.',
  },
}
export const keyStateWords: Record<KeyState, string> = {
  pending: 'Pending',
  active: 'Active',
  retiring: 'Retiring',
  ended: 'Ended',
}
export const signingStateWords: Record<SigningKeyHealth['state'], { name: string; means: string }> = {
  INIT: { name: 'Starting', means: 'The key is being fetched for the first time.' },
  READY: { name: 'Ready', means: 'One version signs, and nothing is under way.' },
  ROTATING: { name: 'Rotating', means: 'Two versions are published, so that what either signed is accepted.' },
  OUTAGE: {
    name: 'Outage',
    means: 'The keeper does not answer. The key in memory goes on signing; rotations wait.',
  },
  DEGRADED: {
    name: 'Degraded',
    means: 'The key is older than it may become: rotations were blocked. It still signs.',
  },
}
export const secretHealthWords: Record<SecretHealth, string> = {
  good: 'Good',
  due: 'Older than 90 days',
  missing: 'Missing',
}
export const masterWords: Readonly<Record<string, string>> = {
  file: 'File on this machine',
  pkcs11: 'Hardware token (PKCS#11)',
  'vault-transit': 'Vault transit engine',
}
export const storeWords: Readonly<Record<string, string>> = { embedded: 'Embedded', vault: 'Vault KV v2' }

/** The keys of a table of words, in the order they are written. */
export const keysOf = <K extends string>(words: Readonly<Record<K, unknown>>): K[] => Object.keys(words) as K[]

export const severities = keysOf(severityWords)
export const phases = keysOf(phaseWords)
export const tlps = keysOf(tlpWords)
export const roles = keysOf(roleWords)

/** Seconds as a person says them: `40s`, `12m`, `3h 05m`, `2d 4h`. */
export function spanOf(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s}s`
  const m = Math.floor(s / 60)
  if (m < 60) return `${m}m`
  const h = Math.floor(m / 60)
  if (h < 24) return `${h}h ${String(m % 60).padStart(2, '0')}m`
  return `${Math.floor(h / 24)}d ${h % 24}h`
}

export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`
