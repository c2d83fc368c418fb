import { useQuery } from '@tanstack/react-query'
import type { Outputs } from '../../api/router-type.ts'
import { useApi, useMay } from '../../api/session.tsx'
import { ChoiceFilter, FilterChip, Segments, SeverityFilter } from '../../components/filters.tsx'
import { usePeople } from '../../components/person-picker.tsx'
import { alertStateWords, severities } from '../../components/words.ts'
import { type InboxSearch, inboxStates } from '../../search-params.ts'
import { SavedViews } from './saved-views.tsx'

type Filters = Omit<InboxSearch, 'alert'>

type InboxFiltersProps = {
  search: Filters
  counts: Outputs['alerts']['counts'] | undefined
  onRefine: (change: { [K in keyof Filters]?: Filters[K] | undefined }) => void
}

export function InboxFilters({ search, counts, onRefine }: InboxFiltersProps) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const sources = useQuery(trpc.sources.list.queryOptions({}, { enabled: may('source:read') }), queries)
  const people = usePeople()
  const countOf = (state: 'new' | 'acknowledged') => {
    if (!counts) return {}
    const total = severities.reduce((sum, severity) => sum + (counts[state][severity] ?? 0), 0)
    return total === 0 ? {} : { count: total >= 1000 ? '1000+' : String(total) }
  }
  return (
    <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-2 px-4 pb-2">
      <Segments
        label="State"
        value={search.state ?? 'new'}
        options={inboxStates.map((state) => ({
          value: state,
          label: state === 'any' ? 'Any' : alertStateWords[state],
          ...(state === 'new' || state === 'acknowledged' ? countOf(state) : {}),
        }))}
        onChange={(state) => onRefine({ state: state === 'new' ? undefined : state })}
      />
      <SeverityFilter
        value={search.severity ?? []}
        onChange={(severity) => onRefine({ severity: severity.length > 0 ? severity : undefined })}
      />
      <ChoiceFilter
        label="Assignee"
        value={search.assignee ?? ''}
        options={[
          { value: 'me', label: 'Me' },
          { value: 'nobody', label: 'Nobody' },
          ...people.slice(1).map((person) => ({ value: person.id, label: person.name })),
        ]}
        onChange={(assignee) => onRefine({ assignee })}
      />
      {sources.data && sources.data.items.length > 0 && (
        <ChoiceFilter
          label="Source"
          value={search.source ?? ''}
          options={sources.data.items.map((source) => ({ value: source.id, label: source.name }))}
          onChange={(source) => onRefine({ source })}
        />
      )}
      {search.search && (
        <FilterChip name="about" value={search.search} onRemove={() => onRefine({ search: undefined })} />
      )}
      {search.observable && (
        <FilterChip name="naming" value={search.observable} onRemove={() => onRefine({ observable: undefined })} />
      )}
      <div className="ml-auto flex items-center">
        <SavedViews search={search} onApply={onRefine} />
      </div>
    </div>
  )
}
