import type { ServiceStatus } from '@redoubt/contract'
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useApi, useMay } from '../../api/session.tsx'
import { Tag } from '../../components/badges.tsx'
import { LifeBar } from '../../components/bars.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Until, useNow } from '../../components/clock.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { Section } from '../../components/section.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { OperatorOnly } from '../operator-only.tsx'
import { DenyDialog } from './deny-dialog.tsx'

const route = getRouteApi('/o/$slug/services')
/** Services report every half minute. */
const silentAfterMs = 120_000

/** Who of the platform's own services is there, what each proves itself with, and who is not believed. */
export function ServicesPage() {
  return (
    <OperatorOnly title="Services">
      <Services />
    </OperatorOnly>
  )
}

function Services() {
  const { trpc, queries } = useApi()
  const { deny } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const services = useQuery(trpc.services.list.queryOptions({}, { refetchInterval: 15_000 }), queries)
  const { items = [], denials = [], answeredBy } = services.data ?? {}
  const admit = useMutation(
    trpc.services.admit.mutationOptions({
      onSuccess: (_done, { subject }) => announce(`${nameOf(subject)} is believed again`),
      onError: (error) => announceFailure('Not admitted', error),
      onSettled: () => queries.invalidateQueries(trpc.services.pathFilter()),
    }),
    queries,
  )
  return (
    <>
      <PageHeader title="Services" note="Each with an identity of its own" />
      <div className="border-t border-line">
        {services.isPending && <Skeleton rows={8} />}
        {services.isError && !services.data && (
          <ErrorState error={services.error} retry={() => void services.refetch()} />
        )}
        {items.length > 0 && (
          <PlainTable
            label="Services"
            rows={items}
            idOf={(service) => service.spiffeId}
            columns={[
              {
                header: 'Service',
                cell: (service) => (
                  <span className="flex flex-col">
                    <span className="flex flex-wrap items-center gap-x-2">
                      <span className="font-medium">{service.service}</span>
                      <Standing service={service} />
                    </span>
                    <span className="font-mono text-xs break-all text-faint">{service.spiffeId}</span>
                  </span>
                ),
              },
              {
                header: 'Certificate',
                className: 'max-sm:w-full sm:w-72',
                cell: (service) => <Certificate of={service} />,
              },
              {
                header: 'Last seen',
                className: 'sm:w-32',
                cell: ({ lastSeenAt }) => (
                  <span className="text-xs text-quiet">
                    {lastSeenAt ? (
                      <>
                        <span className="sm:hidden">Seen </span>
                        <Ago at={lastSeenAt} />
                      </>
                    ) : (
                      'Not yet'
                    )}
                  </span>
                ),
              },
              {
                header: 'Version',
                className: 'sm:w-24 max-lg:hidden',
                cell: ({ version }) => <span className="text-xs text-quiet">{version ?? 'Unknown'}</span>,
              },
              {
                header: '',
                className: 'sm:w-24 text-right',
                cell: (service) =>
                  may('installation:manage') &&
                  !service.denied &&
                  service.service !== 'keeper' &&
                  service.service !== answeredBy && (
                    <Button
                      size="small"
                      tone="ghost"
                      aria-label={`Deny ${service.service}`}
                      onPress={() => void navigate({ search: { deny: service.spiffeId } })}
                    >
                      Deny
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </div>
      {services.data && (
        <Section title="Deny-list" note="Every service learns of a change within seconds">
          {denials.length === 0 ? (
            <p className="flex items-center gap-2 px-4 pb-4 text-sm text-quiet">
              <Icon name="check" className="text-accent" />
              Nobody is denied: every certificate of the internal authority is believed until it ends.
            </p>
          ) : (
            <PlainTable
              label="Deny-list"
              rows={denials}
              idOf={({ subject }) => subject}
              columns={[
                {
                  header: 'Identity or certificate',
                  cell: ({ subject }) => <span className="font-mono text-xs break-all">{subject}</span>,
                },
                { header: 'Why', cell: ({ reason }) => <span className="text-quiet">{reason}</span> },
                {
                  header: 'Since',
                  className: 'sm:w-32',
                  cell: ({ at }) => (
                    <span className="text-xs text-quiet">
                      <Ago at={at} />
                    </span>
                  ),
                },
                {
                  header: '',
                  className: 'sm:w-24 text-right',
                  cell: ({ subject }) =>
                    may('installation:manage') && (
                      <Button
                        size="small"
                        tone="ghost"
                        aria-label={`Admit ${nameOf(subject)}`}
                        busy={admit.isPending && admit.variables.subject === subject}
                        onPress={() => admit.mutate({ subject })}
                      >
                        Admit
                      </Button>
                    ),
                },
              ]}
            />
          )}
        </Section>
      )}
      {deny !== undefined && services.data && (
        <DenyDialog subject={deny} services={items} onClose={() => void navigate({ search: {}, replace: true })} />
      )}
    </>
  )
}

/** The last part of a SPIFFE id; a serial as it is. */
const nameOf = (subject: string): string => subject.split('/').at(-1) ?? subject

function Standing({ service }: { service: ServiceStatus }) {
  const now = useNow()
  const { lastSeenAt, startedAt, denied } = service
  if (denied)
    return (
      <span className="inline-flex h-5 items-center gap-1 rounded-sm bg-danger-soft px-1.5 text-xs font-medium text-danger">
        <Icon name="stop" className="-ml-0.5 scale-75" />
        Denied
      </span>
    )
  if (service.service === 'keeper') return <Tag icon="key">Holds the keys</Tag>
  if (lastSeenAt === null) return <Tag icon="clock">Not heard of</Tag>
  if (now - Date.parse(lastSeenAt) > silentAfterMs) return <Tag icon="warning">Silent</Tag>
  return (
    <Tag icon="check" strong>
      Up{startedAt && <Ago at={startedAt} suffix="" />}
    </Tag>
  )
}

function Certificate({ of: { service, certificate } }: { of: ServiceStatus }) {
  const now = useNow()
  if (certificate === null) return <span className="text-xs text-faint">None was issued since the keeper started</span>
  const { serial, notBefore, notAfter } = certificate
  return (
    <span className="flex flex-col gap-1">
      <LifeBar from={notBefore} to={notAfter} now={now} label={`Life that is left to the certificate of ${service}`} />
      <span className="flex justify-between gap-3 text-xs text-quiet">
        <span className="truncate font-mono" title={`Serial ${serial}`}>
          {serial}
        </span>
        <span className="whitespace-nowrap">
          ends <Until at={notAfter} late="ago" />
        </span>
      </span>
    </span>
  )
}
