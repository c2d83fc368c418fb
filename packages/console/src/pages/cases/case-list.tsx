import type { CaseSummary } from '@redoubt/contract'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useApi, useMay, useMe } from '../../api/session.tsx'
import { useSteadyPages } from '../../api/steady-pages.ts'
import { Button, buttonLook } from '../../components/button.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { ChoiceFilter, FilterChip, Segments, SeverityFilter } from '../../components/filters.tsx'
import { Grid } from '../../components/grid.tsx'
import { ArrivedPill, PageHeader } from '../../components/page-header.tsx'
import { useWidth } from '../../components/width.ts'
import { phases, phaseWords } from '../../components/words.ts'
import type { CasesSearch } from '../../search-params.ts'
import { CaseCard, caseColumns } from './case-columns.tsx'
import { OpenCaseDialog } from './open-case-dialog.tsx'

const route = getRouteApi('/o/$slug/cases')

/** The cases one may see, newest first. */
export function CaseListPage() {
  const search = route.useSearch()
  const { slug } = route.useParams()
  const navigate = route.useNavigate()
  const { client } = useApi()
  const me = useMe()
  const may = useMay()
  const area = useRef<HTMLDivElement>(null)
  const width = useWidth(area)
  const [cursor, setCursor] = useState<string | null>(null)
  const { do: doing, show = 'open', severity, phase, search: words } = search
  const filter = useMemo(
    () => ({
      ...(show === 'all' ? {} : { open: true }),
      ...(show === 'mine' ? { ownerId: me.user.id } : {}),
      ...(severity ? { severity } : {}),
      ...(phase ? { phase: [phase] } : {}),
      ...(words ? { search: words } : {}),
    }),
    [show, severity, phase, words, me.user.id],
  )
  const list = useSteadyPages<CaseSummary>({
    key: useMemo(() => ['cases', filter], [filter]),
    topic: 'cases',
    idOf: (row) => row.id,
    load: (from) => client.cases.list.query({ ...filter, limit: 100, ...(from === undefined ? {} : { cursor: from }) }),
  })
  const refine = (change: { [K in keyof CasesSearch]?: CasesSearch[K] | undefined }) =>
    void navigate({
      search: (before) =>
        Object.fromEntries(
          Object.entries({ ...before, ...change }).filter(([, value]) => value !== undefined),
        ) as CasesSearch,
      replace: true,
    })
  const isFiltered = severity !== undefined || phase !== undefined || words !== undefined || show === 'mine'
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <PageHeader title="Cases">
        {may('case:open') && (
          <Button tone="primary" icon="plus" onPress={() => refine({ do: 'open' })}>
            Open case
          </Button>
        )}
      </PageHeader>
      <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-2 px-4 pb-2">
        <Segments
          label="Show"
          value={show}
          options={[
            { value: 'open', label: 'Open' },
            { value: 'mine', label: 'Mine' },
            { value: 'all', label: 'All' },
          ]}
          onChange={(next) => refine({ show: next === 'open' ? undefined : next })}
        />
        <SeverityFilter
          value={severity ?? []}
          onChange={(next) => refine({ severity: next.length > 0 ? next : undefined })}
        />
        <ChoiceFilter
          label="Phase"
          value={phase ?? ''}
          options={phases.map((each) => ({ value: each, label: phaseWords[each] }))}
          onChange={(next) => refine({ phase: next })}
        />
        {words && <FilterChip name="about" value={words} onRemove={() => refine({ search: undefined })} />}
      </div>
      <div ref={area} className="relative flex min-h-0 flex-1 flex-col border-t border-line">
        <ArrivedPill arrived={list.arrived} onShow={list.showArrived} />
        {list.isPending ? (
          <Skeleton rows={14} />
        ) : list.error ? (
          <ErrorState error={list.error} retry={list.reload} />
        ) : list.rows.length === 0 ? (
          <EmptyState
            icon="case"
            title={isFiltered ? 'No case matches' : show === 'all' ? 'No case yet' : 'No open case'}
            action={
              isFiltered ? (
                <Button onPress={() => void navigate({ search: {}, replace: true })}>Clear filters</Button>
              ) : (
                may('alert:read') && (
                  <Link to="/o/$slug/inbox" params={{ slug }} className={buttonLook('plain')}>
                    Go to the inbox
                  </Link>
                )
              )
            }
          >
            {isFiltered
              ? 'Closed cases and those of others are under “All”.'
              : 'Severe alerts open a case by themselves. Any other: select it in the inbox and open one from it.'}
          </EmptyState>
        ) : (
          <Grid
            label="Cases"
            rows={list.rows}
            idOf={(row) => row.id}
            columns={caseColumns}
            card={(row) => <CaseCard row={row} />}
            cursor={cursor}
            onCursor={setCursor}
            onOpen={(row) => void navigate({ to: '/o/$slug/cases/$caseId', params: { slug, caseId: row.id } })}
            hasMore={list.hasMore}
            onEnd={list.loadMore}
            width={width}
          />
        )}
      </div>
      {doing === 'open' && <OpenCaseDialog onClose={() => refine({ do: undefined })} />}
    </div>
  )
}
