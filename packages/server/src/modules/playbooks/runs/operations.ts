import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { approvalStatement, type contract, type PlaybookId, type RunId, type RunnerId } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import { cursorOf, readCursor } from '../../../platform/cursor.ts'
import type { Handlers, TenantCtx } from '../../../platform/operation.ts'
import { compilePlaybook, PlanRefused, planFrom } from '../language/index.ts'
import { graphOf } from '../rules.ts'
import { chooseRunner } from '../runners/store.ts'
import { readPlaybook, readVersion } from '../store.ts'
import { inputsOf, shareCase } from './case-store.ts'
import { planOfSegment, plansOf } from './plan-store.ts'
import { isUnfinished, refusalOfCancel, refusalOfStart, type Waiting } from './rules.ts'
import {
  changeRun,
  decisionsOf,
  findRun,
  insertDecision,
  insertRun,
  listRuns,
  lockRun,
  namedDecisionsOf,
  type RunRow,
  type ShownRun,
} from './store.ts'
import { trace } from './trace.ts'

/** Starting playbooks on cases, and deciding on the steps that wait for a person. */
export function runOperations(): Handlers<typeof contract.runs> {
  return {
    async list(ctx, { cursor, limit, ...filter }) {
      const after = cursor === undefined ? null : readCursor(cursor).id
      const rows = await listRuns(ctx.tx, filter, after, limit + 1)
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map(summaryOf),
        next: rows.length > limit && last ? cursorOf({ at: last.startedAt, id: last.id }) : null,
      }
    },

    async get(ctx, { id }) {
      const run = await findRun(ctx.tx, id)
      if (!run) throw noRun()
      const [plans, decisions] = [await plansOf(ctx.tx, id), await namedDecisionsOf(ctx.tx, id)]
      const { yaml } = await readVersion(ctx.tx, run.playbookId, run.playbookVersion)
      return {
        ...summaryOf(run),
        graph: graphOf(yaml),
        steps: run.steps.map(({ stepId, type, status, startedAt, endedAt, summary, error }) => ({
          ...{ stepId, type, status, startedAt, endedAt, summary },
          error: error ?? null,
        })),
        plans: plans.map(({ id: planId, sha256, issuedAt, expiresAt, keyId }) => ({
          ...{ id: planId, sha256, keyId },
          issuedAt: issuedAt.toISOString(),
          expiresAt: expiresAt.toISOString(),
        })),
        approvals: decisions.map(({ stepId, userId, name, at, decision, statement }) => ({
          ...{ stepId, decision, statement, at: at.toISOString() },
          by: { id: userId, name },
        })),
        failure: run.failure,
        canonicalPlan: plans.at(-1)?.canonical ?? null,
      }
    },

    async start(ctx, { playbookId, caseId }) {
      const on = await shareCase(ctx.tx, caseId)
      if (!on) throw new AppError('not_found', 'There is no such case.')
      ctx.authorize('run:start', { kind: 'Case', ...on })
      const playbook = await readPlaybook(ctx.tx, playbookId)
      const refusal = refusalOfStart(playbook, on)
      if (refusal) throw new AppError('conflict', refusal)
      const runner = await chooseRunner(ctx.tx)
      if (!runner) throw new AppError('conflict', 'No runner is enrolled: make an enrolment under Runners.')

      const run = { id: randomUUIDv7(), caseId }
      const inputs = await inputsOf(ctx.tx, on)
      requirePlan(ctx, playbook, { runId: run.id, runnerId: runner.id, inputs })
      await insertRun(ctx.tx, {
        ...run,
        playbookId,
        playbookVersion: playbook.version,
        runnerId: runner.id,
        inputs,
        at: ctx.now,
        by: ctx.person.userId,
      })
      await enqueuePush(ctx, run.id)
      const facts = { caseId, playbookId, version: playbook.version, sha256: playbook.sha256, runnerId: runner.id }
      const text = `started the playbook “${playbook.name}”`
      await trace(ctx, run, { kind: 'run', text }, { action: 'run.started', facts })
      return shown(ctx, run.id)
    },

    async decide(ctx, { id, stepId, decision, statement: remark }) {
      const run = await requireRun(ctx, id)
      const waiting = requireWaiting(run, stepId)
      ctx.authorize('run:approve', { kind: 'Run', id, startedById: run.startedBy, approverRole: waiting.role })
      const { sha256 } = await readVersion(ctx.tx, run.playbookId, run.playbookVersion)
      const approved = decision === 'approve'
      const isFirst = await insertDecision(ctx.tx, id, {
        stepId,
        userId: ctx.person.userId,
        at: ctx.now,
        decision: approved ? 'approved' : 'rejected',
        statement: approvalStatement({ runId: id, stepId, playbookSha256: sha256, prompt: waiting.prompt }),
      })
      if (!isFirst) throw new AppError('conflict', 'Somebody else decided on this step a moment ago.')

      if (approved) {
        await changeRun(ctx.tx, id, { state: 'queued', waiting: null })
        await enqueuePush(ctx, id)
      } else await changeRun(ctx.tx, id, { state: 'rejected', waiting: null, endedAt: ctx.now })
      const words = `${approved ? 'approved' : 'rejected'} “${waiting.prompt}”`
      const text = remark === undefined ? words : `${words}: ${remark}`
      const action = approved ? 'run.approved' : 'run.rejected'
      await trace(ctx, run, { kind: 'run', text, stepId }, { action, facts: { stepId, playbookSha256: sha256 } })
      return shown(ctx, id)
    },

    async cancel(ctx, { id }) {
      const run = await requireRun(ctx, id)
      // Who may cancel does not depend on the step; the strictest role keeps it so should a policy ever ask.
      const approverRole = run.waiting?.role ?? 'admin'
      ctx.authorize('run:cancel', { kind: 'Run', id, startedById: run.startedBy, approverRole })
      const plan = await planOfSegment(ctx.tx, id, (await decisionsOf(ctx.tx, id)).length)
      const refusal = refusalOfCancel(run.state, plan ?? null, ctx.now)
      if (refusal) throw new AppError('conflict', refusal)
      await changeRun(ctx.tx, id, { state: 'cancelled', waiting: null, endedAt: ctx.now })
      await trace(ctx, run, { kind: 'run', text: 'cancelled the run' }, { action: 'run.cancelled' })
      return shown(ctx, id)
    },
  }
}

/** What the plan would be is tried before anything is promised: its size is known by now. @throws AppError */
function requirePlan(
  ctx: TenantCtx,
  playbook: Awaited<ReturnType<typeof readPlaybook>>,
  run: { runId: string; runnerId: string; inputs: Awaited<ReturnType<typeof inputsOf>> },
): void {
  const compiled = compilePlaybook(playbook.yaml)
  if (!compiled.ok) {
    throw new AppError(
      'conflict',
      'This playbook has errors under the present rules of the language: open and mend it.',
    )
  }
  try {
    planFrom(compiled.playbook, {
      planId: randomUUID(),
      runId: run.runId as RunId,
      organizationId: ctx.organizationId,
      runnerId: run.runnerId as RunnerId,
      playbook: { id: playbook.id as PlaybookId, version: playbook.version, sha256: playbook.sha256 },
      inputs: run.inputs,
      approvals: [],
      now: ctx.now,
    })
  } catch (error) {
    if (!(error instanceof PlanRefused)) throw error
    throw new AppError('conflict', `The playbook cannot be started on this case: ${error.message}.`, { cause: error })
  }
}

/** One push a run: a job that still waits from an earlier segment is replaced. */
const enqueuePush = (ctx: TenantCtx, runId: string) => ctx.enqueue('runs.push', { runId }, { key: `push:${runId}` })

async function requireRun(ctx: TenantCtx, id: string): Promise<RunRow> {
  const run = await lockRun(ctx.tx, id)
  if (!run) throw noRun()
  return run
}

function requireWaiting(run: RunRow, stepId: string): Waiting {
  if (run.state === 'waiting' && run.waiting?.stepId === stepId) return run.waiting
  const now = run.waiting ? `it waits for ${run.waiting.stepId}` : `it is ${run.state}`
  const ended = isUnfinished(run.state) ? '' : ' and has ended'
  throw new AppError('conflict', `This run does not wait for ${stepId} any more: ${now}${ended}.`)
}

async function shown(ctx: TenantCtx, id: string) {
  const run = await findRun(ctx.tx, id)
  if (!run) throw noRun()
  return summaryOf(run)
}

const summaryOf = (run: ShownRun) => ({
  id: run.id,
  playbook: { id: run.playbookId, name: run.playbookName, version: run.playbookVersion },
  case: { id: run.caseId, number: run.caseNumber, title: run.caseTitle },
  state: run.state,
  startedAt: run.startedAt.toISOString(),
  startedBy: run.startedBy,
  endedAt: run.endedAt?.toISOString() ?? null,
  waitingFor: run.waiting,
})

const noRun = () => new AppError('not_found', 'There is no such run.')
