import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useApi, useMay } from '../../api/session.tsx'
import { Tag, TlpMark } from '../../components/badges.tsx'
import { buttonLook } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Segments } from '../../components/filters.tsx'
import { Icon } from '../../components/icon.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { plural } from '../../components/words.ts'

const route = getRouteApi('/o/$slug/playbooks')

/** The playbooks of the organization. */
export function PlaybookListPage() {
  const { slug } = route.useParams()
  const { archived = false } = route.useSearch()
  const navigate = route.useNavigate()
  const { trpc, queries } = useApi()
  const may = useMay()
  const playbooks = useQuery(trpc.playbooks.list.queryOptions({ archived }), queries)
  const items = playbooks.data?.items ?? []
  const write = may('playbook:write') && (
    <Link to="/o/$slug/playbooks/new" params={{ slug }} className={buttonLook('primary')}>
      <Icon name="plus" />
      New playbook
    </Link>
  )
  return (
    <>
      <PageHeader title="Playbooks">
        <Segments
          label="Show"
          value={archived ? 'archived' : 'current'}
          options={[
            { value: 'current', label: 'Current' },
            { value: 'archived', label: 'Archived' },
          ]}
          onChange={(next) => void navigate({ search: next === 'archived' ? { archived: true } : {}, replace: true })}
        />
        {write}
      </PageHeader>
      <div className="border-t border-line">
        {playbooks.isPending && <Skeleton rows={5} />}
        {playbooks.isError && <ErrorState error={playbooks.error} retry={() => void playbooks.refetch()} />}
        {playbooks.data && items.length === 0 && (
          <EmptyState
            icon="playbook"
            title={archived ? 'Nothing is archived' : 'No playbook yet'}
            action={!archived && write}
          >
            {archived
              ? 'An archived playbook keeps its runs and can be restored.'
              : 'A playbook answers a case in a few steps of YAML. Your own runner executes them, and only from a plan that is signed.'}
          </EmptyState>
        )}
        <ul>
          {items.map((playbook) => (
            <li key={playbook.id}>
              <Link
                to="/o/$slug/playbooks/$playbookId"
                params={{ slug, playbookId: playbook.id }}
                className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line bg-surface px-4 py-3 hover:bg-hover"
              >
                <span className="min-w-0 flex-1 basis-60">
                  <span className="block truncate font-medium">{playbook.name}</span>
                  <span className="block truncate text-sm text-quiet">{playbook.description || 'No description'}</span>
                </span>
                {playbook.needsApproval && <Tag icon="wait">Asks for approval</Tag>}
                <span className="w-16 text-sm text-quiet">{plural(playbook.steps, 'step')}</span>
                <span className="w-28">
                  <TlpMark tlp={playbook.tlp} />
                </span>
                <span className="w-64 truncate text-right text-xs text-faint max-md:text-left">
                  Version {playbook.version} by {playbook.updatedBy}, <Ago at={playbook.updatedAt} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      </div>
    </>
  )
}
