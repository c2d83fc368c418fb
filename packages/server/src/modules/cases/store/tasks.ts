import type { TenantTx } from '../../../platform/tenant-tx.ts'
import { formerMember } from './people.ts'

type TaskState = 'open' | 'done' | 'cancelled'

function taskRows(tx: TenantTx, caseId: string) {
  return tx.db
    .selectFrom('case_tasks as t')
    .leftJoin('users as u', 'u.id', 't.assignee_id')
    .select(['t.id', 't.title', 't.state', 't.assignee_id', 'u.name as assignee_name', 't.version', 't.created_at'])
    .where('t.organization_id', '=', tx.organizationId)
    .where('t.case_id', '=', caseId)
}

function taskOf(row: Awaited<ReturnType<ReturnType<typeof taskRows>['execute']>>[number]) {
  return {
    id: row.id,
    title: row.title,
    state: row.state,
    assignee: row.assignee_id === null ? null : { id: row.assignee_id, name: row.assignee_name ?? formerMember },
    version: row.version,
    createdAt: row.created_at.toISOString(),
  }
}

export type TaskRow = ReturnType<typeof taskOf>

/** The tasks of a case in their order. */
export async function listTasks(tx: TenantTx, caseId: string, limit: number): Promise<TaskRow[]> {
  return (await taskRows(tx, caseId).orderBy('t.id').limit(limit).execute()).map(taskOf)
}

export async function countTasks(tx: TenantTx, caseId: string): Promise<number> {
  const { count } = await tx.db
    .selectFrom('case_tasks')
    .select((select) => select.fn.countAll<number>().as('count'))
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .executeTakeFirstOrThrow()
  return count
}

export async function findTask(tx: TenantTx, caseId: string, id: string): Promise<TaskRow | null> {
  const row = await taskRows(tx, caseId).where('t.id', '=', id).executeTakeFirst()
  return row ? taskOf(row) : null
}

export async function insertTask(
  tx: TenantTx,
  task: { id: string; caseId: string; title: string; assigneeId: string | null; now: Date },
): Promise<void> {
  await tx.db
    .insertInto('case_tasks')
    .values({
      organization_id: tx.organizationId,
      id: task.id,
      case_id: task.caseId,
      title: task.title,
      assignee_id: task.assigneeId,
      created_at: task.now,
    })
    .execute()
}

/** @returns whether the version was still the one that was read */
export async function updateTask(
  tx: TenantTx,
  of: { caseId: string; id: string; version: number },
  change: { title?: string; state?: TaskState; assignee_id?: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable('case_tasks')
    .set({ ...change, version: of.version + 1 })
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', of.caseId)
    .where('id', '=', of.id)
    .where('version', '=', of.version)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function moveTasks(tx: TenantTx, from: string, into: string): Promise<void> {
  await tx.db
    .updateTable('case_tasks')
    .set({ case_id: into })
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', from)
    .execute()
}
