import type { Case } from '@redoubt/contract'
import { useState } from 'react'
import { failureOf } from '../../api/failure.ts'
import { useApi } from '../../api/session.tsx'
import { announceFailure } from '../../components/toast.tsx'

/** A field that two people changed at once. */
export type Conflict = {
  readonly field: 'title' | 'description' | 'severity' | 'resolution' | 'ownerId'
  readonly mine: string | null
  readonly theirs: Case
}

type Change = {
  readonly title?: string
  readonly description?: string
  readonly severity?: Case['severity']
  readonly ownerId?: string | null
  readonly techniques?: string[]
  readonly resolution?: string
}

/** Editing in place with optimistic locking: a change that lost the race is never lost, both versions are shown. */
export function useCaseEditing(id: string) {
  const { client, queries, trpc } = useApi()
  const [conflict, setConflict] = useState<Conflict | null>(null)
  const key = trpc.cases.get.queryKey({ id })
  const latest = () => queries.getQueryData(key)
  const accept = (next: Case) => {
    queries.setQueryData(key, next)
    void queries.invalidateQueries(trpc.cases.timeline.pathFilter())
  }
  const send = async (change: Change, version: number): Promise<void> => {
    try {
      accept(await client.cases.update.mutate({ id, version, ...change }))
    } catch (error) {
      if (failureOf(error).code !== 'stale') return announceFailure('Not saved', error)
      const theirs = await queries.fetchQuery({ ...trpc.cases.get.queryOptions({ id }), staleTime: 0 })
      const [field, mine] = Object.entries(change)[0] ?? []
      if (field === 'techniques' || field === undefined) return send(change, theirs.version)
      setConflict({ field: field as Conflict['field'], mine: mine === null ? null : String(mine), theirs })
    }
  }
  return {
    conflict,
    /** Takes one field at a time, so that a conflict is about one thing. */
    save: async (change: Change) => {
      const present = latest()
      if (present) await send(change, present.version)
    },
    keepTheirs: () => setConflict(null),
    keepMine: async () => {
      if (!conflict) return
      setConflict(null)
      await send({ [conflict.field]: conflict.mine }, conflict.theirs.version)
    },
    /** For operations with a version of their own; reloads the case when somebody was faster. */
    attempt: async (what: string, run: (version: number) => Promise<Case>): Promise<boolean> => {
      const present = latest()
      if (!present) return false
      try {
        accept(await run(present.version))
        return true
      } catch (error) {
        void queries.invalidateQueries(trpc.cases.get.queryFilter({ id }))
        announceFailure(what, error)
        return false
      }
    },
  }
}
export type CaseEditing = ReturnType<typeof useCaseEditing>
