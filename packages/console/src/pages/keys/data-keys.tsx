import type { DataKeyLine } from '@redoubt/contract'
import type { SteadyPages } from '../../api/steady-pages.ts'
import { Button } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { Section } from '../../components/section.tsx'
import { plural } from '../../components/words.ts'

/** The data keys by organization and class, as many pages as were asked for. */
export function DataKeys({ pages }: { pages: SteadyPages<DataKeyLine> }) {
  const { rows, isPending, error, hasMore, loadMore, reload, arrived, showArrived } = pages
  return (
    <Section title="Data keys" note="One line per organization and class of data">
      <div role="status" className="px-4">
        {arrived.fresh + arrived.gone > 0 && (
          <Button size="small" className="mb-2" onPress={showArrived}>
            {plural(arrived.fresh + arrived.gone, 'change')}. Show
          </Button>
        )}
      </div>
      {isPending && <Skeleton rows={3} />}
      {error !== null && <ErrorState error={error} retry={reload} />}
      {!isPending && error === null && rows.length === 0 && (
        <p className="px-4 pb-4 text-sm text-quiet">
          None yet: an organization’s key is made when its first value is sealed.
        </p>
      )}
      {rows.length > 0 && (
        <PlainTable
          label="Data keys"
          rows={rows}
          idOf={dataKeyId}
          columns={[
            {
              header: 'Organization',
              cell: ({ organization }) => (
                <span className="font-medium">{organization?.name ?? organization?.id ?? 'The installation'}</span>
              ),
            },
            {
              header: 'Class',
              className: 'sm:w-32',
              cell: ({ dataClass }) => <span className="text-quiet">{dataClass}</span>,
            },
            {
              header: 'Versions',
              className: 'sm:w-40',
              cell: ({ versions, newestVersion }) => (
                <span className="text-xs text-quiet">
                  {plural(versions, 'version')}, newest {newestVersion}
                </span>
              ),
            },
            {
              header: 'Oldest',
              className: 'sm:w-36',
              cell: ({ oldestAt }) => (
                <span className="text-xs text-quiet">
                  <span className="sm:hidden">Oldest </span>
                  <Ago at={oldestAt} />
                </span>
              ),
            },
            {
              header: 'Uses',
              className: 'sm:w-28 sm:text-right',
              cell: ({ uses }) => (
                <span className="text-xs text-quiet">
                  {uses.toLocaleString('en')}
                  <span className="sm:hidden"> uses</span>
                </span>
              ),
            },
          ]}
        />
      )}
      {hasMore && (
        <div className="flex justify-center p-3">
          <Button onPress={loadMore}>Show more</Button>
        </div>
      )}
    </Section>
  )
}

export const dataKeyId = ({ organization, dataClass }: DataKeyLine): string => `${organization?.id ?? ''}.${dataClass}`
