import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { useState } from 'react'
import { personApi } from '../../api/client.ts'
import { useApi, useMay, useMe, useWorkplace } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Moment } from '../../components/clock.tsx'
import { Dialog, DialogActions } from '../../components/dialog.tsx'
import { EmptyState, ErrorNote, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { fieldErrorOf, TextField } from '../../components/fields.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { announce } from '../../components/toast.tsx'

const route = getRouteApi('/o/$slug/clients')

/** The organizations this one provides for. Their data stays theirs; one sees it only as a member there. */
export function ClientsPage() {
  const { trpc, queries } = useApi()
  const { do: doing } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const me = useMe()
  const { organization } = useWorkplace().membership
  const clients = useQuery(trpc.organizations.clients.queryOptions({}), queries)
  const items = clients.data?.items ?? []
  const create = may('organization:create-client') && organization.providerId === null && (
    <Button tone="primary" icon="plus" onPress={() => void navigate({ search: { do: 'create' } })}>
      Add client
    </Button>
  )
  return (
    <>
      <PageHeader title="Clients">{create}</PageHeader>
      <div className="border-t border-line">
        {clients.isPending && <Skeleton rows={4} />}
        {clients.isError && <ErrorState error={clients.error} retry={() => void clients.refetch()} />}
        {clients.data && items.length === 0 && (
          <EmptyState icon="organizations" title="No client organizations" action={create}>
            A provider keeps each client in an organization of its own: own members, sources, runner, keys and audit
            log.
          </EmptyState>
        )}
        {items.length > 0 && (
          <PlainTable
            label="Clients"
            rows={items}
            idOf={(client) => client.id}
            columns={[
              { header: 'Organization', cell: (client) => <span className="font-medium">{client.name}</span> },
              {
                header: 'Short name',
                cell: (client) => <span className="font-mono text-xs text-quiet">{client.slug}</span>,
              },
              {
                header: 'Since',
                className: 'sm:w-40',
                cell: (client) => (
                  <span className="text-quiet">
                    <Moment at={client.createdAt} />
                  </span>
                ),
              },
              {
                header: '',
                className: 'sm:w-40 text-right',
                cell: (client) =>
                  me.memberships.some((membership) => membership.organization.id === client.id) ? (
                    <Link to="/o/$slug" params={{ slug: client.slug }} className="text-sm text-accent hover:underline">
                      Work there
                    </Link>
                  ) : (
                    <span className="text-xs text-faint">You are not a member</span>
                  ),
              },
            ]}
          />
        )}
      </div>
      {doing === 'create' && <CreateDialog onClose={() => void navigate({ search: {}, replace: true })} />}
    </>
  )
}

function CreateDialog({ onClose }: { onClose: () => void }) {
  const { trpc, queries } = useApi()
  const [name, setName] = useState('')
  const [slug, setSlug] = useState<string | null>(null)
  const chosen =
    slug ??
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 48)
  const create = useMutation(
    trpc.organizations.createClient.mutationOptions({
      onSuccess: async (client) => {
        announce(`${client.name} was created; you are its first admin`)
        onClose()
        await queries.invalidateQueries(trpc.organizations.pathFilter())
        await personApi.queries.invalidateQueries(personApi.trpc.auth.me.queryFilter())
      },
    }),
    queries,
  )
  return (
    <Dialog title="Add a client organization" onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          create.mutate({ name, slug: chosen })
        }}
      >
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          autoFocus
          isRequired
          error={fieldErrorOf(create.error, 'name')}
        />
        <TextField
          label="Short name for its address"
          value={chosen}
          onChange={setSlug}
          isRequired
          mono
          hint={`/o/${chosen || 'short-name'}`}
          error={fieldErrorOf(create.error, 'slug')}
        />
        <ErrorNote error={create.error} marked={['name', 'slug']} />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" busy={create.isPending}>
            Add client
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  )
}
