import type { PlanInputs, RunState, StepReport } from '@redoubt/contract'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import { formerMember } from '../store.ts'
import { unfinishedStates, type Waiting } from './rules.ts'

/** A run as it is worked on; held until the transaction ends. */
export type RunRow = {
  readonly id: string
  readonly playbookId: string
  readonly playbookVersion: number
  readonly caseId: string
  readonly runnerId: string | null
  readonly state: RunState
  readonly inputs: PlanInputs
  readonly startedBy: string
  readonly waiting: Waiting | null
  readonly reportSequence: number
  readonly reportedAt: Date | null
  readonly steps: readonly StepReport[]
}

/** Holds a run until the transaction ends: everybody who changes its state or signs a plan for it takes it first. */
export async function lockRun(tx: TenantTx, id: string): Promise<RunRow | undefined> {
  const row = await tx.db
    .selectFrom('runs')
    .select([
      'id',
      'playbook_id as playbookId',
      'playbook_version as playbookVersion',
      'case_id as caseId',
      'runner_id as runnerId',
      'state',
      'inputs',
      'started_by as startedBy',
      'waiting',
      'report_sequence as reportSequence',
      'reported_at as reportedAt',
      'steps',
    ])
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (!row) return undefined
  return {
    ...row,
    inputs: row.inputs as PlanInputs,
    waiting: row.waiting as Waiting | null,
    steps: row.steps as StepReport[],
  }
}

export type NewRun = {
  readonly id: string
  readonly playbookId: string
  readonly playbookVersion: number
  readonly caseId: string
  readonly runnerId: string
  readonly inputs: PlanInputs
  readonly at: Date
  readonly by: string
}

export async function insertRun(tx: TenantTx, run: NewRun): Promise<void> {
  await tx.db
    .insertInto('runs')
    .values({
      organization_id: tx.organizationId,
      id: run.id,
      playbook_id: run.playbookId,
      playbook_version: run.playbookVersion,
      case_id: run.caseId,
      runner_id: run.runnerId,
      state: 'queued',
      inputs: JSON.stringify(run.inputs),
      started_at: run.at,
      started_by: run.by,
      steps: '[]',
    })
    .execute()
}

export type RunChange = {
  readonly state?: RunState
  readonly waiting?: Waiting | null
  readonly failure?: string | null
  readonly endedAt?: Date
  readonly report?: { readonly sequence: number; readonly at: Date; readonly steps?: readonly StepReport[] }
}

export async function changeRun(tx: TenantTx, id: string, change: RunChange): Promise<void> {
  const { state, waiting, failure, endedAt, report } = change
  await tx.db
    .updateTable('runs')
    .set({
      ...(state === undefined ? {} : { state }),
      ...(waiting === undefined ? {} : { waiting: waiting === null ? null : JSON.stringify(waiting) }),
      ...(failure === undefined ? {} : { failure }),
      ...(endedAt === undefined ? {} : { ended_at: endedAt }),
      ...(report === undefined ? {} : { report_sequence: report.sequence, reported_at: report.at }),
      ...(report?.steps === undefined ? {} : { steps: JSON.stringify(report.steps) }),
    })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .execute()
}

/** What a runner still has in hand. */
export async function unfinishedRunsOf(tx: TenantTx, runnerId: string): Promise<string[]> {
  const rows = await tx.db
    .selectFrom('runs')
    .select('id')
    .where('organization_id', '=', tx.organizationId)
    .where('runner_id', '=', runnerId)
    .where('state', 'in', [...unfinishedStates])
    .where('ended_at', 'is', null)
    .orderBy('id')
    .execute()
  return rows.map(({ id }) => id)
}

function shownRuns(tx: TenantTx) {
  return tx.db
    .selectFrom('runs as r')
    .innerJoin('playbooks as p', (join) =>
      join.onRef('p.organization_id', '=', 'r.organization_id').onRef('p.id', '=', 'r.playbook_id'),
    )
    .innerJoin('cases as c', (join) =>
      join.onRef('c.organization_id', '=', 'r.organization_id').onRef('c.id', '=', 'r.case_id'),
    )
    .leftJoin('users as u', 'u.id', 'r.started_by')
    .where('r.organization_id', '=', tx.organizationId)
    .select([
      'r.id',
      'r.playbook_id as playbookId',
      'p.name as playbookName',
      'r.playbook_version as playbookVersion',
      'r.case_id as caseId',
      'c.number as caseNumber',
      'c.title as caseTitle',
      'r.state',
      'r.started_at as startedAt',
      'u.name as startedBy',
      'r.ended_at as endedAt',
      'r.waiting',
    ])
}

type Selected = Awaited<ReturnType<ReturnType<typeof shownRuns>['execute']>>[number]
export type ShownRun = Omit<Selected, 'startedBy' | 'waiting'> & {
  readonly startedBy: string
  readonly waiting: Waiting | null
}

const shownOf = (row: Selected): ShownRun => ({
  ...row,
  startedBy: row.startedBy ?? formerMember,
  waiting: row.waiting as Waiting | null,
})

export type RunFilter = {
  readonly caseId?: string | undefined
  readonly state?: RunState | undefined
  readonly playbookId?: string | undefined
}

/** Visible runs, newest first, after the given id; ids are UUIDv7, so their order is that of the starts. */
export async function listRuns(
  tx: TenantTx,
  filter: RunFilter,
  after: string | null,
  limit: number,
): Promise<ShownRun[]> {
  let query = shownRuns(tx).orderBy('r.id', 'desc').limit(limit)
  if (after !== null) query = query.where('r.id', '<', after)
  if (filter.caseId) query = query.where('r.case_id', '=', filter.caseId)
  if (filter.state) query = query.where('r.state', '=', filter.state)
  if (filter.playbookId) query = query.where('r.playbook_id', '=', filter.playbookId)
  return (await query.execute()).map(shownOf)
}

/** One visible run, or undefined. */
export async function findRun(tx: TenantTx, id: string) {
  const row = await shownRuns(tx).select(['r.steps', 'r.failure']).where('r.id', '=', id).executeTakeFirst()
  return row && { ...shownOf(row), steps: row.steps as StepReport[], failure: row.failure }
}

export type ApprovalRow = {
  readonly stepId: string
  readonly userId: string
  readonly name: string
  readonly at: Date
  readonly decision: 'approved' | 'rejected'
  readonly statement: string
}

/** Decisions in their order. */
export async function decisionsOf(tx: TenantTx, runId: string): Promise<Omit<ApprovalRow, 'name'>[]> {
  return tx.db
    .selectFrom('approvals')
    .select(['step_id as stepId', 'user_id as userId', 'at', 'decision', 'statement'])
    .where('organization_id', '=', tx.organizationId)
    .where('run_id', '=', runId)
    .orderBy('at')
    .orderBy('step_id')
    .execute()
}

/** Decisions with the names of who took them. */
export async function namedDecisionsOf(tx: TenantTx, runId: string): Promise<ApprovalRow[]> {
  const decisions = await decisionsOf(tx, runId)
  if (decisions.length === 0) return []
  const ids = decisions.map(({ userId }) => userId)
  const people = await tx.db.selectFrom('users').select(['id', 'name']).where('id', 'in', ids).execute()
  const names = new Map(people.map(({ id, name }) => [id, name]))
  return decisions.map((decision) => ({ ...decision, name: names.get(decision.userId) ?? formerMember }))
}

/** @returns false when the step was decided on before */
export async function insertDecision(
  tx: TenantTx,
  runId: string,
  decision: Omit<ApprovalRow, 'name'>,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto('approvals')
    .values({
      organization_id: tx.organizationId,
      run_id: runId,
      step_id: decision.stepId,
      user_id: decision.userId,
      at: decision.at,
      decision: decision.decision,
      statement: decision.statement,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}
