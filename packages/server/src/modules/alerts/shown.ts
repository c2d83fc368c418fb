import type { Alert, AlertSummary } from '@redoubt/contract'
import type { z } from 'zod'
import { severityOf } from '../../platform/severity.ts'
import type { AlertRow, SummaryRow } from './store.ts'

/** A summary as the contract shows it. The response clock runs while the alert is new. */
export function shownSummary(row: SummaryRow): z.input<typeof AlertSummary> {
  return {
    id: row.id,
    title: row.title,
    severity: severityOf(row.severity),
    state: row.state,
    tlp: row.tlp as AlertSummary['tlp'],
    source: { id: row.source_id, name: row.source_name, type: row.source_type },
    count: row.count,
    firstSeenAt: row.first_seen_at.toISOString(),
    lastSeenAt: row.last_seen_at.toISOString(),
    dueAt: row.state === 'new' ? (row.due_at?.toISOString() ?? null) : null,
    assignee: row.assignee_id === null ? null : { id: row.assignee_id, name: row.assignee_name ?? 'Former member' },
    caseId: row.case_id,
    entities: row.entities,
  }
}

/** An alert with its finding, its observables and what the source sent. */
export function shownAlert(row: AlertRow): z.input<typeof Alert> {
  return {
    ...shownSummary(row),
    description: row.description,
    sourceRef: row.source_ref,
    occurredAt: row.occurred_at?.toISOString() ?? null,
    receivedAt: row.first_seen_at.toISOString(),
    techniques: row.techniques,
    observables: row.observables,
    finding: row.finding as Record<string, unknown>,
    raw: row.raw,
    latestRaw: row.latest_raw,
    dismissedBecause: row.dismissed_because,
  }
}
