import type { KeyUse } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Ago } from '../../components/clock.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { Section } from '../../components/section.tsx'
import { keyWords, plural } from '../../components/words.ts'

/** Who used what: which service fetched which key into its memory. */
export function KeyUsage() {
  const { trpc, queries } = useApi()
  const usage = useQuery(trpc.keys.usage.queryOptions({}, { refetchInterval: 30_000 }), queries)
  const ofKeys = (usage.data?.items ?? []).filter(({ key }) => !key.startsWith('secret:'))
  const rows = Object.entries(Object.groupBy(ofKeys, ({ key }) => key))
  return (
    <Section
      title="Who used what"
      note={
        usage.data && (
          <>
            Since the keeper started, <Ago at={usage.data.since} />. Who read a secret is on the page of secrets.
          </>
        )
      }
    >
      {usage.isPending && <Skeleton rows={4} />}
      {usage.isError && <ErrorState error={usage.error} retry={() => void usage.refetch()} />}
      {usage.data && (
        <PlainTable
          label="Who used what"
          rows={rows}
          idOf={([key]) => key}
          columns={[
            { header: 'Key', className: 'sm:w-72', cell: ([key]) => <KeyName of={key} /> },
            {
              header: 'Service, how often, when last',
              className: 'max-sm:w-full',
              cell: ([, uses = []]) => (
                <ul className="flex flex-wrap gap-x-4 gap-y-0.5 text-xs text-quiet">
                  {uses.map((use) => (
                    <Use key={use.service} use={use} />
                  ))}
                </ul>
              ),
            },
          ]}
        />
      )}
    </Section>
  )
}

function Use({ use }: { use: KeyUse }) {
  return (
    <li className="whitespace-nowrap">
      <span className="font-medium text-ink">{use.service}</span> {plural(use.times, 'time')}, <Ago at={use.lastAt} />
    </li>
  )
}

function KeyName({ of }: { of: string }) {
  const known = Object.entries(keyWords).find(([key]) => key === of)?.[1]
  if (known) return <span className="font-medium">{known.name}</span>
  const [kind = '', ...rest] = of.split(':')
  const name = rest.join(':')
  if (kind === 'data') return <span className="font-medium">Data keys, {name}</span>
  if (kind === 'service') return <span className="font-medium">Requests of {name}</span>
  return <span className="font-mono text-xs break-all">{of}</span>
}
