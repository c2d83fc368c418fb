import type { RunSummary } from '@redoubt/contract'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { useSteadyPages } from '../../api/steady-pages.ts'
import { RunStateBadge } from '../../components/badges.tsx'
import { Button, buttonLook } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { ChoiceFilter } from '../../components/filters.tsx'
import { type Column, Grid } from '../../components/grid.tsx'
import { ArrivedPill, PageHeader } from '../../components/page-header.tsx'
import { useWidth } from '../../components/width.ts'
import { keysOf, roleWords, runStateWords, spanOf } from '../../components/words.ts'

const route = getRouteApi('/o/$slug/runs')

const took = (run: RunSummary) =>
  run.endedAt ? spanOf((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000) : null

const columns: readonly Column<RunSummary>[] = [
  { id: 'state', header: 'State', track: '168px', cell: (run) => <RunStateBadge state={run.state} /> },
  {
    id: 'playbook',
    header: 'Playbook',
    track: 'minmax(0,2fr)',
    cell: (run) => (
      <span>
        <span className="font-medium">{run.playbook.name}</span>{' '}
        <span className="text-xs text-faint">v{run.playbook.version}</span>
      </span>
    ),
  },
  {
    id: 'case',
    header: 'Case',
    track: 'minmax(0,2fr)',
    from: 620,
    cell: (run) => (
      <span>
        <span className="text-faint">#{run.case.number}</span> <span className="text-quiet">{run.case.title}</span>
      </span>
    ),
  },
  {
    id: 'waits',
    header: 'Waits for',
    track: '112px',
    from: 820,
    cell: (run) => <span className="text-sm">{run.waitingFor ? roleWords[run.waitingFor.role].name : ''}</span>,
  },
  {
    id: 'by',
    header: 'Started by',
    track: '128px',
    from: 960,
    cell: (run) => <span className="text-sm text-quiet">{run.startedBy}</span>,
  },
  {
    id: 'took',
    header: 'Took',
    track: '64px',
    from: 720,
    align: 'end',
    cell: (run) => <span className="text-xs text-quiet">{took(run)}</span>,
  },
  {
    id: 'started',
    header: 'Started',
    track: '104px',
    align: 'end',
    cell: (run) => (
      <span className="text-xs text-quiet">
        <Moment at={run.startedAt} />
      </span>
    ),
  },
]

/** Playbook runs on the cases one may see. */
export function RunListPage() {
  const { state } = route.useSearch()
  const { slug } = route.useParams()
  const navigate = route.useNavigate()
  const { client } = useApi()
  const area = useRef<HTMLDivElement>(null)
  const width = useWidth(area)
  const [cursor, setCursor] = useState<string | null>(null)
  const list = useSteadyPages<RunSummary>({
    key: useMemo(() => ['runs', state ?? null], [state]),
    topic: 'runs',
    idOf: (run) => run.id,
    load: (from) =>
      client.runs.list.query({
        limit: 100,
        ...(state ? { state } : {}),
        ...(from === undefined ? {} : { cursor: from }),
      }),
  })
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <PageHeader title="Runs">
        <ChoiceFilter
          label="Any state"
          value={state ?? ''}
          options={keysOf(runStateWords).map((each) => ({ value: each, label: runStateWords[each] }))}
          onChange={(next) => void navigate({ search: next ? { state: next } : {}, replace: true })}
        />
      </PageHeader>
      <div ref={area} className="relative flex min-h-0 flex-1 flex-col border-t border-line">
        <ArrivedPill arrived={list.arrived} onShow={list.showArrived} />
        {list.isPending ? (
          <Skeleton rows={12} />
        ) : list.error ? (
          <ErrorState error={list.error} retry={list.reload} />
        ) : list.rows.length === 0 ? (
          <EmptyState
            icon="run"
            title={state ? 'No run is in this state' : 'No run yet'}
            action={
              state ? (
                <Button onPress={() => void navigate({ search: {}, replace: true })}>Show every state</Button>
              ) : (
                <Link to="/o/$slug/cases" params={{ slug }} className={buttonLook('plain')}>
                  Go to the cases
                </Link>
              )
            }
          >
            {state
              ? 'Runs of other states may be there.'
              : 'A run is a playbook at work on a case: open a case and choose “Run playbook”.'}
          </EmptyState>
        ) : (
          <Grid
            label="Runs"
            rows={list.rows}
            idOf={(run) => run.id}
            columns={columns}
            card={(run) => (
              <div className="flex flex-col gap-1">
                <div className="flex items-center gap-2">
                  <span className="min-w-0 flex-1 truncate font-medium">{run.playbook.name}</span>
                  <RunStateBadge state={run.state} />
                </div>
                <div className="flex gap-2 text-xs text-quiet">
                  <span className="min-w-0 flex-1 truncate">
                    #{run.case.number} {run.case.title}
                  </span>
                  <Ago at={run.startedAt} />
                </div>
              </div>
            )}
            cursor={cursor}
            onCursor={setCursor}
            onOpen={(run) => void navigate({ to: '/o/$slug/runs/$runId', params: { slug, runId: run.id } })}
            hasMore={list.hasMore}
            onEnd={list.loadMore}
            width={width}
          />
        )}
      </div>
    </div>
  )
}
