import {
  type Approval,
  type CaseId,
  type OrganizationId,
  PLAN_FORMAT,
  Plan,
  type PlanInputs,
  type PlaybookId,
  type RunId,
  type RunnerId,
  tlpWithin,
} from '@redoubt/contract'
import type { Playbook } from './playbook.ts'

/** The playbook may not act on this case, or the plan would not be valid; the message can be shown to the person. */
export class PlanRefused extends Error {
  override readonly name = 'PlanRefused'
}

export type PlanContext = {
  readonly planId: string
  readonly runId: RunId
  readonly organizationId: OrganizationId
  readonly runnerId: RunnerId
  /** `sha256` is of the playbook's text, in lower-case hexadecimal. */
  readonly playbook: { readonly id: PlaybookId; readonly version: number; readonly sha256: string }
  readonly inputs: PlanInputs
  readonly approvals: readonly Approval[]
  readonly now: Date
}

/**
 * The plan of one run. For a resumption pass the same context again with the approvals so far and a new `planId`:
 * steps, inputs and egress have to stay what they were, the runner compares them. Throws {@link PlanRefused}.
 */
export const planFrom = (playbook: Playbook, context: PlanContext): Plan => {
  const { inputs, now, approvals, ...ids } = context
  const caseId: CaseId | null = inputs.case?.id ?? null
  if (inputs.case !== null && !tlpWithin(inputs.case.tlp, playbook.tlp)) {
    const message = `the case is TLP:${inputs.case.tlp}, and this playbook is cleared up to TLP:${playbook.tlp}`
    throw new PlanRefused(`${message}; use a playbook cleared for it`)
  }
  const parsed = Plan.safeParse({
    format: PLAN_FORMAT,
    ...ids,
    caseId,
    tlp: playbook.tlp,
    issuedAt: now.toISOString(),
    inputs,
    egress: playbook.egress,
    steps: playbook.steps,
    approvals,
  })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new PlanRefused(`no plan can be made: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim())
}
