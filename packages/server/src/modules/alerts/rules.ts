import type { AlertState, Severity } from '@redoubt/contract'
import type { Observable, ObservableType } from './observables/observable.ts'

const minute = 60_000
/** ALERT-2: within what time somebody must have looked, in milliseconds; nothing is promised for the informational. */
const responseMs: Readonly<Record<Severity, number | null>> = {
  critical: 15 * minute,
  high: 60 * minute,
  medium: 4 * 60 * minute,
  low: 24 * 60 * minute,
  informational: null,
}

/** Until when the first response is due for what was seen at `from`; null when none is promised (ALERT-2). */
export function responseDueAt(severity: Severity, from: Date): Date | null {
  const ms = responseMs[severity]
  return ms === null ? null : new Date(from.getTime() + ms)
}

/**
 * What triage may do to an alert, by the state it is in:
 *
 *   new ── acknowledge ──▶ acknowledged ── dismiss ──▶ dismissed
 *    │                          │                          │
 *    ├── dismiss ──▶ dismissed  └── reopen ──▶ new ◀───────┘
 *    └── (a case takes it) ──▶ in-case: from here the case decides, triage no longer does
 */
export const triage = {
  acknowledge: { from: ['new'], to: 'acknowledged' },
  dismiss: { from: ['new', 'acknowledged'], to: 'dismissed' },
  reopen: { from: ['acknowledged', 'dismissed'], to: 'new' },
} as const satisfies Record<string, { readonly from: readonly AlertState[]; readonly to: AlertState }>

/** Which observables tell two alerts apart at a glance, most telling first. */
const telling: readonly ObservableType[] = [
  'host',
  'user',
  'email',
  'domain',
  'ipv4',
  'ipv6',
  'url',
  'sha256',
  'process',
  'file-name',
  'sha1',
  'md5',
]
const MAX_ENTITIES = 4
const MAX_ENTITY = 80

/** The first few observables worth a glance: one of each kind before a second of any, at most four. */
export function tellingEntities(observables: readonly Observable[]): string[] {
  const byType = Map.groupBy(observables, ({ type }) => type)
  const ranks = telling.flatMap((type, order) =>
    (byType.get(type) ?? []).map(({ value }, turn) => ({ value, turn, order })),
  )
  return ranks
    .sort((a, b) => a.turn - b.turn || a.order - b.order)
    .slice(0, MAX_ENTITIES)
    .map(({ value }) => (value.length > MAX_ENTITY ? `${value.slice(0, MAX_ENTITY - 1)}…`.toWellFormed() : value))
}

/**
 * The short name of the platform's own source. The database lets it stand for nothing else, and the source has no token:
 * what it says, the platform says.
 */
export const healthSourceSlug = 'system-health'
