import type { AlertState, AlertSummary } from '@redoubt/contract'
import { useNavigate } from '@tanstack/react-router'
import { useApi, useWorkplace } from '../../api/session.tsx'
import type { SteadyPages } from '../../api/steady-pages.ts'
import { announce, announceFailure } from '../../components/toast.tsx'
import { plural } from '../../components/words.ts'

type Rows = readonly AlertSummary[]

/** What can be done to alerts. Each act shows at once, is taken back when it fails, and offers Undo where there is a way back. */
export function useTriage(list: SteadyPages<AlertSummary>, shows: (state: AlertState) => boolean) {
  const { client, queries, trpc } = useApi()
  const { slug } = useWorkplace().membership.organization
  const navigate = useNavigate()
  const idsOf = (rows: Rows) => rows.map((row) => row.id)
  const refreshCounts = () => {
    void queries.invalidateQueries(trpc.alerts.counts.queryFilter())
    void queries.invalidateQueries(trpc.alerts.get.queryFilter())
  }
  const show = (rows: Rows, change: Partial<AlertSummary>) =>
    list.revise(new Set(idsOf(rows)), (row) => {
      const next = { ...row, ...change }
      return shows(next.state) ? next : null
    })
  const attempt = async (what: string, rows: Rows, change: Partial<AlertSummary>, send: () => Promise<unknown>) => {
    show(rows, change)
    try {
      await send()
      refreshCounts()
      return true
    } catch (error) {
      list.reload()
      announceFailure(what, error)
      return false
    }
  }
  const reopen = async (rows: Rows) => {
    const done = await attempt('Not reopened', rows, { state: 'new' }, () =>
      client.alerts.reopen.mutate({ ids: idsOf(rows) }),
    )
    if (done) list.reload()
  }

  return {
    acknowledge: async (rows: Rows) => {
      const done = await attempt('Not acknowledged', rows, { state: 'acknowledged' }, () =>
        client.alerts.acknowledge.mutate({ ids: idsOf(rows) }),
      )
      if (done) {
        announce(`${plural(rows.length, 'alert')} acknowledged`, { label: 'Undo', run: () => void reopen(rows) })
      }
    },
    dismiss: async (rows: Rows, reason: string) => {
      const done = await attempt('Not dismissed', rows, { state: 'dismissed' }, () =>
        client.alerts.dismiss.mutate({ ids: idsOf(rows), reason }),
      )
      if (done) announce(`${plural(rows.length, 'alert')} dismissed`, { label: 'Undo', run: () => void reopen(rows) })
    },
    reopen: async (rows: Rows) => {
      await reopen(rows)
      announce(`${plural(rows.length, 'alert')} reopened`)
    },
    assign: async (rows: Rows, person: { id: string; name: string } | null) => {
      const before = rows.map((row) => ({ row, assignee: row.assignee }))
      const assignee = person as AlertSummary['assignee']
      const send = (ids: readonly string[], id: string | null) =>
        client.alerts.assign.mutate({ ids: [...ids], assigneeId: id })
      const done = await attempt('Not assigned', rows, { assignee }, () => send(idsOf(rows), person?.id ?? null))
      if (!done) return
      announce(person ? `${plural(rows.length, 'alert')} assigned to ${person.name}` : 'Assigned to nobody', {
        label: 'Undo',
        run: () => {
          for (const { row, assignee: former } of before) {
            void attempt('Not undone', [row], { assignee: former }, () => send([row.id], former?.id ?? null))
          }
        },
      })
    },
    openCase: async (rows: Rows) => {
      try {
        const { caseId } = await client.alerts.openCase.mutate({ ids: idsOf(rows) })
        show(rows, { state: 'in-case', caseId })
        refreshCounts()
        announce(`Case opened from ${plural(rows.length, 'alert')}`, {
          label: 'Go to case',
          run: () => void navigate({ to: '/o/$slug/cases/$caseId', params: { slug, caseId } }),
        })
      } catch (error) {
        announceFailure('No case was opened', error)
      }
    },
    addToCase: async (rows: Rows, target: { id: string; number: number }) => {
      try {
        await client.alerts.addToCase.mutate({ ids: idsOf(rows), caseId: target.id })
        show(rows, { state: 'in-case' })
        refreshCounts()
        announce(`${plural(rows.length, 'alert')} added to case ${target.number}`, {
          label: 'Go to case',
          run: () => void navigate({ to: '/o/$slug/cases/$caseId', params: { slug, caseId: target.id } }),
        })
      } catch (error) {
        announceFailure('Not added', error)
      }
    },
  }
}
export type Triage = ReturnType<typeof useTriage>
