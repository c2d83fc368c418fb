import type { Invitation, Member, Role } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay, useMe } from '../../api/session.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { NativeSelect } from '../../components/native-select.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { Person } from '../../components/person.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { plural, roles, roleWords } from '../../components/words.ts'
import { InviteDialog } from './invite-dialog.tsx'
import { MemberSessions } from './member-sessions.tsx'
import { RemoveDialog } from './remove-dialog.tsx'

const route = getRouteApi('/o/$slug/members')

/** Who belongs to the organization, in which role, and who has been asked to join. */
export function MembersPage() {
  const { trpc, queries, client } = useApi()
  const { do: doing } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const me = useMe()
  const [removing, setRemoving] = useState<Member | null>(null)
  const [showing, setShowing] = useState<Member | null>(null)
  const members = useQuery(trpc.members.list.queryOptions({}), queries)
  const invitations = useQuery(trpc.members.invitations.queryOptions({}, { enabled: may('member:invite') }), queries)
  const refresh = () => queries.invalidateQueries(trpc.members.pathFilter())

  const changeRole = async (member: Member, role: Role, isUndo = false) => {
    try {
      await client.members.changeRole.mutate({ userId: member.userId, role })
      if (!isUndo) {
        announce(`${member.name} is now ${roleWords[role].name.toLowerCase()}`, {
          label: 'Undo',
          run: () => void changeRole(member, member.role, true),
        })
      }
    } catch (error) {
      announceFailure('The role did not change', error)
    }
    await refresh()
  }
  const withdraw = async (invitation: Invitation) => {
    try {
      await client.members.revokeInvitation.mutate({ id: invitation.id })
      announce(`The invitation of ${invitation.email} no longer works`)
    } catch (error) {
      announceFailure('Not withdrawn', error)
    }
    await refresh()
  }
  return (
    <>
      <PageHeader title="Members" note={members.data && plural(members.data.items.length, 'person', 'people')}>
        {may('member:invite') && (
          <Button tone="primary" icon="plus" onPress={() => void navigate({ search: { do: 'invite' } })}>
            Invite
          </Button>
        )}
      </PageHeader>
      <div className="border-t border-line">
        {members.isPending && <Skeleton rows={6} />}
        {members.isError && <ErrorState error={members.error} retry={() => void members.refetch()} />}
        {members.data && (
          <PlainTable
            label="Members"
            rows={members.data.items}
            idOf={(member) => member.userId}
            columns={[
              {
                header: 'Name',
                cell: (member) => (
                  <span className="flex items-center gap-2 font-medium">
                    <Person name={member.name} />
                    {member.userId === me.user.id && <span className="text-xs font-normal text-faint">You</span>}
                  </span>
                ),
              },
              { header: 'E-mail address', cell: (member) => <span className="text-quiet">{member.email}</span> },
              {
                header: 'Role',
                className: 'sm:w-40',
                cell: (member) =>
                  may('member:change-role') ? (
                    <NativeSelect
                      label={`Role of ${member.name}`}
                      value={member.role}
                      options={roles.map((role) => ({ value: role, label: roleWords[role].name }))}
                      onChange={(role) => void changeRole(member, role)}
                      className="h-8 rounded-md border border-transparent text-sm [field-sizing:content] hover:border-line hover:bg-hover"
                    />
                  ) : (
                    roleWords[member.role].name
                  ),
              },
              {
                header: 'Since',
                className: 'sm:w-36 max-md:hidden',
                cell: (member) => (
                  <span className="text-xs text-quiet">
                    <Moment at={member.since} />
                  </span>
                ),
              },
              {
                header: '',
                className: 'sm:w-12 text-right',
                cell: (member) =>
                  (may('session:revoke-member') || may('member:remove')) && (
                    <Menu label={member.name} trigger={<IconButton icon="more" label={`More about ${member.name}`} />}>
                      <MenuItem
                        id="sessions"
                        icon="session"
                        disabled={!may('session:revoke-member')}
                        onAction={() => setShowing(member)}
                      >
                        Sessions
                      </MenuItem>
                      <MenuItem
                        id="remove"
                        icon="close"
                        danger
                        disabled={!may('member:remove')}
                        onAction={() => setRemoving(member)}
                      >
                        Remove
                      </MenuItem>
                    </Menu>
                  ),
              },
            ]}
          />
        )}
        {invitations.data && invitations.data.items.length > 0 && (
          <>
            <h2 className="px-4 pt-6 pb-2 text-sm">Open invitations</h2>
            <PlainTable
              label="Open invitations"
              rows={invitations.data.items}
              idOf={(invitation) => invitation.id}
              columns={[
                {
                  header: 'E-mail address',
                  cell: (invitation) => <span className="font-medium">{invitation.email}</span>,
                },
                { header: 'Role', className: 'sm:w-32', cell: (invitation) => roleWords[invitation.role].name },
                {
                  header: 'Invited',
                  cell: (invitation) => (
                    <span className="text-quiet">
                      by {invitation.invitedBy}, <Ago at={invitation.createdAt} />
                    </span>
                  ),
                },
                {
                  header: 'Works until',
                  className: 'sm:w-36 max-md:hidden',
                  cell: (invitation) => (
                    <span className="text-xs text-quiet">
                      <Moment at={invitation.expiresAt} />
                    </span>
                  ),
                },
                {
                  header: '',
                  className: 'sm:w-28 text-right',
                  cell: (invitation) => (
                    <Button size="small" tone="ghost" onPress={() => void withdraw(invitation)}>
                      Withdraw
                    </Button>
                  ),
                },
              ]}
            />
          </>
        )}
      </div>
      {doing === 'invite' && (
        <InviteDialog onClose={() => void navigate({ search: {}, replace: true })} onInvited={refresh} />
      )}
      {removing && <RemoveDialog member={removing} onClose={() => setRemoving(null)} onRemoved={refresh} />}
      {showing && <MemberSessions member={showing} onClose={() => setShowing(null)} />}
    </>
  )
}
