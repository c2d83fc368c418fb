import { z } from 'zod'
import {
  AlertId,
  CaseId,
  count,
  Done,
  flag,
  line,
  listOf,
  Nothing,
  Page,
  PersonRef,
  pageOf,
  Severity,
  Slug,
  SourceId,
  Timestamp,
  Tlp,
  text,
  UserId,
} from './fields.ts'
import type { OpGroup } from './operation.ts'

/** What an alert names, as extracted from its payload. */
export const Observable = z.object({
  type: z.string().max(40),
  value: z.string().max(2048),
  role: z.string().max(40).nullable(),
  internal: z.boolean(),
})
export type Observable = z.output<typeof Observable>

export const alertStates = ['new', 'acknowledged', 'in-case', 'dismissed'] as const
export const AlertState = z.enum(alertStates)
export type AlertState = z.output<typeof AlertState>

export const AlertSummary = z.object({
  id: AlertId,
  title: z.string(),
  severity: Severity,
  state: AlertState,
  tlp: Tlp,
  source: z.object({ id: SourceId, name: z.string(), type: z.string() }),
  /** How many times the source has sent this alert; 1 when it came once. */
  count: z.int(),
  firstSeenAt: Timestamp,
  lastSeenAt: Timestamp,
  /** Until when somebody must have looked at it (ALERT-2); null when no response time is promised. */
  dueAt: Timestamp.nullable(),
  assignee: PersonRef.nullable(),
  caseId: CaseId.nullable(),
  /** The first few observables that tell alerts apart at a glance. */
  entities: z.array(z.string()),
})
export type AlertSummary = z.output<typeof AlertSummary>

export const Alert = AlertSummary.extend({
  description: z.string().nullable(),
  sourceRef: z.string().nullable(),
  occurredAt: Timestamp.nullable(),
  receivedAt: Timestamp,
  techniques: z.array(z.string()),
  observables: z.array(Observable),
  /** Close to an OCSF Detection Finding (class 2004). */
  finding: z.record(z.string(), z.unknown()),
  /** The payload exactly as the source sent it. */
  raw: z.string(),
  /** The newest payload, where it differs from the first. */
  latestRaw: z.string().nullable(),
  dismissedBecause: z.string().nullable(),
})
export type Alert = z.output<typeof Alert>

export const AlertFilter = z.object({
  state: listOf(AlertState, 4).optional(),
  severity: listOf(Severity, 5).optional(),
  sourceId: SourceId.optional(),
  assigneeId: UserId.optional(),
  unassigned: flag.optional(),
  caseId: CaseId.optional(),
  /** Words that the title contains. */
  search: line(100).optional(),
  /** An observable's exact value. */
  observable: line(512).optional(),
})

const AlertIds = z.array(AlertId).min(1).max(200)
const Changed = z.object({ changed: z.int() })

export const alerts = {
  list: {
    kind: 'read',
    access: { permission: 'alert:read' },
    summary: 'Alerts, last seen first.',
    input: Page.extend(AlertFilter.shape),
    output: pageOf(AlertSummary),
    rest: { method: 'GET', path: '/alerts' },
  },
  get: {
    kind: 'read',
    access: { permission: 'alert:read' },
    summary: 'One alert with its finding, observables and raw payload.',
    input: z.object({ id: AlertId }),
    output: Alert,
    rest: { method: 'GET', path: '/alerts/{id}' },
  },
  counts: {
    kind: 'read',
    access: { permission: 'alert:read' },
    summary: 'How many alerts are new and acknowledged, by severity; each figure stops at 1 000.',
    input: Nothing,
    output: z.object({
      new: z.record(Severity, z.int()),
      acknowledged: z.record(Severity, z.int()),
      newTotal: z.int(),
    }),
    rest: { method: 'GET', path: '/alerts/counts' },
  },
  overTime: {
    kind: 'read',
    access: { permission: 'alert:read' },
    summary: 'Alerts first seen per hour and severity.',
    input: z.object({ hours: count(168).default(24) }),
    output: z.object({ buckets: z.array(z.object({ at: Timestamp, severity: Severity, count: z.int() })) }),
    rest: { method: 'GET', path: '/alerts/over-time' },
    limit: 'expensive',
  },
  acknowledge: {
    kind: 'write',
    access: { permission: 'alert:triage' },
    summary: 'Take note of alerts; the response clock stops.',
    input: z.object({ ids: AlertIds }),
    output: Changed,
    rest: { method: 'POST', path: '/alerts/acknowledge' },
  },
  dismiss: {
    kind: 'write',
    access: { permission: 'alert:triage' },
    summary: 'Dismiss alerts with a reason.',
    input: z.object({ ids: AlertIds, reason: line(300) }),
    output: Changed,
    rest: { method: 'POST', path: '/alerts/dismiss' },
  },
  reopen: {
    kind: 'write',
    access: { permission: 'alert:triage' },
    summary: 'Put acknowledged or dismissed alerts back to new.',
    input: z.object({ ids: AlertIds }),
    output: Changed,
    rest: { method: 'POST', path: '/alerts/reopen' },
  },
  assign: {
    kind: 'write',
    access: { permission: 'alert:triage' },
    summary: 'Assign alerts to a member, or to nobody.',
    input: z.object({ ids: AlertIds, assigneeId: UserId.nullable() }),
    output: Changed,
    rest: { method: 'POST', path: '/alerts/assign' },
  },
  openCase: {
    kind: 'write',
    access: { permission: 'case:open' },
    summary: 'Open a case from alerts. Title and severity come from the gravest of them unless given.',
    input: z.object({ ids: AlertIds, title: line(300).optional(), severity: Severity.optional() }),
    output: z.object({ caseId: CaseId }),
    rest: { method: 'POST', path: '/alerts/open-case' },
  },
  addToCase: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Add alerts to an existing case.',
    input: z.object({ ids: AlertIds, caseId: CaseId }),
    output: Changed,
    rest: { method: 'POST', path: '/alerts/add-to-case' },
  },
} as const satisfies OpGroup

/** Where `generic` finds its fields when its own best effort does not. Paths such as `event.items[0].name`. */
export const SourceMapping = z.strictObject({
  title: line(200).optional(),
  description: line(200).optional(),
  severity: z.strictObject({ path: line(200), map: z.record(z.string().max(60), Severity).optional() }).optional(),
  time: line(200).optional(),
  ref: line(200).optional(),
})
export type SourceMapping = z.output<typeof SourceMapping>

export const adapterTypes = [
  'suricata',
  'crowdstrike',
  'guardduty',
  'wazuh',
  'microsoft-365-defender',
  'sentinelone',
  'okta',
  'cortex-xdr',
  'wiz',
  'alertmanager',
  'ocsf',
  'ecs',
  'generic',
] as const
export const AdapterType = z.enum(adapterTypes)
export type AdapterType = z.output<typeof AdapterType>

export const Source = z.object({
  id: SourceId,
  name: z.string(),
  slug: Slug,
  type: AdapterType,
  tlp: Tlp,
  enabled: z.boolean(),
  mapping: SourceMapping.nullable(),
  /** Path of its door on the ingestion service. */
  path: z.string(),
  /** The whole address its alerts are sent to, as it is reached from outside. */
  url: z.string(),
  createdAt: Timestamp,
  lastEventAt: Timestamp.nullable(),
  /** Alerts per hour of the last 24 hours, oldest first. */
  activity: z.array(z.int()),
})
export type Source = z.output<typeof Source>
/** Shown once, when a source is created or rotated; only a hash (token) and a sealed form (secret) are kept. */
export const SourceCredentials = z.object({ token: z.string(), webhookSecret: z.string() })

export const sources = {
  list: {
    kind: 'read',
    access: { permission: 'source:read' },
    summary: 'Alert sources, by name.',
    input: Nothing,
    output: pageOf(Source),
    rest: { method: 'GET', path: '/sources' },
  },
  adapters: {
    kind: 'read',
    access: { permission: 'source:read' },
    summary: 'The kinds of sources there are, and how to point each at the platform.',
    input: Nothing,
    output: z.object({
      items: z.array(z.object({ type: AdapterType, label: z.string(), vendor: z.string(), instructions: z.string() })),
    }),
    rest: { method: 'GET', path: '/sources/adapters' },
  },
  create: {
    kind: 'write',
    access: { permission: 'source:manage' },
    summary: 'Create a source. Its token and webhook secret are shown once.',
    input: z.object({
      name: line(120),
      slug: Slug,
      type: AdapterType,
      tlp: Tlp.exclude(['RED']).default('AMBER'),
      mapping: SourceMapping.optional(),
    }),
    output: z.object({ source: Source, credentials: SourceCredentials }),
    rest: { method: 'POST', path: '/sources' },
  },
  update: {
    kind: 'write',
    access: { permission: 'source:manage' },
    summary: 'Rename, enable, disable or remap a source.',
    input: z.object({
      id: SourceId,
      name: line(120).optional(),
      enabled: z.boolean().optional(),
      mapping: SourceMapping.nullable().optional(),
    }),
    output: Source,
    rest: { method: 'PATCH', path: '/sources/{id}' },
  },
  rotate: {
    kind: 'write',
    access: { permission: 'source:manage' },
    summary: 'Replace the token and webhook secret of a source. The old ones stop at once.',
    input: z.object({ id: SourceId }),
    output: SourceCredentials,
    rest: { method: 'POST', path: '/sources/{id}/rotate' },
  },
  remove: {
    kind: 'write',
    access: { permission: 'source:manage' },
    summary: 'Remove a source that has never sent an alert; disable one that has.',
    input: z.object({ id: SourceId }),
    output: Done,
    rest: { method: 'DELETE', path: '/sources/{id}' },
  },
} as const satisfies OpGroup

/** One answer of `POST /ingest/{source}`: what was kept, and what was refused and why. */
export const IngestReceipt = z.object({
  accepted: z.int(),
  created: z.int(),
  folded: z.int(),
  /** True when this very request was taken before; nothing was counted twice. */
  replayed: z.boolean(),
  rejected: z.array(z.object({ index: z.int(), reason: text(500) })),
})
export type IngestReceipt = z.output<typeof IngestReceipt>
