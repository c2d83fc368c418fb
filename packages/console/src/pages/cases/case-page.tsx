import type { Case } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { failureOf } from '../../api/failure.ts'
import { useApi } from '../../api/session.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Segments } from '../../components/filters.tsx'
import { useMedia } from '../../components/media.ts'
import { useTabTitle } from '../../components/page-header.tsx'
import { CaseAlerts } from './case-alerts.tsx'
import { CaseHeader } from './case-header.tsx'
import { CaseRuns } from './case-runs.tsx'
import { CaseTimeline } from './case-timeline.tsx'
import { ConflictDialog } from './conflict-dialog.tsx'
import { Description } from './description.tsx'
import { Observables } from './observables.tsx'
import { SimilarCases } from './similar-cases.tsx'
import { Tasks } from './tasks.tsx'
import { useCaseEditing } from './use-case.ts'

const route = getRouteApi('/o/$slug/cases/$caseId')

/** One case: what it is on top, what happened on the left, what is to be done on the right. */
export function CasePage() {
  const { caseId, slug } = route.useParams()
  const { trpc, queries } = useApi()
  const query = useQuery(trpc.cases.get.queryOptions({ id: caseId }), queries)
  if (query.isPending) return <Skeleton rows={10} />
  if (query.isError && !query.data) {
    if (failureOf(query.error).code === 'not_found') {
      return (
        <EmptyState icon="lock" title="There is no such case for you">
          It does not exist, or its TLP and audience do not include you. Its owner can name you as a recipient.{' '}
          <Link to="/o/$slug/cases" params={{ slug }} className="text-accent underline">
            Go to the cases
          </Link>
        </EmptyState>
      )
    }
    return <ErrorState error={query.error} retry={() => void query.refetch()} />
  }
  return <CaseView of={query.data} />
}

const panes = [
  { value: 'timeline', label: 'Timeline' },
  { value: 'work', label: 'Tasks and facts' },
] as const

function CaseView({ of }: { of: Case }) {
  const editing = useCaseEditing(of.id)
  const isWide = useMedia('(min-width: 860px)')
  const [pane, setPane] = useState<(typeof panes)[number]['value']>('timeline')
  useTabTitle(`#${of.number} ${of.title}`)
  return (
    <div className="flex min-h-0 flex-1 flex-col max-md:flex-none">
      <CaseHeader of={of} editing={editing} />
      {!isWide && (
        <div className="border-b border-line px-4 py-2">
          <Segments label="Show" value={pane} options={panes} onChange={setPane} />
        </div>
      )}
      <div className="flex min-h-0 flex-1">
        {(isWide || pane === 'timeline') && (
          <div className="scroll-thin min-w-0 flex-1 md:overflow-y-auto">
            <Description of={of} editing={editing} />
            <CaseTimeline of={of} />
          </div>
        )}
        {(isWide || pane === 'work') && (
          <div className="scroll-thin w-full min-w-0 bg-surface md:w-[380px] md:shrink-0 md:overflow-y-auto md:border-l md:border-line xl:w-[440px]">
            <CaseRuns of={of} />
            <Tasks of={of} />
            <Observables of={of} />
            <CaseAlerts of={of} />
            <SimilarCases of={of} />
          </div>
        )}
      </div>
      {editing.conflict && <ConflictDialog conflict={editing.conflict} editing={editing} />}
    </div>
  )
}
