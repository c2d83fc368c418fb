import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useApi } from '../../api/session.tsx'
import { useSteadyPages } from '../../api/steady-pages.ts'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { Section } from '../../components/section.tsx'
import { plural } from '../../components/words.ts'
import { OperatorOnly } from '../operator-only.tsx'
import { DataKeys, dataKeyId } from './data-keys.tsx'
import { KeyJobs } from './key-jobs.tsx'
import { KeyLines } from './key-lines.tsx'
import { KeyUsage } from './key-usage.tsx'
import { RotateKeyDialog } from './rotate-dialog.tsx'
import { MasterCard, SigningCard, StoreCard } from './standing-cards.tsx'

const route = getRouteApi('/o/$slug/keys')

/** The keys of the installation: where the highest one is, how each of them stands, and who used them. */
export function KeysPage() {
  return (
    <OperatorOnly title="Keys">
      <Keys />
    </OperatorOnly>
  )
}

function Keys() {
  const { trpc, queries, client } = useApi()
  const { rotate } = route.useSearch()
  const navigate = route.useNavigate()
  const status = useQuery(
    trpc.keys.status.queryOptions(
      {},
      {
        refetchInterval: (query) => (query.state.data?.jobs.some(({ state }) => state === 'running') ? 2000 : 30_000),
      },
    ),
    queries,
  )
  // Answered from the service's own memory, also while the keeper is away.
  const signing = useQuery(trpc.keys.signing.queryOptions({}, { refetchInterval: 15_000 }), queries)
  const dataKeys = useSteadyPages({
    key: ['data-keys'],
    load: (cursor) => client.keys.dataKeys.query(cursor === undefined ? {} : { cursor }),
    idOf: dataKeyId,
    topic: 'keys',
  })
  const jobs = status.data?.jobs ?? []
  return (
    <>
      <PageHeader title="Keys" note="Of the whole installation" />
      <div className="grid gap-3 px-4 pb-4 sm:grid-cols-2 xl:grid-cols-3">
        <SigningCard health={signing.data?.items} answeredBy={signing.data?.answeredBy} error={signing.error} />
        <MasterCard master={status.data?.master} isPending={status.isPending} />
        <StoreCard store={status.data?.store} isPending={status.isPending} />
      </div>
      {jobs.length > 0 && (
        <Section title="Work in the background" note="It goes on after a restart where it stopped">
          <KeyJobs jobs={jobs} />
        </Section>
      )}
      <Section
        title="Key lines"
        note="A new version is published before it signs; an old one is kept until nothing needs it"
      >
        {status.isPending && <Skeleton rows={8} />}
        {status.isError && !status.data && <ErrorState error={status.error} retry={() => void status.refetch()} />}
        {status.data && (
          <KeyLines
            lines={status.data.keys}
            signing={signing.data?.items ?? []}
            dataKeys={`${plural(dataKeys.rows.length, 'line')}${dataKeys.hasMore ? ' and more' : ''}, listed below`}
            onRotate={(key) => void navigate({ search: { rotate: key } })}
          />
        )}
      </Section>
      <DataKeys pages={dataKeys} />
      <KeyUsage />
      {rotate && <RotateKeyDialog of={rotate} onClose={() => void navigate({ search: {}, replace: true })} />}
    </>
  )
}
