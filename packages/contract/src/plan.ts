import { z } from 'zod'
import {
  CaseId,
  line,
  OrganizationId,
  PlaybookId,
  RunId,
  RunnerId,
  Severity,
  Timestamp,
  Tlp,
  text,
  tlps,
  UserId,
} from './fields.ts'
import { roles } from './permissions.ts'
import { EXPRESSION_MAX, isCanonicalHost } from './plan-template.ts'

/**
 * What crosses between the control plane and a runner: the plan (PLAN-1, PLAN-2) and the report of a run (PLAN-4).
 * Everything is bounded and strict; what is not listed here is refused.
 */

export const PLAN_FORMAT = 'redoubt.plan/v1'
export const planLimits = { bytes: 256 * 1024, steps: 100, depth: 8, egress: 50, bodyDepth: 16 } as const

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Depth of nested maps and lists, walked without recursion so that a deep value cannot exhaust the stack. */
export const depthOf = (value: unknown): number => {
  let deepest = 0
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue
    const depth = next.depth + 1
    deepest = Math.max(deepest, depth)
    for (const child of Object.values(next.value)) open.push({ value: child, depth })
  }
  return deepest
}

export const StepId = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, at most 40, starting with a letter')
export const Expression = z.string().min(1).max(EXPRESSION_MAX)
export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type Method = (typeof methods)[number]
/** RFC 9110 section 9.2.1: the runner may send these again when it does not know whether the first one arrived. */
export const safeMethods: ReadonlySet<Method> = new Set(['GET', 'HEAD'])
/** RFC 9110 section 9.2.2: a playbook may ask for these to be retried. */
export const idempotentMethods: ReadonlySet<Method> = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])

const HttpRequest = z.strictObject({
  id: StepId,
  type: z.literal('http.request'),
  method: z.enum(methods),
  url: text(2048),
  headers: z
    .record(z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/), text(4096))
    .refine((headers) => Object.keys(headers).length <= 32, 'at most 32 headers'),
  body: z.custom<Json>(() => true).optional(),
  expect: z.strictObject({ status: z.array(z.int().min(100).max(599)).min(1).max(20) }),
  timeoutMs: z.int().min(100).max(60_000),
  retry: z.strictObject({ attempts: z.int().min(2).max(5), delayMs: z.int().min(0).max(30_000) }).optional(),
})
const Transform = z.strictObject({
  id: StepId,
  type: z.literal('transform'),
  set: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9_]{0,39}$/), Expression)
    .refine((set) => Object.keys(set).length <= 50, 'at most 50 values'),
})
const WaitForApproval = z.strictObject({
  id: StepId,
  type: z.literal('wait-for-approval'),
  prompt: text(2000),
  role: z.enum(roles),
})
const CaseComment = z.strictObject({ id: StepId, type: z.literal('case.comment'), text: text(4000) })
const Condition = z.strictObject({
  id: StepId,
  type: z.literal('condition'),
  if: Expression,
  get whenTrue() {
    return z.array(Step).max(planLimits.steps)
  },
  get whenFalse() {
    return z.array(Step).max(planLimits.steps)
  },
})

/** One step of a plan. Strings of `http.request`, `prompt` and `text` may hold `${{ CEL }}`. */
export type Step =
  | z.output<typeof HttpRequest>
  | z.output<typeof Transform>
  | z.output<typeof WaitForApproval>
  | z.output<typeof CaseComment>
  | { id: string; type: 'condition'; if: string; whenTrue: Step[]; whenFalse: Step[] }
export const Step: z.ZodType<Step> = z.lazy(() =>
  z.discriminatedUnion('type', [HttpRequest, Transform, WaitForApproval, CaseComment, Condition]),
)
export type StepType = Step['type']
export type StepOf<T extends StepType> = Extract<Step, { type: T }>

/** Every step of a tree, parents before children, in the order of the text. */
export function* everyStep(steps: readonly Step[]): Generator<Step> {
  for (const step of steps) {
    yield step
    if (step.type !== 'condition') continue
    yield* everyStep(step.whenTrue)
    yield* everyStep(step.whenFalse)
  }
}

/** An exact host (never a pattern) and port. `allowPrivate` admits private addresses, never metadata services. */
export const EgressRule = z.strictObject({
  host: z.string().max(253).refine(isCanonicalHost, 'must be a plain host name or address in its usual form'),
  port: z.int().min(1).max(65_535),
  allowPrivate: z.boolean(),
})
export type EgressRule = z.output<typeof EgressRule>

/** PLAN-2. `statement` is {@link approvalStatement} of exactly what the person saw; the runner computes it again. */
export const Approval = z.strictObject({ stepId: StepId, by: UserId, at: Timestamp, statement: text(8000) })
export type Approval = z.output<typeof Approval>

/** The sentence a person approves. An approval of another prompt, run, step or playbook text is therefore void. */
export const approvalStatement = (what: {
  readonly runId: string
  readonly stepId: string
  readonly playbookSha256: string
  readonly prompt: string
}): string =>
  `redoubt.approval/v1\nrun ${what.runId}\nstep ${what.stepId}\nplaybook sha256 ${what.playbookSha256}\n\n${what.prompt}`

export const PlanCase = z.strictObject({
  id: CaseId,
  number: z.int().min(1),
  title: text(300),
  severity: Severity,
  tlp: Tlp,
  phase: text(40),
})
export const PlanInputs = z.strictObject({
  case: PlanCase.nullable(),
  observables: z.array(z.strictObject({ type: line(40), value: text(4096) })).max(1000),
})
export type PlanInputs = z.output<typeof PlanInputs>

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')

const PlanShape = z
  .strictObject({
    format: z.literal(PLAN_FORMAT),
    planId: z.uuid(),
    runId: RunId,
    organizationId: OrganizationId,
    runnerId: RunnerId,
    playbook: z.strictObject({ id: PlaybookId, version: z.int().min(1), sha256: Sha256 }),
    caseId: CaseId.nullable(),
    /** The ceiling of the playbook: a case above it is refused. */
    tlp: Tlp,
    issuedAt: Timestamp,
    inputs: PlanInputs,
    egress: z.array(EgressRule).max(planLimits.egress),
    steps: z.array(Step).min(1).max(planLimits.steps),
    approvals: z.array(Approval).max(planLimits.steps),
  })
  .superRefine((plan, context) => {
    const issue = (message: string, path: string) => context.addIssue({ code: 'custom', message, path: [path] })
    const ids = [...everyStep(plan.steps)].map((step) => step.id)
    if (ids.length > planLimits.steps) issue(`at most ${planLimits.steps} steps`, 'steps')
    if (new Set(ids).size !== ids.length) issue('a step id is used twice', 'steps')
    for (const step of everyStep(plan.steps)) {
      if (step.type !== 'http.request') continue
      if (depthOf(step.body) > planLimits.bodyDepth) issue(`the body of ${step.id} is nested too deeply`, 'steps')
      if (step.retry !== undefined && !idempotentMethods.has(step.method)) issue(`${step.id} cannot retry`, 'steps')
    }
    if ((plan.inputs.case?.id ?? null) !== plan.caseId) issue('is not the case of the inputs', 'caseId')
    if (!tlpWithin(plan.inputs.case?.tlp ?? 'CLEAR', plan.tlp)) issue('is below the TLP of the case', 'tlp')
    const approved = plan.approvals.map((approval) => approval.stepId)
    if (new Set(approved).size !== approved.length) issue('a step is approved twice', 'approvals')
  })

/** TLP-2: whether something marked `tlp` may go through a playbook whose ceiling is `ceiling`. */
export const tlpWithin = (tlp: Tlp, ceiling: Tlp): boolean => tlps.indexOf(tlp) <= tlps.indexOf(ceiling)

/** A step tree of depth n nests 2n+1 deep, a step 1, its body 16 more: nothing valid is deeper than this. */
const DEEPEST_PLAN = 3 + 2 * planLimits.depth + planLimits.bodyDepth

/** Depth of conditions: a plan without any has depth 1. */
export const stepDepth = (steps: readonly Step[]): number =>
  1 +
  Math.max(
    0,
    ...steps.map((step) => (step.type === 'condition' ? stepDepth([...step.whenTrue, ...step.whenFalse]) : 0)),
  )

/** `redoubt.plan/v1`. Size and depth are looked at before the shape, so that no hostile nesting reaches the parser. */
export const Plan = z
  .unknown()
  .superRefine((value, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', message })
    if (depthOf(value) > DEEPEST_PLAN) return issue('the plan is nested too deeply')
    const size = new TextEncoder().encode(JSON.stringify(value) ?? '').byteLength
    if (size > planLimits.bytes) issue(`the plan has ${size} bytes; at most ${planLimits.bytes} are allowed`)
  })
  .pipe(
    PlanShape.refine((plan) => stepDepth(plan.steps) <= planLimits.depth, {
      path: ['steps'],
      message: `conditions may be nested ${planLimits.depth - 1} deep`,
    }),
  )
export type Plan = z.output<typeof PlanShape>

/** `POST /v1/plans` on the runner, and its answer. */
export const PlanDelivery = z.strictObject({ token: z.string().min(1).max(8192), plan: z.unknown() })
export type PlanDelivery = z.output<typeof PlanDelivery>
export const PlanReceipt = z.strictObject({ planId: z.uuid(), runId: RunId })
export type PlanReceipt = z.output<typeof PlanReceipt>

export const stepStatuses = ['running', 'succeeded', 'failed', 'skipped', 'waiting', 'interrupted'] as const
export const StepReport = z.strictObject({
  stepId: StepId,
  type: z.enum(['http.request', 'condition', 'transform', 'wait-for-approval', 'case.comment']),
  status: z.enum(stepStatuses),
  startedAt: Timestamp,
  endedAt: Timestamp.nullable(),
  /** A status code, a byte count, the result of a condition: never content. */
  summary: text(300),
  outputSha256: Sha256.nullable(),
  error: z.strictObject({ code: z.string().max(60), message: text(500) }).optional(),
  comment: text(4000).optional(),
})
export type StepReport = z.output<typeof StepReport>

export const runStatuses = ['running', 'waiting', 'succeeded', 'failed', 'interrupted'] as const
/**
 * `POST /api/v1/runner/reports`. Each report is the whole state of the run; `sequence` grows by one with each, and the
 * same (runId, sequence) may arrive more than once. No bodies and no personal data (PLAN-4).
 */
export const RunReport = z.strictObject({
  runId: RunId,
  planId: z.uuid(),
  sequence: z.int().min(1),
  status: z.enum(runStatuses),
  waitingFor: z.strictObject({ stepId: StepId, prompt: text(4000) }).optional(),
  steps: z.array(StepReport).max(planLimits.steps),
})
export type RunReport = z.output<typeof RunReport>
