import type { Source } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay } from '../../api/session.tsx'
import { Tag, TlpMark } from '../../components/badges.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { Sparkline } from '../../components/charts.tsx'
import { Ago } from '../../components/clock.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Menu, MenuItem } from '../../components/menu.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { PlainTable } from '../../components/plain-table.tsx'
import { announce, announceFailure } from '../../components/toast.tsx'
import { adapterWords } from '../../components/words.ts'
import { CreateSourceDialog } from './create-source-dialog.tsx'
import { EditSourceDialog } from './edit-source-dialog.tsx'
import { RotateDialog } from './rotate-dialog.tsx'
import { SendingDialog } from './sending-dialog.tsx'

const route = getRouteApi('/o/$slug/sources')

/** Where alerts come from, and whether they still do. */
export function SourcesPage() {
  const { trpc, queries, client } = useApi()
  const { do: doing } = route.useSearch()
  const navigate = route.useNavigate()
  const may = useMay()
  const [rotating, setRotating] = useState<Source | null>(null)
  const [editing, setEditing] = useState<Source | null>(null)
  const [sending, setSending] = useState<Source | null>(null)
  const sources = useQuery(trpc.sources.list.queryOptions({}), queries)
  const refresh = () => queries.invalidateQueries(trpc.sources.pathFilter())
  const enable = async (source: Source, enabled: boolean, isUndo = false) => {
    try {
      await client.sources.update.mutate({ id: source.id, enabled })
      if (!isUndo) {
        announce(enabled ? `${source.name} is taken again` : `${source.name} is refused from now on`, {
          label: 'Undo',
          run: () => void enable(source, !enabled, true),
        })
      }
    } catch (error) {
      announceFailure('Nothing changed', error)
    }
    await refresh()
  }
  const remove = async (source: Source) => {
    try {
      await client.sources.remove.mutate({ id: source.id })
      announce(`${source.name} was removed`)
    } catch (error) {
      announceFailure('Not removed', error)
    }
    await refresh()
  }
  const create = may('source:manage') && (
    <Button tone="primary" icon="plus" onPress={() => void navigate({ search: { do: 'create' } })}>
      Add source
    </Button>
  )
  const items = sources.data?.items ?? []
  return (
    <>
      <PageHeader title="Sources">{create}</PageHeader>
      <div className="border-t border-line">
        {sources.isPending && <Skeleton rows={5} />}
        {sources.isError && <ErrorState error={sources.error} retry={() => void sources.refetch()} />}
        {sources.data && items.length === 0 && (
          <EmptyState icon="source" title="No alert can arrive yet" action={create}>
            Add a source for each product that sends alerts. It gets an address and a token of its own, and a command to
            try them with.
          </EmptyState>
        )}
        {items.length > 0 && (
          <PlainTable
            label="Sources"
            rows={items}
            idOf={(source) => source.id}
            columns={[
              {
                header: 'Source',
                className: 'sm:min-w-44',
                cell: (source) => (
                  <span className="flex items-center gap-2">
                    <span className={`font-medium ${source.enabled ? '' : 'text-faint line-through'}`}>
                      {source.name}
                    </span>
                    {!source.enabled && <Tag icon="stop">Disabled</Tag>}
                  </span>
                ),
              },
              {
                header: 'Format',
                className: 'sm:min-w-40 whitespace-nowrap',
                cell: (source) => <span className="text-quiet">{adapterWords[source.type]}</span>,
              },
              {
                header: 'Address',
                className: 'w-full max-w-0 max-lg:hidden',
                cell: (source) => <span className="block truncate font-mono text-xs text-quiet">{source.url}</span>,
              },
              {
                header: 'Last 24 hours',
                className: 'sm:w-32',
                cell: (source) => <Sparkline values={source.activity} label={`Alerts of ${source.name} per hour`} />,
              },
              {
                header: 'Last alert',
                className: 'sm:min-w-24',
                cell: (source) => (
                  <span className="text-xs text-quiet">
                    {source.lastEventAt ? <Ago at={source.lastEventAt} /> : 'Never'}
                  </span>
                ),
              },
              { header: 'TLP', className: 'sm:min-w-28 max-md:hidden', cell: (source) => <TlpMark tlp={source.tlp} /> },
              {
                header: '',
                className: 'sm:w-12 text-right',
                cell: (source) =>
                  may('source:manage') && (
                    <Menu label={source.name} trigger={<IconButton icon="more" label={`More about ${source.name}`} />}>
                      <MenuItem id="send" icon="source" onAction={() => setSending(source)}>
                        How to send alerts
                      </MenuItem>
                      <MenuItem id="edit" icon="edit" onAction={() => setEditing(source)}>
                        Change
                      </MenuItem>
                      <MenuItem id="rotate" icon="key" onAction={() => setRotating(source)}>
                        Replace credentials
                      </MenuItem>
                      <MenuItem
                        id="enable"
                        icon={source.enabled ? 'stop' : 'run'}
                        onAction={() => void enable(source, !source.enabled)}
                      >
                        {source.enabled ? 'Disable' : 'Enable'}
                      </MenuItem>
                      <MenuItem
                        id="remove"
                        icon="close"
                        danger
                        disabled={source.lastEventAt !== null}
                        onAction={() => void remove(source)}
                      >
                        Remove
                      </MenuItem>
                    </Menu>
                  ),
              },
            ]}
          />
        )}
      </div>
      {doing === 'create' && (
        <CreateSourceDialog onClose={() => void navigate({ search: {}, replace: true })} onCreated={refresh} />
      )}
      {editing && <EditSourceDialog source={editing} onClose={() => setEditing(null)} onSaved={refresh} />}
      {sending && <SendingDialog source={sending} onClose={() => setSending(null)} />}
      {rotating && <RotateDialog source={rotating} onClose={() => setRotating(null)} />}
    </>
  )
}
