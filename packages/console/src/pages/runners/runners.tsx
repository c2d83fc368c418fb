import type { Runner } from '@redoubt/contract'
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay } from '../../api/session.tsx'
import { Tag } from '../../components/badges.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { CopyCommand } from '../../components/copy-field.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { EmptyState, ErrorNote, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { announce } from '../../components/toast.tsx'

const route = getRouteApi('/o/$slug/runners')

/** The organization's own runners: the only places where its plans are executed. */
export function RunnersPage() {
  const { trpc, queries } = useApi()
  const { do: doing } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const [revoking, setRevoking] = useState<Runner | null>(null)
  const runners = useQuery(trpc.runners.list.queryOptions({}, { refetchInterval: 30_000 }), queries)
  const items = runners.data?.items ?? []
  const enrol = may('runner:manage') && (
    <Button tone="primary" icon="plus" onPress={() => void navigate({ search: { do: 'invite' } })}>
      Enrol runner
    </Button>
  )
  return (
    <>
      <PageHeader title="Runners">{enrol}</PageHeader>
      <div className="border-t border-line">
        {runners.isPending && <Skeleton rows={3} />}
        {runners.isError && <ErrorState error={runners.error} retry={() => void runners.refetch()} />}
        {runners.data && items.length === 0 && (
          <EmptyState icon="runner" title="No runner yet" action={enrol}>
            A runner stands in your own network and executes only plans that are signed for it. Without one, playbooks
            cannot run.
          </EmptyState>
        )}
        {items.length > 0 && (
          <PlainTable
            label="Runners"
            rows={items}
            idOf={(runner) => runner.id}
            columns={[
              {
                header: 'Runner',
                cell: (runner) => (
                  <span className="flex items-center gap-2">
                    <span className={`font-medium ${runner.revoked ? 'text-faint line-through' : ''}`}>
                      {runner.name}
                    </span>
                    <Heard runner={runner} />
                  </span>
                ),
              },
              {
                header: 'Address',
                cell: (runner) => <span className="font-mono text-xs break-all text-quiet">{runner.url}</span>,
              },
              {
                header: 'Key',
                className: 'max-lg:hidden',
                cell: (runner) => <span className="font-mono text-xs break-all text-quiet">{runner.keyId}</span>,
              },
              {
                header: 'Enrolled',
                className: 'sm:w-36 max-md:hidden',
                cell: (runner) => (
                  <span className="text-xs text-quiet">
                    <Moment at={runner.enrolledAt} />
                  </span>
                ),
              },
              {
                header: '',
                className: 'sm:w-28 text-right',
                cell: (runner) =>
                  may('runner:manage') &&
                  !runner.revoked && (
                    <Button size="small" tone="ghost-danger" onPress={() => setRevoking(runner)}>
                      Revoke
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </div>
      {doing === 'invite' && <EnrolDialog onClose={() => void navigate({ search: {}, replace: true })} />}
      {revoking && <RevokeDialog runner={revoking} onClose={() => setRevoking(null)} />}
    </>
  )
}

/** A runner speaks only when it has something to report, so silence is no alarm. */
function Heard({ runner }: { runner: Runner }) {
  if (runner.revoked) return <Tag icon="stop">Revoked</Tag>
  if (runner.lastSeenAt === null) return <Tag icon="clock">Not used yet</Tag>
  return (
    <Tag icon="check" strong>
      Last report <Ago at={runner.lastSeenAt} />
    </Tag>
  )
}

function EnrolDialog({ onClose }: { onClose: () => void }) {
  const { trpc, queries } = useApi()
  const [name, setName] = useState('')
  const invite = useMutation(trpc.runners.invite.mutationOptions(), queries)
  if (invite.data) {
    return (
      <Dialog title={`Enrol ${name}`} onClose={onClose} wide insist>
        <p className="text-sm text-quiet">
          On the machine that shall execute the playbooks, in a checkout of this version of Redoubt after{' '}
          <code className="font-mono text-xs">npm ci</code>, run this. The runner then appears in the list by itself.
        </p>
        <CopyCommand
          label="Command"
          value={invite.data.command}
          hint="It holds a token: shown once, it works one time, within an hour."
        />
        <DialogActions>
          <Button tone="primary" onPress={onClose}>
            Done
          </Button>
        </DialogActions>
      </Dialog>
    )
  }
  return (
    <Dialog title="Enrol a runner" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          invite.mutate({ name })
        }}
      >
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          autoFocus
          isRequired
          hint="Where it stands, such as “Vienna data centre”."
          error={fieldErrorOf(invite.error, 'name')}
        />
        <ErrorNote error={invite.error} marked={['name']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={invite.isPending}>
            Make the token
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}

function RevokeDialog({ runner, onClose }: { runner: Runner; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const revoke = useMutation(
    trpc.runners.revoke.mutationOptions({
      onSuccess: () => {
        announce(`${runner.name} was revoked`)
        onClose()
        return queries.invalidateQueries(trpc.runners.pathFilter())
      },
    }),
    queries,
  )
  return (
    <Dialog title={`Revoke ${runner.name}?`} onClose={onClose}>
      <p className="text-sm text-quiet">
        No plan is sent to it and no report of it is taken any more. A run that it holds fails visibly. There is no way
        back: it would have to be enrolled anew.
      </p>
      <ErrorNote error={revoke.error} />
      <DialogActions>
        <Button onPress={onClose}>Keep</Button>
        <Button tone="danger" busy={revoke.isPending} onPress={() => revoke.mutate({ id: runner.id })}>
          Revoke
        </Button>
      </DialogActions>
    </Dialog>
  )
}
