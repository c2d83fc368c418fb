import { useQuery } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { plural } from '../../components/words.ts'
import { checkLog } from './remembered-log.ts'

/** The head of the log: signature and growth, computed in this browser and not told by the platform. */
export function CheckpointBar() {
  const api = useApi()
  const check = useQuery(
    { queryKey: ['log-check', api.organizationId], queryFn: () => checkLog(api), staleTime: Number.POSITIVE_INFINITY },
    api.queries,
  )
  return (
    <div className="mx-4 mb-3 flex min-h-14 shrink-0 flex-wrap items-center gap-x-4 gap-y-2 rounded-lg bg-surface px-4 py-2 shadow-raised">
      {check.isPending && <div className="skeleton h-4 w-64" />}
      {check.isError && <ErrorNote error={check.error} />}
      {check.data?.state === 'empty' && <p className="text-sm text-quiet">Nothing has been sealed yet.</p>}
      {check.data?.state === 'bad' && (
        <p role="alert" className="flex items-center gap-2 text-sm font-medium text-danger">
          <Icon name="warning" />
          {check.data.problem} Tell whoever watches over this platform, outside of it.
        </p>
      )}
      {check.data?.state === 'good' && (
        <>
          <Icon name="shield" className="text-accent" />
          <div className="min-w-0 flex-1">
            <p className="text-sm font-medium">
              {plural(check.data.size, 'event')} sealed and signed
              {check.data.at && (
                <span className="font-normal text-quiet">
                  , <Ago at={check.data.at} />
                </span>
              )}
            </p>
            <p className="text-xs text-quiet">
              {check.data.grewFrom === null ? (
                'This browser remembers the head of the log from now on, and will notice if it is ever rewritten.'
              ) : (
                <>
                  Contains everything this browser has seen since <Moment at={check.data.since} />
                  {check.data.size > check.data.grewFrom &&
                    ` and ${plural(check.data.size - check.data.grewFrom, 'event')} more`}
                  .
                </>
              )}
            </p>
          </div>
        </>
      )}
      <Button size="small" className="ml-auto" busy={check.isFetching} onPress={() => void check.refetch()}>
        Verify here
      </Button>
    </div>
  )
}
