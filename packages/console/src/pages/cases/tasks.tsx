import type { Case, Task } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi, useMay } from '../../api/session.tsx'
import { IconButton } from '../../components/button.tsx'
import { Section } from '../../components/drawer.tsx'
import { controlLook } from '../../components/fields.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { PersonPicker } from '../../components/person-picker.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'

/** What is to be done, ticked off in place. */
export function Tasks({ of }: { of: Case }) {
  const { trpc, queries, client } = useApi()
  const may = useMay()
  const tasks = useQuery(trpc.cases.tasks.queryOptions({ id: of.id }), queries)
  const [title, setTitle] = useState('')
  /** States that were chosen here and are on their way. */
  const [ticked, setTicked] = useState<ReadonlyMap<string, Task['state']>>(new Map())
  const [assigning, setAssigning] = useState<Task | null>(null)
  const mayEdit = may('case:edit') && of.mergedInto === null
  const items = (tasks.data?.items ?? []).map((task) => ({ ...task, state: ticked.get(task.id) ?? task.state }))
  const refresh = () => queries.invalidateQueries(trpc.cases.tasks.queryFilter({ id: of.id }))

  const change = async (task: Task, to: { state?: Task['state']; assigneeId?: string | null }) => {
    if (to.state) setTicked((before) => new Map(before).set(task.id, to.state ?? task.state))
    try {
      await client.cases.updateTask.mutate({ id: of.id, taskId: task.id, version: task.version, ...to })
      if (to.state === 'cancelled') announce('Task cancelled', { label: 'Undo', run: () => void undo(task) })
    } catch (error) {
      announceFailure('The task did not change', error)
    }
    await refresh()
    setTicked((before) => new Map([...before].filter(([id]) => id !== task.id)))
  }
  const undo = async (task: Task) => {
    await client.cases.updateTask
      .mutate({ id: of.id, taskId: task.id, version: task.version + 1, state: task.state })
      .catch((error: unknown) => announceFailure('Not undone', error))
    await refresh()
  }
  const add = async () => {
    const next = title.trim()
    if (next === '') return
    setTitle('')
    try {
      await client.cases.addTask.mutate({ id: of.id, title: next })
    } catch (error) {
      setTitle(next)
      announceFailure('The task was not added', error)
    }
    await refresh()
  }
  const done = items.filter((task) => task.state !== 'open').length
  return (
    <Section
      title="Tasks"
      aside={items.length > 0 && <span className="text-xs text-faint">{`${done} of ${items.length} done`}</span>}
    >
      {tasks.isPending && <div className="skeleton h-16" />}
      <ul>
        {items.map((task) => (
          <li key={task.id} className="group flex min-h-8 items-center gap-2">
            <label className="flex min-w-0 flex-1 items-center gap-2.5 py-1 text-sm">
              <input
                type="checkbox"
                checked={task.state !== 'open'}
                disabled={!mayEdit || task.state === 'cancelled'}
                onChange={(event) => void change(task, { state: event.target.checked ? 'done' : 'open' })}
                className="size-4 shrink-0 accent-accent"
              />
              <span className={`min-w-0 break-words ${task.state === 'open' ? '' : 'text-faint line-through'}`}>
                {task.title}
              </span>
            </label>
            {task.assignee && <span className="shrink-0 text-xs text-faint">{task.assignee.name}</span>}
            {mayEdit && (
              <Menu
                label="Task"
                trigger={<IconButton icon="more" label={`More about ${task.title}`} className="size-7" />}
              >
                <MenuItem id="assign" icon="user" onAction={() => setAssigning(task)}>
                  Assign
                </MenuItem>
                <MenuItem
                  id="cancel"
                  icon="close"
                  disabled={task.state === 'cancelled'}
                  onAction={() => void change(task, { state: 'cancelled' })}
                >
                  Cancel task
                </MenuItem>
              </Menu>
            )}
          </li>
        ))}
      </ul>
      {mayEdit && (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void add()
          }}
          className="mt-1"
        >
          <input
            aria-label="Add a task"
            placeholder="Add a task"
            value={title}
            maxLength={300}
            onChange={(event) => setTitle(event.target.value)}
            className={controlLook}
          />
        </form>
      )}
      {assigning && (
        <PersonPicker
          title="Assign task"
          nobody="Nobody"
          onClose={() => setAssigning(null)}
          onPick={(person) => void change(assigning, { assigneeId: person?.id ?? null })}
        />
      )}
    </Section>
  )
}
