import type { RunReport } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { MachineCtx } from '../../../platform/operation.ts'
import { compilePlaybook } from '../language/index.ts'
import { isPlanOf } from '../runs/plan-store.ts'
import { approverRoles, type Effect, effectOf, isUnfinished, newComments, silenceMs } from '../runs/rules.ts'
import { changeRun, decisionsOf, lockRun, type RunRow } from '../runs/store.ts'
import { trace } from '../runs/trace.ts'
import { readVersion } from '../store.ts'

/**
 * Takes a runner's report, at least once delivered: of the same one again nothing changes.
 * @throws AppError not_found for a run that is not this runner's, in the same words as for one that does not exist
 */
export async function takeReport(ctx: MachineCtx, report: RunReport): Promise<void> {
  const run = await lockRun(ctx.tx, report.runId)
  if (!run || run.runnerId !== ctx.runnerId || !(await isPlanOf(ctx.tx, run.id, report.planId))) {
    throw new AppError('not_found', 'There is no such run of yours.')
  }
  const effect = effectOf({ ...run, ...(await expected(ctx, run)) }, report, ctx.now)
  if (effect.kind === 'known') return
  const { planId, sequence, status } = report
  const facts = { planId, sequence, status }
  if (effect.kind === 'late') {
    await changeRun(ctx.tx, run.id, { report: { sequence, at: ctx.now } })
    const event = { action: 'run.reported-late', outcome: 'denied', facts } as const
    if (status === 'running') return void ctx.record({ ...event, target: { kind: 'run', id: run.id } })
    const text = `reported after the run had ended here as ${run.state}: ${status}`
    return trace(ctx, run, { kind: 'run', text }, event)
  }
  const { state, waiting, failure } = effect
  const unfinished = isUnfinished(state)
  await changeRun(ctx.tx, run.id, {
    ...{ state, waiting, failure },
    ...(unfinished ? {} : { endedAt: ctx.now }),
    report: { sequence, at: ctx.now, steps: report.steps },
  })
  ctx.live('runs')
  for (const { stepId, text } of newComments(run.steps, report.steps)) {
    await trace(ctx, run, { kind: 'comment', text, stepId }, { action: 'run.commented', facts: { planId, stepId } })
  }
  const text = sentenceOf(effect)
  const event = { action: 'run.reported', facts, ...(state === 'failed' ? { outcome: 'failed' as const } : {}) }
  if (text !== null && state !== run.state) await trace(ctx, run, { kind: 'run', text }, event)
  else ctx.record({ ...event, target: { kind: 'run', id: run.id } })
  await watch(ctx, run.id, state)
}

/** Whoever starts to work is looked after; a later report moves the check on. */
async function watch(ctx: MachineCtx, runId: string, state: string): Promise<void> {
  if (state !== 'running') return
  const runAt = new Date(ctx.now.getTime() + silenceMs)
  await ctx.enqueue('runs.check', { runId }, { runAt, key: `check:${runId}` })
}

async function expected(ctx: MachineCtx, run: RunRow) {
  const { yaml } = await readVersion(ctx.tx, run.playbookId, run.playbookVersion)
  const compiled = compilePlaybook(yaml)
  const roles = compiled.ok ? approverRoles(compiled.playbook) : new Map()
  const decisions = await decisionsOf(ctx.tx, run.id)
  const approved = new Set(decisions.flatMap(({ stepId, decision }) => (decision === 'approved' ? [stepId] : [])))
  return { roles, approved }
}

function sentenceOf(effect: Extract<Effect, { kind: 'taken' }>): string | null {
  switch (effect.state) {
    case 'waiting':
      return `asked for approval (${effect.waiting?.role}): ${effect.waiting?.prompt}`
    case 'succeeded':
      return 'finished the run'
    case 'failed':
      return `ended the run as failed: ${effect.failure}`
    default:
      return null
  }
}
