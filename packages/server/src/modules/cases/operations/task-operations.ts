import { randomUUIDv7 } from 'node:crypto'
import type { contract } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Handlers, TenantCtx } from '../../../platform/operation.ts'
import { caseToChange, caseToRead, requireSeeing } from '../reach.ts'
import type { CaseDetail } from '../store/cases.ts'
import { countTasks, findTask, insertTask, listTasks, type TaskRow, updateTask } from '../store/tasks.ts'
import { trace } from '../trace.ts'
import { audienceOf } from '../view.ts'

const mostTasks = 500

/** The tasks of a case. */
export const taskOperations: Pick<Handlers<typeof contract.cases>, 'tasks' | 'addTask' | 'updateTask'> = {
  async tasks(ctx, { id }) {
    await caseToRead(ctx, id)
    return { items: await listTasks(ctx.tx, id, mostTasks), next: null }
  },

  async addTask(ctx, { id, title, assigneeId }) {
    const found = await caseToChange(ctx, id, 'case:edit')
    requireOpen(found)
    if ((await countTasks(ctx.tx, id)) >= mostTasks)
      throw new AppError('conflict', `A case has at most ${mostTasks} tasks: merge or shorten them.`)
    if (assigneeId) await requireSeeing(ctx, assigneeId, audienceOf(found), 'assigneeId')
    const taskId = randomUUIDv7()
    await insertTask(ctx.tx, { id: taskId, caseId: id, title, assigneeId: assigneeId ?? null, now: ctx.now })
    const facts = { taskId, assigneeId: assigneeId ?? null }
    await trace(
      ctx,
      id,
      { kind: 'task', text: `added the task “${title}”`, facts },
      { action: 'case.task-added', facts },
    )
    return taskToRead(ctx, id, taskId)
  },

  async updateTask(ctx, { id, taskId, version, title, state, assigneeId }) {
    const found = await caseToChange(ctx, id, 'case:edit')
    const task = await taskToRead(ctx, id, taskId)
    if (task.version !== version) throw staleTask()
    const changes = {
      ...(title !== undefined && title !== task.title && { title }),
      ...(state !== undefined && state !== task.state && { state }),
      ...(assigneeId !== undefined && assigneeId !== (task.assignee?.id ?? null) && { assignee_id: assigneeId }),
    }
    if (Object.keys(changes).length === 0) {
      ctx.record({ action: 'case.task-changed', target: { kind: 'case', id }, facts: { taskId, changed: [] } })
      return task
    }
    // A closed case has no open task: that was the condition for closing it.
    if (changes.state === 'open') requireOpen(found)
    if (changes.assignee_id) await requireSeeing(ctx, changes.assignee_id, audienceOf(found), 'assigneeId')
    if (!(await updateTask(ctx.tx, { caseId: id, id: taskId, version }, changes))) throw staleTask()
    const facts = {
      taskId,
      ...(changes.state && { from: task.state, to: changes.state }),
      ...(changes.assignee_id !== undefined && { assigneeId: changes.assignee_id }),
    }
    await trace(
      ctx,
      id,
      { kind: 'task', text: wordsFor(changes, title ?? task.title), facts },
      { action: 'case.task-changed', facts: { ...facts, changed: Object.keys(changes) } },
    )
    return taskToRead(ctx, id, taskId)
  },
}

function requireOpen(found: CaseDetail): void {
  if (found.phase === 'closed')
    throw new AppError('conflict', `Case #${found.number} is closed: reopen it to work on its tasks.`)
}

async function taskToRead(ctx: TenantCtx, caseId: string, id: string): Promise<TaskRow> {
  const task = await findTask(ctx.tx, caseId, id)
  if (!task) throw new AppError('not_found', 'There is no such task in this case.')
  return task
}

function staleTask(): AppError {
  return new AppError('stale', 'Somebody changed this task first: read it again; your text is not lost.')
}

function wordsFor(changes: { title?: string; state?: string; assignee_id?: string | null }, title: string): string {
  if (changes.state === 'done') return `finished the task “${title}”`
  if (changes.state === 'cancelled') return `cancelled the task “${title}”`
  if (changes.state === 'open') return `reopened the task “${title}”`
  if (changes.assignee_id === null) return `took the assignee off the task “${title}”`
  if (changes.assignee_id !== undefined) return `assigned the task “${title}”`
  return `renamed a task to “${title}”`
}
