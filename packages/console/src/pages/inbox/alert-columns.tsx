import type { AlertSummary } from '@redoubt/contract'
import { SeverityBadge, TlpMark } from '../../components/badges.tsx'
import { Ago, SlaClock } from '../../components/clock.tsx'
import type { Column } from '../../components/grid.tsx'
import { Person } from '../../components/person.tsx'

const isWaiting = (alert: AlertSummary) => alert.state === 'new'

function Sla({ alert }: { alert: AlertSummary }) {
  if (isWaiting(alert)) return <SlaClock from={alert.firstSeenAt} dueAt={alert.dueAt} />
  return <span className="text-xs text-faint">Stopped</span>
}

export const alertColumns: readonly Column<AlertSummary>[] = [
  { id: 'severity', header: 'Severity', track: '84px', cell: (alert) => <SeverityBadge severity={alert.severity} /> },
  { id: 'sla', header: 'Response', track: '112px', cell: (alert) => <Sla alert={alert} />, from: 620 },
  {
    id: 'title',
    header: 'Alert',
    track: 'minmax(0,3fr)',
    cell: (alert) => (
      <span className="flex items-center gap-2">
        <span className="truncate font-medium">{alert.title}</span>
        {alert.count > 1 && (
          <span className="shrink-0 rounded-full bg-hover px-1.5 text-xs text-quiet">
            ×{alert.count.toLocaleString('en')}
            <span className="sr-only"> times</span>
          </span>
        )}
      </span>
    ),
  },
  {
    id: 'entities',
    header: 'Entities',
    track: 'minmax(0,2fr)',
    from: 940,
    cell: (alert) => <span className="font-mono text-xs text-quiet">{alert.entities.join(' · ')}</span>,
  },
  {
    id: 'source',
    header: 'Source',
    track: '128px',
    from: 720,
    cell: (alert) => <span className="text-sm text-quiet">{alert.source.name}</span>,
  },
  {
    id: 'assignee',
    header: 'Who',
    track: '32px',
    from: 700,
    cell: (alert) => <Person name={alert.assignee?.name ?? null} compact />,
  },
  { id: 'tlp', header: 'TLP', track: '116px', from: 1160, cell: (alert) => <TlpMark tlp={alert.tlp} /> },
  {
    id: 'seen',
    header: 'Last seen',
    track: '76px',
    align: 'end',
    cell: (alert) => (
      <span className="text-xs text-quiet">
        <Ago at={alert.lastSeenAt} suffix="" />
      </span>
    ),
  },
]

/** An alert in two lines, for a phone. */
export function AlertCard({ alert }: { alert: AlertSummary }) {
  return (
    <div className="flex flex-col gap-1">
      <div className="flex items-center gap-2">
        <SeverityBadge severity={alert.severity} short />
        <span className="min-w-0 flex-1 truncate font-medium">{alert.title}</span>
        <span className="shrink-0 text-xs text-faint">
          <Ago at={alert.lastSeenAt} suffix="" />
        </span>
      </div>
      <div className="flex items-center gap-3 text-xs text-quiet">
        <Sla alert={alert} />
        <span className="min-w-0 flex-1 truncate">{alert.source.name}</span>
        {alert.count > 1 && <span>×{alert.count}</span>}
      </div>
    </div>
  )
}
