import type { AuditEvent } from '@redoubt/contract'
import { getRouteApi } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useApi } from '../../api/session.tsx'
import { useSteadyPages } from '../../api/steady-pages.ts'
import { Ago } from '../../components/clock.tsx'
import { EmptyState, ErrorState, Skeleton } from '../../components/feedback.tsx'
import { FilterChip } from '../../components/filters.tsx'
import { Grid } from '../../components/grid.tsx'
import { ArrivedPill, PageHeader } from '../../components/page-header.tsx'
import { useWidth } from '../../components/width.ts'
import { auditColumns, OutcomeMark } from './audit-columns.tsx'
import { CheckpointBar } from './checkpoint-bar.tsx'
import { EventDrawer } from './event-drawer.tsx'

const route = getRouteApi('/o/$slug/audit')

/** The audit log with its proofs, verified in this browser. */
export function AuditPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { client } = useApi()
  const area = useRef<HTMLDivElement>(null)
  const width = useWidth(area)
  const [cursor, setCursor] = useState<string | null>(search.event ?? null)
  const { event: opened, action, actor, target } = search
  const filter = useMemo(
    () => ({
      ...(action ? { action } : {}),
      ...(actor ? { actorId: actor } : {}),
      ...(target ? { targetId: target } : {}),
    }),
    [action, actor, target],
  )
  const list = useSteadyPages<AuditEvent>({
    key: useMemo(() => ['audit', filter], [filter]),
    topic: 'audit',
    idOf: (event) => event.id,
    load: (from) => client.audit.list.query({ ...filter, limit: 100, ...(from === undefined ? {} : { cursor: from }) }),
  })
  const open = (id: string | null) =>
    void navigate({
      search: ({ event: _, ...before }) => (id ? { ...before, event: id } : before),
      replace: opened !== undefined,
    })
  const without = (key: 'action' | 'actor' | 'target') => () =>
    void navigate({ search: ({ [key]: _, ...before }) => before, replace: true })
  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <PageHeader title="Audit">
          {action && <FilterChip name="action" value={action} onRemove={without('action')} />}
          {actor && <FilterChip name="actor" value={actor} onRemove={without('actor')} />}
          {target && <FilterChip name="target" value={target} onRemove={without('target')} />}
        </PageHeader>
        <CheckpointBar />
        <div ref={area} className="relative flex min-h-0 flex-1 flex-col border-t border-line">
          <ArrivedPill arrived={{ fresh: list.arrived.fresh, gone: 0 }} onShow={list.showArrived} />
          {list.isPending ? (
            <Skeleton rows={14} />
          ) : list.error ? (
            <ErrorState error={list.error} retry={list.reload} />
          ) : list.rows.length === 0 ? (
            <EmptyState icon="audit" title="No event matches">
              Every security-relevant action is recorded here within the same transaction that does it.
            </EmptyState>
          ) : (
            <Grid
              label="Audit events"
              rows={list.rows}
              idOf={(event) => event.id}
              columns={auditColumns}
              card={(event) => (
                <div className="flex flex-col gap-1">
                  <div className="flex items-center gap-2">
                    <OutcomeMark outcome={event.outcome} />
                    <span className="min-w-0 flex-1 truncate font-mono text-xs font-medium">{event.action}</span>
                    <span className="text-xs text-faint">
                      <Ago at={event.at} suffix="" />
                    </span>
                  </div>
                  <span className="truncate text-xs text-quiet">{event.actor.name}</span>
                </div>
              )}
              cursor={cursor}
              onCursor={(id) => {
                setCursor(id)
                if (opened) open(id)
              }}
              onOpen={(event) => open(event.id)}
              hasMore={list.hasMore}
              onEnd={list.loadMore}
              width={width}
            />
          )}
        </div>
      </div>
      {opened && (
        <EventDrawer
          key={opened}
          id={opened}
          event={list.rows.find((event) => event.id === opened) ?? null}
          onClose={() => open(null)}
          onNarrow={(change) => void navigate({ search: change })}
        />
      )}
    </div>
  )
}
