import type {
  AdapterType,
  AlertState,
  Audience,
  CaseObservable,
  Phase,
  Role,
  RunState,
  Severity,
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
