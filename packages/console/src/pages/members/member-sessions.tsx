import type { Member } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { useApi } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { plural } from '../../components/words.ts'
import { browserName } from '../sessions/browser-name.ts'

/** Where a member is signed in, and the way to end all of it. */
export function MemberSessions({ member, onClose }: { member: Member; onClose: () => void }) {
  const { trpc, queries, client } = useApi()
  const sessions = useQuery(trpc.sessions.listOfMember.queryOptions({ userId: member.userId }), queries)
  const items = sessions.data?.items ?? []
  return (
    <Dialog title={`Sessions of ${member.name}`} onClose={onClose} wide>
      <ErrorNote error={sessions.error} />
      {sessions.isPending && <div className="skeleton h-16" />}
      {sessions.data && items.length === 0 && <p className="text-sm text-quiet">Not signed in anywhere.</p>}
      <ul className="flex flex-col gap-2">
        {items.map((session) => (
          <li key={session.id} className="flex items-center gap-3 text-sm">
            <span className="min-w-0 flex-1 truncate">
              {session.kind === 'token' ? 'A program' : browserName(session.userAgent)}
            </span>
            {session.ip !== null && <span className="font-mono text-xs text-quiet">{session.ip}</span>}
            <span className="text-xs text-quiet">
              seen <Ago at={session.lastSeenAt} />
            </span>
          </li>
        ))}
      </ul>
      {items.length > 0 && (
        <DialogActions>
          <Button
            tone="danger"
            onPress={async () => {
              try {
                const { ended } = await client.sessions.revokeOfMember.mutate({ userId: member.userId })
                announce(`${plural(ended, 'session')} ended`)
                onClose()
              } catch (error) {
                announceFailure('Not ended', error)
              }
            }}
          >
            End all sessions
          </Button>
        </DialogActions>
      )}
    </Dialog>
  )
}
