import type { Session } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { forgetEverything, personApi } from '../../api/client.ts'
import { Tag } from '../../components/badges.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { browserName } from './browser-name.ts'

/** Where one is signed in oneself. */
export function SessionsPage() {
  const { trpc, queries, client } = personApi
  const navigate = useNavigate()
  const sessions = useQuery(trpc.sessions.list.queryOptions({}), queries)
  const end = async (session: Session) => {
    try {
      await client.sessions.revoke.mutate({ id: session.id })
    } catch (error) {
      return announceFailure('The session goes on', error)
    }
    if (session.current) {
      await navigate({ to: '/sign-in' })
      return forgetEverything()
    }
    announce('The session was ended everywhere')
    await queries.invalidateQueries(trpc.sessions.list.queryFilter())
  }
  return (
    <>
      <PageHeader title="Your sessions" note="An ended session is refused within a second, everywhere." />
      <div className="border-t border-line">
        {sessions.isPending && <Skeleton rows={4} />}
        {sessions.isError && <ErrorState error={sessions.error} retry={() => void sessions.refetch()} />}
        {sessions.data && (
          <PlainTable
            label="Sessions"
            rows={sessions.data.items}
            idOf={(session) => session.id}
            columns={[
              {
                header: 'Where',
                cell: (session) => (
                  <span className="flex items-center gap-2.5 font-medium">
                    <Icon name={session.kind === 'token' ? 'key' : 'session'} className="text-faint" />
                    <span title={session.userAgent}>
                      {session.kind === 'token' ? 'A program' : browserName(session.userAgent)}
                    </span>
                    {session.current && <Tag strong>This one</Tag>}
                  </span>
                ),
              },
              {
                header: 'Address',
                className: 'sm:w-40 max-md:hidden',
                cell: (session) => <span className="font-mono text-xs text-quiet">{session.ip ?? 'unknown'}</span>,
              },
              {
                header: 'Last seen',
                className: 'sm:w-32',
                cell: (session) => (
                  <span className="text-quiet">
                    <Ago at={session.lastSeenAt} />
                  </span>
                ),
              },
              {
                header: 'Signed in',
                className: 'sm:w-36 max-sm:hidden',
                cell: (session) => (
                  <span className="text-quiet">
                    <Moment at={session.createdAt} />
                  </span>
                ),
              },
              {
                header: 'Ends',
                className: 'sm:w-36 max-md:hidden',
                cell: (session) => (
                  <span className="text-quiet">
                    <Moment at={session.expiresAt} />
                  </span>
                ),
              },
              {
                header: '',
                className: 'sm:w-28 text-right',
                cell: (session) => (
                  <Button size="small" tone={session.current ? 'plain' : 'danger'} onPress={() => void end(session)}>
                    {session.current ? 'Sign out' : 'End'}
                  </Button>
                ),
              },
            ]}
          />
        )}
      </div>
    </>
  )
}
