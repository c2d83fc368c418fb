import type { Case, CaseSummary } from '@redoubt/contract'
import type { z } from 'zod'
import type { Resource } from '../../platform/operation.ts'
import { severityOf } from '../../platform/severity.ts'
import type { Audience } from './rules/audience.ts'
import { nextPhases, type PhaseFacts } from './rules/phases.ts'
import type { CaseDetail, CaseRow } from './store/cases.ts'

/** A case in the contract's words, as lists show it. */
export function summaryOf(row: CaseRow): z.input<typeof CaseSummary> {
  return {
    ...row,
    severity: severityOf(row.severity),
    openedAt: row.openedAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    dueAt: row.dueAt?.toISOString() ?? null,
    respondedAt: row.respondedAt?.toISOString() ?? null,
    breachedAt: row.breachedAt?.toISOString() ?? null,
    closedAt: row.closedAt?.toISOString() ?? null,
  }
}

/** A case in the contract's words. */
export function caseOf(found: CaseDetail): z.input<typeof Case> {
  const { mergedInto } = found
  return {
    ...summaryOf(found),
    description: found.description,
    resolution: found.resolution,
    recipients: [...found.recipients],
    techniques: [...found.techniques],
    mergedInto: mergedInto?.number ? { id: mergedInto.id, number: mergedInto.number } : null,
    nextPhases: nextPhases(phaseFactsOf(found)),
    openedBy: found.openedBy,
    rule: found.rule,
  }
}

export function phaseFactsOf(found: CaseDetail): PhaseFacts {
  return {
    phase: found.phase,
    ownerId: found.owner?.id ?? null,
    resolution: found.resolution,
    openTasks: found.openTasks,
    activeRuns: found.activeRuns,
    merged: found.mergedInto !== null,
  }
}

export function audienceOf(found: CaseDetail): Audience {
  return {
    tlp: found.tlp,
    audience: found.audience,
    ownerId: found.owner?.id ?? null,
    recipientIds: found.recipients.map(({ id }) => id),
  }
}

/** A case as the access policies see it. */
export function caseResource(found: CaseDetail): Extract<Resource, { kind: 'Case' }> {
  return { kind: 'Case', id: found.id, ...audienceOf(found) }
}
