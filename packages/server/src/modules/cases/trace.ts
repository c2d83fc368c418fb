import type { Work } from '../../platform/work.ts'
import { insertEntry, type TimelineKind } from './store/timeline.ts'

/**
 * Leaves the two traces of a change in the same transaction: the line people read in the case, and the audit event that
 * proves it (AUD-1). The timeline lives under the audience of its case and may quote it; audit facts hold ids and words
 * of the platform alone. @returns the timeline entry's id
 */
export function trace(
  unit: Work,
  caseId: string,
  line: { readonly kind: TimelineKind; readonly text: string; readonly facts?: Readonly<Record<string, unknown>> },
  event: { readonly action: string; readonly facts?: Readonly<Record<string, unknown>> },
): Promise<string> {
  const auditEventId = unit.record({ ...event, target: { kind: 'case', id: caseId } })
  unit.live('cases')
  return insertEntry(unit.tx, { caseId, at: unit.now, actor: unit.actor, facts: {}, ...line, auditEventId })
}
