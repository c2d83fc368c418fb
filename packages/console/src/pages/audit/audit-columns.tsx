import type { AuditEvent } from '@redoubt/contract'
import { Ago, fullTime } from '../../components/clock.tsx'
import type { Column } from '../../components/grid.tsx'
import { Icon, type IconName } from '../../components/icon.tsx'

const outcomes: Record<AuditEvent['outcome'], { word: string; icon: IconName; colour: string }> = {
  allowed: { word: 'Allowed', icon: 'check', colour: 'text-quiet' },
  denied: { word: 'Denied', icon: 'lock', colour: 'text-danger' },
  failed: { word: 'Failed', icon: 'warning', colour: 'text-danger' },
}
export function OutcomeMark({ outcome }: { outcome: AuditEvent['outcome'] }) {
  const look = outcomes[outcome]
  return (
    <span className={`inline-flex items-center gap-1.5 text-sm ${look.colour}`}>
      <Icon name={look.icon} className="scale-75" />
      {look.word}
    </span>
  )
}

const actorIcons: Record<AuditEvent['actor']['kind'], IconName> = {
  person: 'user',
  service: 'source',
  runner: 'runner',
  anonymous: 'globe',
}
export function Actor({ event }: { event: AuditEvent }) {
  return (
    <span className="inline-flex max-w-full items-center gap-1.5 text-sm">
      <Icon name={actorIcons[event.actor.kind]} className="scale-90 text-faint" />
      <span className="truncate">{event.actor.name || event.actor.kind}</span>
    </span>
  )
}

export const auditColumns: readonly Column<AuditEvent>[] = [
  {
    id: 'seq',
    header: 'No.',
    track: '64px',
    cell: (event) => (
      <span className="text-xs text-faint">{event.seq === null ? 'sealing' : event.seq.toLocaleString('en')}</span>
    ),
  },
  {
    id: 'at',
    header: 'When',
    track: '96px',
    cell: (event) => (
      <span className="text-xs text-quiet" title={fullTime(event.at)}>
        <Ago at={event.at} />
      </span>
    ),
  },
  {
    id: 'action',
    header: 'Action',
    track: 'minmax(0,2fr)',
    cell: (event) => <span className="font-mono text-xs font-medium">{event.action}</span>,
  },
  { id: 'actor', header: 'Actor', track: 'minmax(0,2fr)', cell: (event) => <Actor event={event} /> },
  {
    id: 'target',
    header: 'Target',
    track: 'minmax(0,2fr)',
    from: 760,
    cell: (event) =>
      event.target && (
        <span className="text-xs text-quiet">
          {event.target.kind} <span className="font-mono text-faint">{event.target.id}</span>
        </span>
      ),
  },
  { id: 'outcome', header: 'Outcome', track: '92px', cell: (event) => <OutcomeMark outcome={event.outcome} /> },
]
