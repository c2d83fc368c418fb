import { z } from 'zod'
import {
  CaseId,
  flag,
  line,
  listOf,
  Nothing,
  Page,
  PersonRef,
  pageOf,
  Severity,
  Technique,
  Timestamp,
  Tlp,
  text,
  UserId,
  Version,
} from './fields.ts'
import type { OpGroup } from './operation.ts'

/** ALERT-2, and `closed` after the review. */
export const phases = [
  'detection',
  'triage',
  'containment',
  'eradication',
  'recovery',
  'post-incident-review',
  'closed',
] as const
export const Phase = z.enum(phases)
export type Phase = z.output<typeof Phase>

export const audiences = ['organization', 'named'] as const
/** `organization`: every member. `named`: owner, recipients, moderators and admins. RED: its named recipients alone. */
export const Audience = z.enum(audiences)

export const CaseSummary = z.object({
  id: CaseId,
  /** Counts up within the organization; people say it aloud. */
  number: z.int(),
  title: z.string(),
  severity: Severity,
  tlp: Tlp,
  audience: Audience,
  phase: Phase,
  owner: PersonRef.nullable(),
  version: Version,
  openedAt: Timestamp,
  updatedAt: Timestamp,
  /** Until when the first response is due; null when none is promised. */
  dueAt: Timestamp.nullable(),
  respondedAt: Timestamp.nullable(),
  breachedAt: Timestamp.nullable(),
  closedAt: Timestamp.nullable(),
  alertCount: z.int(),
})
export type CaseSummary = z.output<typeof CaseSummary>

export const Case = CaseSummary.extend({
  description: z.string(),
  resolution: z.string().nullable(),
  recipients: z.array(PersonRef),
  techniques: z.array(z.string()),
  mergedInto: z.object({ id: CaseId, number: z.int() }).nullable(),
  /** The phases that may come next, each with what is still missing for it; empty `missing` means it may. */
  nextPhases: z.array(z.object({ phase: Phase, missing: z.array(z.string()) })),
  openedBy: z.string(),
  /** Which correlation rule opened it, or null when a person did. */
  rule: z.string().nullable(),
})
export type Case = z.output<typeof Case>

export const timelineKinds = [
  'opened',
  'alert-added',
  'phase-changed',
  'edited',
  'shared',
  'comment',
  'task',
  'observable',
  'run',
  'sla-breached',
  'merged',
] as const
export const TimelineEntry = z.object({
  id: z.uuid(),
  at: Timestamp,
  kind: z.enum(timelineKinds),
  actor: z.object({ kind: z.enum(['person', 'service', 'runner']), id: z.string(), name: z.string() }),
  text: z.string(),
  /** Kind-specific facts, such as `{ from, to }` of a phase change or `{ runId }`. */
  facts: z.record(z.string(), z.unknown()),
  /** The audit event that proves this entry, once it is recorded. */
  auditEventId: z.uuid().nullable(),
})
export type TimelineEntry = z.output<typeof TimelineEntry>

export const taskStates = ['open', 'done', 'cancelled'] as const
export const Task = z.object({
  id: z.uuid(),
  title: z.string(),
  state: z.enum(taskStates),
  assignee: PersonRef.nullable(),
  version: Version,
  createdAt: Timestamp,
})
export type Task = z.output<typeof Task>

export const verdicts = ['unknown', 'benign', 'suspicious', 'malicious'] as const
export const CaseObservable = z.object({
  id: z.uuid(),
  type: z.string(),
  value: z.string(),
  internal: z.boolean(),
  verdict: z.enum(verdicts),
  /** How many alerts of this case name it. */
  sightings: z.int(),
})
export type CaseObservable = z.output<typeof CaseObservable>

const caseVersion = { id: CaseId, version: Version }

export const cases = {
  list: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'Cases that you may see, newest first.',
    input: Page.extend({
      phase: listOf(Phase, 7).optional(),
      severity: listOf(Severity, 5).optional(),
      ownerId: UserId.optional(),
      open: flag.optional(),
      search: line(100).optional(),
    }),
    output: pageOf(CaseSummary),
    rest: { method: 'GET', path: '/cases' },
  },
  get: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'One case, with the phases that may come next and what each still needs.',
    input: z.object({ id: CaseId }),
    output: Case,
    rest: { method: 'GET', path: '/cases/{id}' },
  },
  open: {
    kind: 'write',
    access: { permission: 'case:open' },
    summary: 'Open a case by hand.',
    input: z.object({
      title: line(300),
      description: text(20_000).default(''),
      severity: Severity,
      tlp: Tlp.default('AMBER'),
    }),
    output: Case,
    rest: { method: 'POST', path: '/cases' },
  },
  update: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary:
      'Change a case. `version` is the one you read; if somebody was faster the answer is `stale` and nothing changes.',
    input: z.object({
      ...caseVersion,
      title: line(300).optional(),
      description: text(20_000).optional(),
      severity: Severity.optional(),
      ownerId: UserId.nullable().optional(),
      techniques: z.array(Technique).max(100).optional(),
      resolution: text(20_000).optional(),
    }),
    output: Case,
    rest: { method: 'PATCH', path: '/cases/{id}' },
  },
  changePhase: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Move a case to another phase, when its guards are met.',
    input: z.object({ ...caseVersion, to: Phase }),
    output: Case,
    rest: { method: 'POST', path: '/cases/{id}/phase' },
  },
  share: {
    kind: 'write',
    access: { permission: 'case:share' },
    summary:
      'Set TLP, audience and named recipients. RED needs at least one recipient, and then only recipients see the case.',
    input: z.object({ ...caseVersion, tlp: Tlp, audience: Audience, recipientIds: z.array(UserId).max(100) }),
    output: Case,
    rest: { method: 'POST', path: '/cases/{id}/share' },
  },
  merge: {
    kind: 'write',
    access: { permission: 'case:merge' },
    summary:
      'Merge this case into another: alerts, observables, tasks and comments move; this one closes and points there.',
    input: z.object({ ...caseVersion, into: CaseId }),
    output: Case,
    rest: { method: 'POST', path: '/cases/{id}/merge' },
  },
  timeline: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'What happened in a case, newest first.',
    input: Page.extend({ id: CaseId, kind: listOf(z.enum(timelineKinds), 11).optional() }),
    output: pageOf(TimelineEntry),
    rest: { method: 'GET', path: '/cases/{id}/timeline' },
  },
  comment: {
    kind: 'write',
    access: { permission: 'case:comment' },
    summary: 'Comment on a case.',
    input: z.object({ id: CaseId, text: text(10_000).min(1) }),
    output: TimelineEntry,
    rest: { method: 'POST', path: '/cases/{id}/comments' },
  },
  tasks: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'The tasks of a case, in their order.',
    input: z.object({ id: CaseId }),
    output: pageOf(Task),
    rest: { method: 'GET', path: '/cases/{id}/tasks' },
  },
  addTask: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Add a task to a case.',
    input: z.object({ id: CaseId, title: line(300), assigneeId: UserId.optional() }),
    output: Task,
    rest: { method: 'POST', path: '/cases/{id}/tasks' },
  },
  updateTask: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Change a task.',
    input: z.object({
      id: CaseId,
      taskId: z.uuid(),
      version: Version,
      title: line(300).optional(),
      state: z.enum(taskStates).optional(),
      assigneeId: UserId.nullable().optional(),
    }),
    output: Task,
    rest: { method: 'PATCH', path: '/cases/{id}/tasks/{taskId}' },
  },
  observables: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'The observables of a case with their verdicts.',
    input: Page.extend({ id: CaseId }),
    output: pageOf(CaseObservable),
    rest: { method: 'GET', path: '/cases/{id}/observables' },
  },
  addObservable: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Add observables from text; defanged forms are understood.',
    input: z.object({ id: CaseId, text: text(10_000).min(1) }),
    output: z.object({ added: z.array(CaseObservable) }),
    rest: { method: 'POST', path: '/cases/{id}/observables' },
  },
  setVerdict: {
    kind: 'write',
    access: { permission: 'case:edit' },
    summary: 'Set the verdict on an observable.',
    input: z.object({ id: CaseId, observableId: z.uuid(), verdict: z.enum(verdicts) }),
    output: CaseObservable,
    rest: { method: 'PATCH', path: '/cases/{id}/observables/{observableId}' },
  },
  similar: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'Other cases that share observables with this one, most shared first.',
    input: z.object({ id: CaseId }),
    output: z.object({ items: z.array(z.object({ case: CaseSummary, shared: z.array(z.string()) })) }),
    rest: { method: 'GET', path: '/cases/{id}/similar' },
    limit: 'expensive',
  },
  figures: {
    kind: 'read',
    access: { permission: 'case:read' },
    summary: 'Open cases by phase and severity, and response times of the last 30 days, over the cases you may see.',
    input: Nothing,
    output: z.object({
      open: z.array(z.object({ phase: Phase, severity: Severity, count: z.int() })),
      dueSoon: z.array(CaseSummary),
      breached: z.int(),
      /** Minutes from opening to first response, each case of the last 30 days, at most 500. */
      responseMinutes: z.array(z.object({ severity: Severity, minutes: z.number(), withinSla: z.boolean() })),
    }),
    rest: { method: 'GET', path: '/cases/figures' },
    limit: 'expensive',
  },
} as const satisfies OpGroup
