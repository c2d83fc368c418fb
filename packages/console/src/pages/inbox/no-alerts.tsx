import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { Button, buttonLook } from '../../components/button.tsx'
import { EmptyState } from '../../components/feedback.tsx'
import type { InboxSearch } from '../../search-params.ts'

/** Nothing to show: because of the filters, because the work is done, or because nothing has come yet. */
export function NoAlerts({ filters, onReset }: { filters: Omit<InboxSearch, 'alert'>; onReset: () => void }) {
  const may = useMay()
  const { trpc, queries } = useApi()
  const sources = useQuery(trpc.sources.list.queryOptions({}, { enabled: may('source:read') }), queries)
  const { slug } = useWorkplace().membership.organization
  const isFiltered = Object.keys(filters).some((name) => name !== 'state')
  if (isFiltered) {
    return (
      <EmptyState
        icon="filter"
        title="Nothing matches these filters"
        action={<Button onPress={onReset}>Clear filters</Button>}
      >
        Alerts of other states may match; try “Any”.
      </EmptyState>
    )
  }
  if (filters.state !== undefined && filters.state !== 'new') {
    return (
      <EmptyState icon="inbox" title="Nothing here">
        No alert is in this state.
      </EmptyState>
    )
  }
  if (sources.data?.items.length === 0) {
    return (
      <EmptyState
        icon="source"
        title="No alert can arrive yet"
        action={
          may('source:manage') && (
            <Link to="/o/$slug/sources" params={{ slug }} search={{ do: 'create' }} className={buttonLook('primary')}>
              Add a source
            </Link>
          )
        }
      >
        Alerts come from sources, one for each product that sends them. The next page shows how to send the first.
      </EmptyState>
    )
  }
  return (
    <EmptyState
      icon="check"
      title="Nothing waits"
      action={
        may('case:read') && (
          <Link to="/o/$slug/cases" params={{ slug }} className={buttonLook('plain')}>
            Go to the cases
          </Link>
        )
      }
    >
      Every alert has been looked at or is in a case: severe ones open a case by themselves. New alerts appear here
      within a second or two of being sent.
    </EmptyState>
  )
}
