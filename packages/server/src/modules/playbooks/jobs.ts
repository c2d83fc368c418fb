import { randomUUIDv7 } from 'node:crypto'
import {
  type OrganizationId,
  type Plan,
  type PlaybookId,
  type RunId,
  type RunnerId,
  tlpWithin,
} from '@redoubt/contract'
import { canonicalJson, canonicalSha256, type SigningKey, signPlan } from '@redoubt/trust'
import type { Database } from '../../platform/database.ts'
import type { TaskHandlers } from '../../platform/jobs.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { type Work, work } from '../../platform/work.ts'
import { compilePlaybook, PlanRefused, planFrom } from './language/index.ts'
import { type Delivered, deliverPlan } from './plan-delivery.ts'
import { runnerSpiffeId } from './runners/rules.ts'
import { findRunner, type RunnerRow } from './runners/store.ts'
import { tlpOfCase } from './runs/case-store.ts'
import { acceptPlan, insertPlan, newestPlan, planOfSegment } from './runs/plan-store.ts'
import { isUnfinished, lostFrom, silenceMs } from './runs/rules.ts'
import { changeRun, decisionsOf, lockRun, type RunRow, unfinishedRunsOf } from './runs/store.ts'
import { failRun } from './runs/trace.ts'
import { readVersion } from './store.ts'

/** What the workflow-processor does: the only part that signs plans, and the only one that calls a runner. */
export function workflowTasks(kernel: Kernel, database: Database): TaskHandlers {
  const inTenant = <T>(organizationId: OrganizationId, use: (unit: Work) => Promise<T>): Promise<T> => {
    const actor = { kind: 'service', id: 'workflow-processor', name: 'workflow-processor' } as const
    return work(database, { organizationId, actor, clock: kernel.clock, requestId: null }, use)
  }
  return {
    /**
     * Pushes the plan of a run's present segment. The plan is committed before it leaves, and while it has not expired it
     * is sent again rather than replaced: whatever crashes in between, no two plans of one segment are ever alive.
     */
    'runs.push': async ({ organizationId, runId }, { last }) => {
      const key = kernel.signing.plan.active()
      const push = await inTenant(organizationId, (unit) => prepare(unit, key, organizationId, runId))
      if (!push) return
      const { plan, issuedAt, expiresAt, runner } = push
      const token = signPlan(plan, {
        issuer: kernel.config.publicUrl,
        ...{ organizationId, runnerId: runner.id, planId: plan.planId, runId, now: issuedAt, key },
        lifetimeSeconds: planSeconds,
      })
      const outcome = await deliverPlan(
        {
          origin: runner.url,
          holder: kernel.certificate,
          runner: runnerSpiffeId(kernel.config.trustDomain, organizationId, runner.id),
        },
        token,
        plan,
      )
      // Expired on its way: the next attempt makes a new one.
      const late = outcome.kind === 'refused' && outcome.code === 'token_expired' && expiresAt <= kernel.clock.now()
      if (!last && (outcome.kind === 'silent' || late))
        throw new Error(`the runner did not take the plan: ${said(outcome)}`)
      await inTenant(organizationId, (unit) => conclude(unit, runId, plan.planId, runner, outcome))
    },

    /** Fails a run whose runner has died for good. */
    'runs.check': ({ organizationId, runId }) =>
      inTenant(organizationId, async (unit) => {
        const run = await lockRun(unit.tx, runId)
        const plan = run && (await newestPlan(unit.tx, runId))
        if (!plan || (run.state !== 'sent' && run.state !== 'running')) return
        const due = lostFrom(plan, run.reportedAt)
        if (due > unit.now) return watch(unit, runId, due)
        const failure =
          'The runner has been silent for ten minutes. Look at the targets, the last steps may have had an effect.'
        await failRun(unit, run, 'runner-silent', failure)
      }),

    /** Ends what a revoked runner had in hand. */
    'runners.revoked': ({ organizationId, runnerId }) =>
      inTenant(organizationId, async (unit) => {
        for (const runId of await unfinishedRunsOf(unit.tx, runnerId)) {
          const run = await lockRun(unit.tx, runId)
          if (run && isUnfinished(run.state)) await failRun(unit, run, 'runner-revoked', 'Its runner was revoked.')
        }
      }),
  }
}

/** PLAN-1. */
const planSeconds = 5 * 60

type Push = { readonly plan: Plan; readonly issuedAt: Date; readonly expiresAt: Date; readonly runner: RunnerRow }

/** The plan to push, committed with its transaction; null when there is none to push any more. */
async function prepare(
  unit: Work,
  key: SigningKey,
  organizationId: OrganizationId,
  runId: string,
): Promise<Push | null> {
  const { tx, now } = unit
  const run = await lockRun(tx, runId)
  if (run?.state !== 'queued') return null
  const runner = run.runnerId === null ? undefined : await findRunner(tx, run.runnerId)
  if (!runner || runner.revokedAt !== null) {
    await failRun(unit, run, 'runner-revoked', 'Its runner was revoked.')
    return null
  }
  const approvals = await decisionsOf(tx, runId)
  const signed = await planOfSegment(tx, runId, approvals.length)
  if (signed && signed.expiresAt > now) return { ...signed, runner }

  const made = await makePlan(unit, run, approvals, { organizationId, runner })
  if (typeof made === 'string') {
    await failRun(unit, run, 'plan-refused', made)
    return null
  }
  const issuedAt = now
  const expiresAt = new Date(Math.floor(now.getTime() / 1000) * 1000 + planSeconds * 1000)
  const [canonical, sha256] = [canonicalJson(made), canonicalSha256(made)]
  await insertPlan(tx, runId, { id: made.planId, canonical, sha256, keyId: key.kid, issuedAt, expiresAt })
  const facts = { planId: made.planId, sha256, keyId: key.kid, approvals: approvals.length }
  unit.record({ action: 'plan.signed', target: { kind: 'run', id: runId }, facts })
  unit.live('runs')
  return { plan: made, issuedAt, expiresAt, runner }
}

/** A new plan, or the sentence why there is none. */
async function makePlan(
  { tx, now }: Work,
  run: RunRow,
  approvals: Awaited<ReturnType<typeof decisionsOf>>,
  to: { readonly organizationId: OrganizationId; readonly runner: RunnerRow },
): Promise<Plan | string> {
  const { yaml, sha256 } = await readVersion(tx, run.playbookId, run.playbookVersion)
  const compiled = compilePlaybook(yaml)
  if (!compiled.ok) return 'Its playbook has errors under the present rules of the language: open and mend it.'
  // TLP-2: the inputs are those of the start, but the case may have been raised since.
  const tlp = await tlpOfCase(tx, run.caseId)
  if (!tlpWithin(tlp, compiled.playbook.tlp)) {
    return `The case is TLP:${tlp} by now, and its playbook is cleared up to TLP:${compiled.playbook.tlp}.`
  }
  try {
    return planFrom(compiled.playbook, {
      // In the order of signing: the last of a run is found by it.
      planId: randomUUIDv7(),
      runId: run.id as RunId,
      organizationId: to.organizationId,
      runnerId: to.runner.id as RunnerId,
      playbook: { id: run.playbookId as PlaybookId, version: run.playbookVersion, sha256 },
      inputs: run.inputs,
      approvals: approvals.map(({ stepId, userId, at, statement }) => ({
        ...{ stepId, statement, at: at.toISOString() },
        by: userId as Plan['approvals'][number]['by'],
      })),
      now,
    })
  } catch (error) {
    if (error instanceof PlanRefused) return `${error.message}.`
    throw error
  }
}

/**
 * Writes down what became of a push. The runner's reports and the next approval may have been faster than its answer: then
 * the run is further already, and an answer about an earlier segment must not be taken for one about the present.
 */
async function conclude(
  unit: Work,
  runId: string,
  planId: string,
  runner: RunnerRow,
  outcome: Delivered,
): Promise<void> {
  const { tx, now } = unit
  const run = await lockRun(tx, runId)
  if (!run) return
  const accepted = outcome.kind === 'accepted'
  if (accepted && (await acceptPlan(tx, planId, now))) {
    unit.record({ action: 'plan.accepted', target: { kind: 'run', id: runId }, facts: { planId, runnerId: runner.id } })
    unit.live('runs')
  }
  const present = await planOfSegment(tx, runId, (await decisionsOf(tx, runId)).length)
  if (run.state !== 'queued' || present?.id !== planId) return
  if (accepted) {
    await changeRun(tx, runId, { state: 'sent' })
    return watch(unit, runId, new Date(now.getTime() + silenceMs))
  }
  const failure =
    outcome.kind === 'refused'
      ? `The runner refused the plan: ${said(outcome)}.`
      : `The runner at ${runner.url} did not answer: ${said(outcome)}. Start it, then start a new run.`
  await failRun(unit, run, outcome.kind === 'refused' ? outcome.code : 'runner-unreachable', failure)
}

/** Looks after a run at a later time; a later call moves the check on. */
const watch = (unit: Work, runId: string, runAt: Date) =>
  unit.enqueue('runs.check', { runId }, { runAt, key: `check:${runId}` })

function said(outcome: Delivered): string {
  if (outcome.kind === 'refused') return `${outcome.detail} (${outcome.code})`
  return outcome.kind === 'silent' ? outcome.reason : 'accepted'
}
