import { Link } from '@tanstack/react-router'
import { useMay, useWorkplace } from '../../api/session.tsx'
import { Button, buttonLook } from '../../components/button.tsx'
import { EmptyState } from '../../components/feedback.tsx'
import type { InboxSearch } from '../../search-params.ts'

/** Nothing to show: because of the filters, because the work is done, or because nothing has come yet. */
export function NoAlerts({ filters, onReset }: { filters: Omit<InboxSearch, 'alert'>; onReset: () => void }) {
  const may = useMay()
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
  return (
    <EmptyState
      icon="check"
      title="Nothing waits"
      action={
        may('source:manage') ? (
          <Link to="/o/$slug/sources" params={{ slug }} className={buttonLook('plain')}>
            Check the sources
          </Link>
        ) : undefined
      }
    >
      Every alert has been looked at. New ones appear here by themselves, usually within a second of being sent.
    </EmptyState>
  )
}
