import {
  everyStep,
  type Role,
  type RunReport,
  type RunState,
  type StepReport,
  type Tlp,
  tlpWithin,
} from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Playbook } from '../language/index.ts'

/**
 * The states of a run and their exits.
 *
 *   queued     → sent (the runner took the plan) · cancelled (while no plan is on its way) · failed (refused by the runner,
 *                runner silent or revoked, case raised above the ceiling) · and every exit of `sent`, because a report can
 *                overtake the answer to the push
 *   sent       → running · waiting · succeeded · failed (reported, or lost: no report for ten minutes)
 *   running    → waiting · succeeded · failed
 *   waiting    → queued (approved: a new plan carries the approval) · rejected · cancelled · failed (the runner went on alone)
 *   succeeded, failed, rejected, cancelled → nothing: an ended run takes no report any more
 */
export const unfinishedStates = ['queued', 'sent', 'running', 'waiting'] as const satisfies readonly RunState[]
export const isUnfinished = (state: RunState): boolean => (unfinishedStates as readonly RunState[]).includes(state)

/** What a run waits for, and from whom. */
export type Waiting = {
  readonly stepId: string
  readonly prompt: string
  readonly role: Role
  /** RFC 3339. */
  readonly since: string
}

/** Why a playbook may not be started on a case, as a sentence with the way out; null when it may. */
export function refusalOfStart(
  playbook: { readonly name: string; readonly tlp: Tlp; readonly archived: boolean },
  on: { readonly number: number; readonly tlp: Tlp; readonly closed: boolean },
): string | null {
  if (playbook.archived) return `The playbook "${playbook.name}" is put away: bring it back first.`
  if (on.closed) return `Case #${on.number} is closed: reopen it first.`
  if (!tlpWithin(on.tlp, playbook.tlp)) {
    return `Case #${on.number} is TLP:${on.tlp}, and "${playbook.name}" is cleared up to TLP:${playbook.tlp}: use a playbook that is cleared for it.`
  }
  return null
}

/** The role each waiting step of a playbook asks for. */
export function approverRoles(playbook: Playbook): ReadonlyMap<string, Role> {
  const steps = [...everyStep(playbook.steps)]
  return new Map(steps.flatMap((step) => (step.type === 'wait-for-approval' ? [[step.id, step.role]] : [])))
}

export type ReportedRun = {
  readonly state: RunState
  readonly reportSequence: number
  readonly waiting: Waiting | null
  /** The role each waiting step asks for. */
  readonly roles: ReadonlyMap<string, Role>
  /** Steps somebody approved. */
  readonly approved: ReadonlySet<string>
}
export type Effect =
  /** Reported before: reports arrive at least once and in any order. */
  | { readonly kind: 'known' }
  /** The run has ended here: nothing changes, but it is worth a line in the audit log. */
  | { readonly kind: 'late' }
  | {
      readonly kind: 'taken'
      readonly state: RunState
      readonly waiting: Waiting | null
      readonly failure: string | null
    }

/** What a report changes. @throws AppError unprocessable for one that contradicts the playbook */
export function effectOf(run: ReportedRun, report: RunReport, now: Date): Effect {
  if (report.sequence <= run.reportSequence) return { kind: 'known' }
  if (!isUnfinished(run.state)) return { kind: 'late' }
  const passed = passedAlone(run, report)
  if (passed !== null) {
    // A runner that acts on its own is not believed in anything else either.
    const failure = `The runner went on although nobody had approved ${passed}. Look at what it did, and at the runner.`
    return { kind: 'taken', state: 'failed', waiting: null, failure }
  }
  switch (report.status) {
    case 'running':
    case 'succeeded':
      return { kind: 'taken', state: report.status, waiting: null, failure: null }
    case 'failed':
    case 'interrupted':
      return { kind: 'taken', state: 'failed', waiting: null, failure: failureIn(report.steps) }
    case 'waiting':
      return { kind: 'taken', state: 'waiting', waiting: waitingOf(run, report, now), failure: null }
  }
}

/** A step that needs an approval and is behind the runner without one; null when there is none. */
function passedAlone({ state, waiting, roles, approved }: ReportedRun, report: RunReport): string | null {
  const passed = report.steps.find(
    ({ stepId, status }) => status === 'succeeded' && roles.has(stepId) && !approved.has(stepId),
  )
  if (passed) return passed.stepId
  const left = state === 'waiting' && waiting !== null && report.waitingFor?.stepId !== waiting.stepId
  return left ? waiting.stepId : null
}

function waitingOf({ roles, approved, waiting }: ReportedRun, { waitingFor }: RunReport, now: Date): Waiting {
  const role = waitingFor && roles.get(waitingFor.stepId)
  if (!waitingFor || !role || approved.has(waitingFor.stepId)) {
    const field = { path: 'waitingFor', message: 'must name a step of the playbook that waits and is not approved yet' }
    throw new AppError('unprocessable', 'The run cannot wait for this step.', { fields: [field] })
  }
  return { ...waitingFor, role, since: waiting?.since ?? now.toISOString() }
}

function failureIn(steps: readonly StepReport[]): string {
  const failed = steps.find(({ status }) => status === 'failed' || status === 'interrupted')
  if (!failed?.error) return 'The runner reported a failure without saying at which step.'
  return `Step ${failed.stepId}: ${failed.error.message} (${failed.error.code})`
}

/** Comments that this report tells for the first time; each report tells all of them again. */
export function newComments(
  before: readonly StepReport[],
  after: readonly StepReport[],
): { stepId: string; text: string }[] {
  const told = new Set(before.flatMap(({ stepId, comment }) => (comment === undefined ? [] : [stepId])))
  return after.flatMap(({ stepId, comment }) =>
    comment === undefined || told.has(stepId) ? [] : [{ stepId, text: comment }],
  )
}

/** After its plan expired, this long without a report means that the runner died for good, in milliseconds. */
export const silenceMs = 10 * 60_000

/** From when a run counts as lost: its plan has expired and its runner has been silent too long. */
export function lostFrom(
  plan: { readonly expiresAt: Date; readonly acceptedAt: Date | null },
  reportedAt: Date | null,
): Date {
  const heard = Math.max(plan.acceptedAt?.getTime() ?? 0, reportedAt?.getTime() ?? 0)
  return new Date(Math.max(plan.expiresAt.getTime(), heard + silenceMs))
}

/** Why a run cannot be cancelled now, as a sentence; null when it can. `plan` is the newest of the present segment. */
export function refusalOfCancel(state: RunState, plan: { readonly expiresAt: Date } | null, now: Date): string | null {
  if (state === 'waiting') return null
  // Between the signature and the answer nobody knows whether the runner has begun.
  if (state === 'queued') {
    return plan && plan.expiresAt > now ? 'The signed plan is on its way to the runner: wait for its report.' : null
  }
  if (isUnfinished(state)) return 'The runner is at work on this run: it can be cancelled where it waits for somebody.'
  return `This run has ended already: ${state}.`
}
