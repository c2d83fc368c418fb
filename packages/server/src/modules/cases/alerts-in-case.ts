import { randomUUIDv7 } from 'node:crypto'
import type { Tlp } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import { severityOf } from '../../platform/severity.ts'
import type { Work } from '../../platform/work.ts'
import { responseDueAt } from '../alerts/index.ts'
import { stricter } from './rules/audience.ts'
import { dueAfterChange } from './rules/response-clock.ts'
import { type AlertRow, lockTakingCase, putInCase } from './store/alerts.ts'
import { insertCase, touchCase, updateCase } from './store/cases.ts'
import { countSightings } from './store/observables.ts'
import { trace } from './trace.ts'

export type CaseDraft = {
  readonly title: string
  readonly description?: string
  readonly severity: number
  readonly tlp: Exclude<Tlp, 'RED'>
  readonly techniques?: readonly string[]
  readonly rule?: string
  /** Why, as the sentence after the actor's name. */
  readonly text: string
}

/** Opens a case for the whole organization, starts its response clock, and puts the check of it on the queue. */
export async function openCase(unit: Work, draft: CaseDraft): Promise<{ id: string; number: number }> {
  const id = randomUUIDv7()
  const dueAt = responseDueAt(severityOf(draft.severity), unit.now)
  const number = await insertCase(unit.tx, {
    id,
    title: draft.title,
    description: draft.description ?? '',
    severity: draft.severity,
    tlp: draft.tlp,
    techniques: draft.techniques ?? [],
    openedAt: unit.now,
    openedBy: unit.actor.name,
    dueAt,
    rule: draft.rule ?? null,
  })
  await trace(
    unit,
    id,
    {
      kind: 'opened',
      text: draft.text,
      facts: { severity: severityOf(draft.severity), tlp: draft.tlp, rule: draft.rule ?? null },
    },
    {
      action: 'case.opened',
      facts: { number, severity: severityOf(draft.severity), tlp: draft.tlp, rule: draft.rule ?? null },
    },
  )
  await scheduleResponseCheck(unit, id, dueAt)
  return { id, number }
}

/** Puts the check of a response time on the queue; the key lets a later promise replace an earlier one. */
export async function scheduleResponseCheck(unit: Work, caseId: string, dueAt: Date | null): Promise<void> {
  if (dueAt) await unit.enqueue('cases.check-response', { caseId }, { runAt: dueAt, key: `case-response:${caseId}` })
}

/** The draft of a case about these alerts: the gravest gives title and severity, the strictest TLP holds, techniques unite. */
export function draftFrom(alerts: readonly AlertRow[]): {
  title: string
  severity: number
  tlp: Tlp
  techniques: string[]
} {
  const [gravest, ...others] = alerts.toSorted((a, b) => b.severity - a.severity || (a.id < b.id ? -1 : 1))
  if (!gravest) throw new RangeError('a case needs an alert to be drafted from')
  return {
    title: gravest.title,
    severity: gravest.severity,
    tlp: others.reduce((tlp, alert) => stricter(tlp, alert.tlp), gravest.tlp),
    techniques: union(alerts.flatMap(({ techniques }) => techniques)),
  }
}

/**
 * Puts alerts into a case that may be graver, stricter and richer afterwards. The alerts are held by the caller and are in
 * no case yet. Arrivals leave the version alone unless they changed what people edit, so a flood makes nobody's edit stale.
 * @throws AppError not_found, conflict when the case is closed or an alert is too narrow for it
 */
export async function takeAlerts(
  unit: Work,
  caseId: string,
  alerts: readonly AlertRow[],
  { text, keepSeverity = false }: { readonly text: string; readonly keepSeverity?: boolean },
): Promise<void> {
  const { tx, now } = unit
  const taking = await lockTakingCase(tx, caseId)
  if (!taking) throw new AppError('not_found', 'There is no such case.')
  if (taking.closedAt) throw new AppError('conflict', `Case #${taking.number} is closed: reopen it first.`)
  const draft = draftFrom(alerts)
  const tlp = stricter(taking.tlp, draft.tlp)
  if (tlp === 'RED' && taking.tlp !== 'RED')
    throw new AppError(
      'conflict',
      `An alert is TLP:RED: share case #${taking.number} as RED first, so that its recipients are named.`,
    )
  const ids = alerts.map(({ id }) => id)
  await putInCase(tx, ids, caseId)
  await countSightings(tx, caseId, ids)

  const severity = keepSeverity ? taking.severity : Math.max(taking.severity, draft.severity)
  const techniques = union([...taking.techniques, ...draft.techniques])
  const dueAt =
    severity === taking.severity
      ? taking.dueAt
      : dueAfterChange(taking, responseDueAt(severityOf(severity), taking.openedAt))
  const alert_count = taking.alertCount + ids.length
  if (severity === taking.severity && tlp === taking.tlp && techniques.length === taking.techniques.length) {
    await touchCase(tx, caseId, { alert_count }, now)
  } else {
    await updateCase(tx, taking, { severity, tlp, techniques, due_at: dueAt, alert_count }, now)
  }
  if (dueAt?.getTime() !== taking.dueAt?.getTime()) await scheduleResponseCheck(unit, caseId, dueAt)
  unit.live('alerts')
  const raised = {
    ...(severity === taking.severity
      ? {}
      : { severity: { from: severityOf(taking.severity), to: severityOf(severity) } }),
    ...(tlp === taking.tlp ? {} : { tlp: { from: taking.tlp, to: tlp } }),
  }
  await trace(
    unit,
    caseId,
    { kind: 'alert-added', text, facts: { alertIds: ids.slice(0, 200), alertCount: ids.length, ...raised } },
    { action: 'case.alerts-added', facts: { alertIds: ids.slice(0, 200), alertCount: ids.length, ...raised } },
  )
}

/** `1 alert`, `3 alerts`. */
export function alertsInWords(count: number): string {
  return count === 1 ? '1 alert' : `${count} alerts`
}

function union(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted()
}
