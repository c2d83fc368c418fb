import { approvalStatement, everyStep, type Json, type Plan, type Step, type StepOf } from '@redoubt/contract'
import { canonicalSha256 } from '@redoubt/trust'
import type { Logger } from 'pino'
import type { Resolve } from '../egress/guarded-request.ts'
import type { Journal, StepRecord } from '../home/journal.ts'
import { cannotRepeat, sendRequest } from './http-step.ts'
import { maskPersonalData } from './masking.ts'
import { ExpressionError, type Sandbox, type Variables } from './sandbox.ts'
import { StepFailure } from './step-failure.ts'
import { expressionsIn, FillError, fillText } from './template.ts'

export type Clock = { readonly now: () => Date; readonly sleep: (ms: number) => Promise<void> }
export type Surroundings = {
  readonly journal: Journal
  readonly sandbox: Sandbox
  readonly log: Logger
  readonly resolve: Resolve
  readonly clock: Clock
  /** True once the runner is to stop: the step in hand is finished, no other begins. */
  readonly stopping: () => boolean
  /** Called after each change that a report tells of. */
  readonly changed: () => void
}

/** How executing a run ended: `stopped` leaves it `running` in the journal for the next start. */
export type Ending = 'succeeded' | 'waiting' | 'failed' | 'interrupted' | 'stopped'
type Outcome = { readonly output: Json; readonly summary: string; readonly comment?: string }

/**
 * States of a run: running → waiting (a step needs a person) → running (a new plan carries the approval) →
 * succeeded | failed | interrupted.
 *
 * The run goes through its steps depth first. A step that the journal has as done is not done again; its output comes
 * from there. Each step is written down before it begins and after it ended. So a step that is found begun was cut off:
 * it is repeated when that changes nothing, and otherwise the run ends as `interrupted`, because only the target knows.
 */
export const executeRun = async (plan: Plan, around: Surroundings): Promise<Ending> => {
  const { journal, clock } = around
  const done = new Map(journal.steps(plan.runId))
  const outputs = new Map<string, Json>()

  const variables = (): Variables => ({
    case: plan.inputs.case,
    observables: plan.inputs.observables,
    run: { id: plan.runId },
    steps: Object.fromEntries(outputs),
  })

  const finish = (record: StepRecord, output: Json) => {
    outputs.set(record.stepId, output)
    journal.recordSteps(plan.runId, [record], clock.now())
    around.changed()
  }

  /** Undefined when every step of the list is done. */
  const walk = async (steps: readonly Step[]): Promise<Exclude<Ending, 'succeeded'> | undefined> => {
    for (const step of steps) {
      const earlier = done.get(step.id)
      if (earlier?.status === 'succeeded') outputs.set(step.id, earlier.output ?? {})
      else {
        const ending = await perform(step, earlier)
        if (ending !== undefined) return ending
      }
      if (step.type !== 'condition') continue
      const taken = resultOf(outputs.get(step.id))
      skip(taken ? step.whenFalse : step.whenTrue)
      const ending = await walk(taken ? step.whenTrue : step.whenFalse)
      if (ending !== undefined) return ending
    }
    return undefined
  }

  const skip = (steps: readonly Step[]) => {
    const at = clock.now().toISOString()
    const skipped = [...everyStep(steps)].filter((step) => !done.has(step.id))
    if (skipped.length === 0) return
    journal.recordSteps(
      plan.runId,
      skipped.map((step) => ({ ...begun(step, at), status: 'skipped', endedAt: at, summary: 'in the other branch' })),
      clock.now(),
    )
    for (const step of skipped) done.set(step.id, { ...begun(step, at), status: 'skipped', endedAt: at })
    around.changed()
  }

  const perform = async (
    step: Step,
    earlier: StepRecord | undefined,
  ): Promise<Exclude<Ending, 'succeeded'> | undefined> => {
    const record = begun(step, earlier?.startedAt ?? clock.now().toISOString())
    if (earlier?.status === 'running' && step.type === 'http.request' && cannotRepeat(step)) {
      return end('interrupted', {
        ...record,
        status: 'interrupted',
        error: {
          code: 'outcome_unknown',
          message: `the runner stopped during this ${step.method}; whether the target acted on it is unknown. Look there, then start a new run`,
        },
      })
    }
    if (around.stopping()) return 'stopped'
    try {
      if (step.type === 'wait-for-approval') return await awaitApproval(step, record)
      if (step.type === 'http.request') {
        // Before the request leaves: what is not written down here could be sent twice.
        journal.recordSteps(plan.runId, [record], clock.now())
        around.changed()
      }
      const outcome = await act(step)
      finish(succeeded(record, outcome), outcome.output)
      return undefined
    } catch (error) {
      const failure = failureOf(error) ?? unforeseen(step, error)
      return end('failed', { ...record, status: 'failed', summary: failure.summary, error: failure.error })
    }
  }

  const unforeseen = (step: Step, error: unknown): Failure => {
    around.log.error({ runId: plan.runId, stepId: step.id, err: error }, 'a step failed in an unforeseen way')
    return { summary: '', error: { code: 'internal', message: 'the runner failed at this step; its log says more' } }
  }

  const end = (status: 'failed' | 'interrupted', record: StepRecord): 'failed' | 'interrupted' => {
    const at = clock.now()
    journal.recordEnd(plan.runId, status, undefined, [{ ...record, endedAt: at.toISOString() }], at)
    around.changed()
    return status
  }

  const succeeded = (record: StepRecord, { output, summary, comment }: Outcome): StepRecord => ({
    ...record,
    status: 'succeeded',
    endedAt: clock.now().toISOString(),
    summary,
    outputSha256: canonicalSha256(output),
    output,
    ...(comment === undefined ? {} : { comment }),
  })

  const act = async (step: Exclude<Step, StepOf<'wait-for-approval'>>): Promise<Outcome> => {
    switch (step.type) {
      case 'http.request':
        return sendRequest(step, { ...around, egress: plan.egress, variables: variables() })
      case 'condition': {
        const result = (await around.sandbox.evaluate([step.if], variables())).get(step.if)
        if (typeof result !== 'boolean')
          throw new StepFailure('condition', 'the condition did not come to true or false')
        return { output: { result }, summary: String(result) }
      }
      case 'transform': {
        const values = await around.sandbox.evaluate(Object.values(step.set), variables())
        const entries = Object.entries(step.set).map(([name, source]): [string, Json] => [
          name,
          values.get(source) ?? null,
        ])
        return { output: Object.fromEntries(entries), summary: `set ${entries.map(([name]) => name).join(', ')}` }
      }
      case 'case.comment': {
        const comment = await maskedText(step.text)
        return { output: {}, summary: `${comment.length} characters`, comment }
      }
    }
  }

  const maskedText = async (template: string): Promise<string> => {
    const values = await around.sandbox.evaluate(expressionsIn(template), variables())
    const text = maskPersonalData(fillText(template, values).replaceAll('\u0000', '\ufffd'))
    if (text.length > 4000) throw new StepFailure('too_long', 'the text came to more than 4000 characters')
    return text
  }

  const awaitApproval = async (
    step: StepOf<'wait-for-approval'>,
    record: StepRecord,
  ): Promise<'waiting' | 'failed' | undefined> => {
    const prompt = await maskedText(step.prompt)
    const approval = plan.approvals.find((candidate) => candidate.stepId === step.id)
    if (approval === undefined) {
      const at = clock.now()
      journal.recordEnd(plan.runId, 'waiting', { stepId: step.id, prompt }, [{ ...record, status: 'waiting' }], at)
      around.changed()
      return 'waiting'
    }
    // An approval is for what the person read. A statement of another prompt, step or run approves nothing here.
    const playbookSha256 = plan.playbook.sha256
    if (approval.statement !== approvalStatement({ runId: plan.runId, stepId: step.id, playbookSha256, prompt })) {
      throw new StepFailure('approval_mismatch', 'the approval in the plan is not for what this step asks')
    }
    const output = { by: approval.by, at: approval.at }
    finish(succeeded(record, { output, summary: 'approved' }), output)
    return undefined
  }

  const ending = await walk(plan.steps)
  if (ending !== undefined) return ending
  journal.recordEnd(plan.runId, 'succeeded', undefined, [], clock.now())
  around.changed()
  return 'succeeded'
}

const begun = (step: Step, startedAt: string): StepRecord => ({
  stepId: step.id,
  type: step.type,
  status: 'running',
  startedAt,
  endedAt: null,
  summary: '',
  outputSha256: null,
})

const resultOf = (output: Json | undefined): boolean =>
  typeof output === 'object' && output !== null && 'result' in output && output.result === true

type Failure = { readonly summary: string; readonly error: { readonly code: string; readonly message: string } }

const failureOf = (error: unknown): Failure | undefined => {
  const say = (code: string, message: string, summary = '') => ({
    summary,
    error: { code, message: maskPersonalData(message).slice(0, 500) },
  })
  if (error instanceof StepFailure) return say(error.code, error.message, error.summary)
  if (error instanceof ExpressionError) return say('expression', error.message)
  if (error instanceof FillError) return say(error.code, error.message)
  return undefined
}
