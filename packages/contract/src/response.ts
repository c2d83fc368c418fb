import { z } from 'zod'
import { CaseId, line, Page, PersonRef, PlaybookId, pageOf, RunId, Timestamp, Tlp, text, Version } from './fields.ts'
import type { OpGroup } from './operation.ts'
import { roles } from './permissions.ts'

/** Where in the YAML something is wrong, 1-based. */
export const PlaybookProblem = z.object({ line: z.int(), column: z.int(), path: z.string(), message: z.string() })
export const PlaybookGraph = z.object({
  nodes: z.array(z.object({ id: z.string(), type: z.string(), label: z.string(), line: z.int() })),
  edges: z.array(z.object({ from: z.string(), to: z.string(), label: z.string().nullable() })),
})
export const PlaybookSummary = z.object({
  id: PlaybookId,
  name: z.string(),
  description: z.string(),
  tlp: Tlp,
  version: Version,
  steps: z.int(),
  needsApproval: z.boolean(),
  updatedAt: Timestamp,
  updatedBy: z.string(),
  archived: z.boolean(),
})
export type PlaybookSummary = z.output<typeof PlaybookSummary>
export const Playbook = PlaybookSummary.extend({ yaml: z.string(), sha256: z.string(), graph: PlaybookGraph })
export type Playbook = z.output<typeof Playbook>

const Yaml = text(131_072).min(1)

export const playbooks = {
  list: {
    kind: 'read',
    access: { permission: 'playbook:read' },
    summary: 'Playbooks, by name.',
    input: z.object({ archived: z.union([z.boolean(), z.stringbool()]).default(false) }),
    output: pageOf(PlaybookSummary),
    rest: { method: 'GET', path: '/playbooks' },
  },
  get: {
    kind: 'read',
    access: { permission: 'playbook:read' },
    summary: 'One playbook with its YAML.',
    input: z.object({ id: PlaybookId }),
    output: Playbook,
    rest: { method: 'GET', path: '/playbooks/{id}' },
  },
  check: {
    kind: 'write',
    access: { permission: 'playbook:read' },
    summary: 'Check a playbook without saving it: every error with its line, and the graph when it is sound.',
    input: z.object({ yaml: Yaml }),
    output: z.object({
      ok: z.boolean(),
      errors: z.array(PlaybookProblem),
      warnings: z.array(PlaybookProblem),
      graph: PlaybookGraph.nullable(),
    }),
    rest: { method: 'POST', path: '/playbooks/check' },
    unaudited: 'it changes nothing; it is a write only because its input is a document',
  },
  create: {
    kind: 'write',
    access: { permission: 'playbook:write' },
    summary: 'Save a new playbook. A playbook with errors is refused, each with its line.',
    input: z.object({ yaml: Yaml }),
    output: Playbook,
    rest: { method: 'POST', path: '/playbooks' },
  },
  update: {
    kind: 'write',
    access: { permission: 'playbook:write' },
    summary: 'Save a new version of a playbook; runs keep the version they started with.',
    input: z.object({ id: PlaybookId, version: Version, yaml: Yaml }),
    output: Playbook,
    rest: { method: 'PATCH', path: '/playbooks/{id}' },
  },
  archive: {
    kind: 'write',
    access: { permission: 'playbook:write' },
    summary: 'Put a playbook away, or bring it back.',
    input: z.object({ id: PlaybookId, version: Version, archived: z.boolean() }),
    output: Playbook,
    rest: { method: 'POST', path: '/playbooks/{id}/archive' },
  },
} as const satisfies OpGroup

export const runStates = [
  'queued',
  'sent',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'rejected',
  'cancelled',
] as const
export const RunState = z.enum(runStates)
export type RunState = z.output<typeof RunState>
export const RunStep = z.object({
  stepId: z.string(),
  type: z.string(),
  status: z.string(),
  startedAt: Timestamp.nullable(),
  endedAt: Timestamp.nullable(),
  summary: z.string(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export const RunSummary = z.object({
  id: RunId,
  playbook: z.object({ id: PlaybookId, name: z.string(), version: Version }),
  case: z.object({ id: CaseId, number: z.int(), title: z.string() }),
  state: RunState,
  startedAt: Timestamp,
  startedBy: z.string(),
  endedAt: Timestamp.nullable(),
  waitingFor: z.object({ stepId: z.string(), prompt: z.string(), role: z.enum(roles), since: Timestamp }).nullable(),
})
export type RunSummary = z.output<typeof RunSummary>
export const Run = RunSummary.extend({
  graph: PlaybookGraph,
  steps: z.array(RunStep),
  plans: z.array(
    z.object({ id: z.uuid(), sha256: z.string(), issuedAt: Timestamp, expiresAt: Timestamp, keyId: z.string() }),
  ),
  approvals: z.array(
    z.object({
      stepId: z.string(),
      by: PersonRef,
      at: Timestamp,
      decision: z.enum(['approved', 'rejected']),
      statement: z.string(),
    }),
  ),
  failure: z.string().nullable(),
  /** The canonical plan (RFC 8785) that was signed last: exactly what the runner was told. */
  canonicalPlan: z.string().nullable(),
})
export type Run = z.output<typeof Run>

export const runs = {
  list: {
    kind: 'read',
    access: { permission: 'run:read' },
    summary: 'Runs on cases that you may see, newest first.',
    input: Page.extend({ caseId: CaseId.optional(), state: RunState.optional(), playbookId: PlaybookId.optional() }),
    output: pageOf(RunSummary),
    rest: { method: 'GET', path: '/runs' },
  },
  get: {
    kind: 'read',
    access: { permission: 'run:read' },
    summary: 'One run: graph, steps, signed plans and approvals.',
    input: z.object({ id: RunId }),
    output: Run,
    rest: { method: 'GET', path: '/runs/{id}' },
  },
  start: {
    kind: 'write',
    access: { permission: 'run:start' },
    summary: 'Start a playbook on a case. The plan is signed and pushed to the organization’s runner.',
    input: z.object({ playbookId: PlaybookId, caseId: CaseId }),
    output: RunSummary,
    rest: { method: 'POST', path: '/runs' },
  },
  decide: {
    kind: 'write',
    access: { permission: 'run:approve' },
    summary: 'Approve or reject the step a run waits for. The approval goes into the next signed plan.',
    input: z.object({
      id: RunId,
      stepId: z.string().min(1).max(64),
      decision: z.enum(['approve', 'reject']),
      statement: line(500).optional(),
    }),
    output: RunSummary,
    rest: { method: 'POST', path: '/runs/{id}/decision' },
  },
  cancel: {
    kind: 'write',
    access: { permission: 'run:cancel' },
    summary: 'Cancel a run that is queued or waiting.',
    input: z.object({ id: RunId }),
    output: RunSummary,
    rest: { method: 'POST', path: '/runs/{id}/cancel' },
  },
} as const satisfies OpGroup
