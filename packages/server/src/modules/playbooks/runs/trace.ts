import type { AuditRecord, Work } from '../../../platform/work.ts'
import { insertLine } from './case-store.ts'
import { changeRun } from './store.ts'

type RunOfCase = { readonly id: string; readonly caseId: string }
type Line = { readonly kind: 'run' | 'comment'; readonly text: string; readonly stepId?: string }

/** A line of the case's timeline and the audit event that proves it (AUD-1), in the transaction of the change. */
export async function trace(unit: Work, run: RunOfCase, line: Line, event: Omit<AuditRecord, 'target'>): Promise<void> {
  const auditEventId = unit.record({ ...event, target: { kind: 'run', id: run.id } })
  unit.live('runs')
  unit.live('cases')
  await insertLine(unit.tx, {
    caseId: run.caseId,
    at: unit.now,
    kind: line.kind,
    actor: unit.actor,
    text: line.text,
    facts: { runId: run.id, ...(line.stepId === undefined ? {} : { stepId: line.stepId }) },
    auditEventId,
  })
}

/** Ends a run that cannot go on, where everybody sees it. `reason` is a code for the audit log. */
export async function failRun(unit: Work, run: RunOfCase, reason: string, failure: string): Promise<void> {
  await changeRun(unit.tx, run.id, { state: 'failed', waiting: null, failure, endedAt: unit.now })
  const text = `ended the run as failed: ${failure}`
  await trace(unit, run, { kind: 'run', text }, { action: 'run.failed', outcome: 'failed', facts: { reason } })
}
