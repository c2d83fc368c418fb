import type { AlertState, AlertSummary } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useApi, useMay, useMe } from '../../api/session.tsx'
import { useSteadyPages } from '../../api/steady-pages.ts'
import { CasePicker } from '../../components/case-picker.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Grid } from '../../components/grid.tsx'
import { useKeys } from '../../components/keys.ts'
import { ArrivedPill, PageHeader } from '../../components/page-header.tsx'
import { PersonPicker } from '../../components/person-picker.tsx'
import { useWidth } from '../../components/width.ts'
import type { InboxSearch } from '../../search-params.ts'
import { AlertCard, alertColumns } from './alert-columns.tsx'
import { AlertDrawer } from './alert-drawer.tsx'
import { DismissDialog } from './dismiss-dialog.tsx'
import { InboxFilters } from './inbox-filters.tsx'
import { NoAlerts } from './no-alerts.tsx'
import { SelectionBar } from './selection-bar.tsx'
import { useTriage } from './use-triage.ts'

const route = getRouteApi('/o/$slug/inbox')

export type Asking = 'dismiss' | 'assign' | 'add-to-case' | null

/** The alert inbox: everything that waits for somebody, by keyboard or by hand, with details beside it. */
export function InboxPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { client, trpc, queries } = useApi()
  const me = useMe()
  const may = useMay()
  const area = useRef<HTMLDivElement>(null)
  const width = useWidth(area)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [cursor, setCursor] = useState<string | null>(search.alert ?? null)
  const [asking, setAsking] = useState<Asking>(null)

  const { alert: opened, ...filters } = search
  const { state, severity, source, assignee, search: words, observable } = filters
  const filter = useMemo(
    () => filterOf({ state, severity, source, assignee, words, observable }, me.user.id),
    [state, severity, source, assignee, words, observable, me.user.id],
  )
  const key = useMemo(() => ['alerts', filter], [filter])
  const list = useSteadyPages<AlertSummary>({
    key,
    topic: 'alerts',
    idOf: (alert) => alert.id,
    load: (from) =>
      client.alerts.list.query({ ...filter, limit: 100, ...(from === undefined ? {} : { cursor: from }) }),
  })
  const counts = useQuery(trpc.alerts.counts.queryOptions({}), queries)
  const shows = (state: AlertState) => (filter.state ? filter.state.includes(state) : true)
  const triage = useTriage(list, shows)

  const refine = (change: { [K in keyof InboxSearch]?: InboxSearch[K] | undefined }) => {
    setChosen(new Set())
    void navigate({ search: (before) => clean({ ...before, ...change, alert: undefined }), replace: true })
  }
  const open = (id: string | null) =>
    void navigate({ search: (before) => clean({ ...before, alert: id ?? undefined }), replace: opened !== undefined })
  const moveCursor = (id: string) => {
    setCursor(id)
    if (opened) open(id)
  }

  const rows = list.rows
  const picked = chosen.size > 0 ? rows.filter((row) => chosen.has(row.id)) : rows.filter((row) => row.id === cursor)
  /** Runs an act on what is chosen, or else on the row under the cursor, and moves on to the next row. */
  const act = (run: (rows: readonly AlertSummary[]) => Promise<void>) => {
    if (picked.length === 0) return
    const gone = new Set<string>(picked.map((row) => row.id))
    const at = rows.findIndex((row) => gone.has(row.id))
    const next =
      rows.slice(at).find((row) => !gone.has(row.id)) ?? rows.slice(0, at).findLast((row) => !gone.has(row.id))
    setChosen(new Set())
    void run(picked)
    if (!shows('acknowledged')) {
      setCursor(next?.id ?? null)
      if (opened) open(next?.id ?? null)
    }
  }
  const ask = (what: Asking) => {
    if (picked.length > 0) setAsking(what)
  }
  const acts = {
    acknowledge: () => act(triage.acknowledge),
    reopen: () => act(triage.reopen),
    openCase: () => act(triage.openCase),
    addToCase: () => ask('add-to-case'),
    assign: () => ask('assign'),
    dismiss: () => ask('dismiss'),
  }
  useKeys({
    ...(chosen.size > 0 ? { escape: () => setChosen(new Set()) } : {}),
    ...(may('alert:triage') ? { e: acts.acknowledge, r: acts.reopen, a: acts.assign, d: acts.dismiss } : {}),
    ...(may('case:open') ? { c: acts.openCase } : {}),
    ...(may('case:edit') ? { m: acts.addToCase } : {}),
  })

  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <PageHeader title="Inbox" />
        {chosen.size > 0 ? (
          <SelectionBar count={chosen.size} acts={acts} onClear={() => setChosen(new Set())} />
        ) : (
          <InboxFilters search={filters} counts={counts.data} onRefine={refine} />
        )}
        <div ref={area} className="relative flex min-h-0 flex-1 flex-col border-t border-line">
          <ArrivedPill arrived={list.arrived} onShow={list.showArrived} />
          {list.isPending ? (
            <Skeleton rows={14} />
          ) : list.error ? (
            <ErrorState error={list.error} retry={list.reload} />
          ) : rows.length === 0 ? (
            <NoAlerts filters={filters} onReset={() => refine(noFilters)} />
          ) : (
            <Grid
              label="Alerts"
              rows={rows}
              idOf={(alert) => alert.id}
              columns={alertColumns}
              card={(alert) => <AlertCard alert={alert} />}
              cursor={cursor}
              onCursor={moveCursor}
              onOpen={(alert) => open(alert.id)}
              {...(may('alert:triage') ? { selection: { chosen, onChange: setChosen } } : {})}
              hasMore={list.hasMore}
              onEnd={list.loadMore}
              width={width}
            />
          )}
        </div>
      </div>
      {opened && <AlertDrawer key={opened} id={opened} acts={acts} onClose={() => open(null)} />}
      {asking === 'dismiss' && (
        <DismissDialog
          count={picked.length}
          onClose={() => setAsking(null)}
          onDismiss={(reason) => act((alerts) => triage.dismiss(alerts, reason))}
        />
      )}
      {asking === 'assign' && (
        <PersonPicker
          title={`Assign ${picked.length === 1 ? 'this alert' : `${picked.length} alerts`}`}
          nobody="Nobody"
          onClose={() => setAsking(null)}
          onPick={(person) => {
            void triage.assign(picked, person)
            setChosen(new Set())
          }}
        />
      )}
      {asking === 'add-to-case' && (
        <CasePicker
          title="Add to a case"
          onClose={() => setAsking(null)}
          onPick={(target) => act((alerts) => triage.addToCase(alerts, target))}
        />
      )}
    </div>
  )
}

const noFilters = {
  state: undefined,
  severity: undefined,
  source: undefined,
  assignee: undefined,
  search: undefined,
  observable: undefined,
}

const clean = (search: { [K in keyof InboxSearch]?: InboxSearch[K] | undefined }): InboxSearch =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as InboxSearch

type Filters = { [K in keyof Omit<InboxSearch, 'alert' | 'search'>]-?: InboxSearch[K] | undefined } & {
  words: string | undefined
}

function filterOf({ state = 'new', severity, source, assignee, words, observable }: Filters, me: string) {
  return {
    ...(state === 'any' ? {} : { state: [state] }),
    ...(severity ? { severity } : {}),
    ...(source ? { sourceId: source } : {}),
    ...(assignee === 'nobody'
      ? { unassigned: true }
      : assignee
        ? { assigneeId: assignee === 'me' ? me : assignee }
        : {}),
    ...(words ? { search: words } : {}),
    ...(observable ? { observable } : {}),
  }
}
