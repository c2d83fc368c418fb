import type { CaseSummary } from '@redoubt/contract'
import { PhaseBadge, SeverityBadge, TlpMark } from '../../components/badges.tsx'
import { Ago, SlaClock } from '../../components/clock.tsx'
import type { Column } from '../../components/grid.tsx'
import { Person } from '../../components/person.tsx'

export function CaseClock({ of }: { of: CaseSummary }) {
  return <SlaClock from={of.openedAt} dueAt={of.dueAt} respondedAt={of.respondedAt} stopped={of.closedAt !== null} />
}

export const caseColumns: readonly Column<CaseSummary>[] = [
  {
    id: 'number',
    header: 'Case',
    track: '56px',
    cell: (row) => <span className="text-sm text-faint">#{row.number}</span>,
  },
  { id: 'severity', header: 'Severity', track: '84px', cell: (row) => <SeverityBadge severity={row.severity} /> },
  {
    id: 'title',
    header: 'Title',
    track: 'minmax(0,1fr)',
    cell: (row) => <span className="font-medium">{row.title}</span>,
  },
  { id: 'phase', header: 'Phase', track: '104px', from: 560, cell: (row) => <PhaseBadge phase={row.phase} /> },
  { id: 'sla', header: 'Response', track: '124px', from: 700, cell: (row) => <CaseClock of={row} /> },
  {
    id: 'owner',
    header: 'Owner',
    track: '136px',
    from: 860,
    cell: (row) => <Person name={row.owner?.name ?? null} muted />,
  },
  {
    id: 'alerts',
    header: 'Alerts',
    track: '56px',
    from: 1040,
    align: 'end',
    cell: (row) => <span className="text-sm text-quiet">{row.alertCount.toLocaleString('en')}</span>,
  },
  { id: 'tlp', header: 'TLP', track: '116px', from: 1180, cell: (row) => <TlpMark tlp={row.tlp} /> },
  {
    id: 'updated',
    header: 'Updated',
    track: '80px',
    align: 'end',
    cell: (row) => (
      <span className="text-xs text-quiet">
        <Ago at={row.updatedAt} suffix="" />
      </span>
    ),
  },
]

/** A case in two lines, for a phone. */
export function CaseCard({ row }: { row: CaseSummary }) {
  return (
    <div className="flex flex-col gap-1">
      <div className="flex items-center gap-2">
        <SeverityBadge severity={row.severity} short />
        <span className="min-w-0 flex-1 truncate font-medium">{row.title}</span>
        <span className="shrink-0 text-xs text-faint">#{row.number}</span>
      </div>
      <div className="flex items-center gap-3 text-xs text-quiet">
        <PhaseBadge phase={row.phase} />
        <CaseClock of={row} />
        <span className="min-w-0 flex-1 truncate text-right">{row.owner?.name ?? 'Nobody'}</span>
      </div>
    </div>
  )
}
