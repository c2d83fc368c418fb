import type { contract } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Handlers, TenantCtx } from '../../../platform/operation.ts'
import { severityRank } from '../../../platform/severity.ts'
import { alertsInWords, draftFrom, openCase, takeAlerts } from '../alerts-in-case.ts'
import { caseToChange } from '../reach.ts'
import { type AlertRow, lockAlerts } from '../store/alerts.ts'

/** Alerts become cases: what people do by hand. */
export const caseFromAlertOperations: Pick<Handlers<typeof contract.alerts>, 'openCase' | 'addToCase'> = {
  async openCase(ctx, { ids, title, severity }) {
    const alerts = await alertsToTake(ctx, ids)
    const { tlp, ...draft } = draftFrom(alerts)
    if (tlp === 'RED')
      throw new AppError(
        'conflict',
        'An alert is TLP:RED: open a RED case by hand, so that its recipients are named, and add the alert there.',
      )
    const { id } = await openCase(ctx, {
      ...draft,
      tlp,
      title: title ?? draft.title,
      severity: severity === undefined ? draft.severity : severityRank(severity),
      text: `opened the case from ${alertsInWords(alerts.length)}`,
    })
    await takeAlerts(ctx, id, alerts, {
      text: `added ${alertsInWords(alerts.length)}`,
      keepSeverity: severity !== undefined,
    })
    return { caseId: id }
  },

  async addToCase(ctx, { ids, caseId }) {
    // Alerts before the case, as everybody does.
    const alerts = await alertsToTake(ctx, ids, caseId)
    const added = alerts.filter((alert) => alert.caseId !== caseId)
    await caseToChange(ctx, caseId, 'case:edit')
    if (added.length === 0)
      ctx.record({ action: 'case.alerts-added', target: { kind: 'case', id: caseId }, facts: { alertCount: 0 } })
    else await takeAlerts(ctx, caseId, added, { text: `added ${alertsInWords(added.length)}` })
    return { changed: added.length }
  },
}

/** All of these alerts, held. @throws AppError not_found when one is not there for these eyes, conflict when one is in another case */
async function alertsToTake(ctx: TenantCtx, ids: readonly string[], caseId?: string): Promise<AlertRow[]> {
  const wanted = new Set(ids)
  const alerts = await lockAlerts(ctx.tx, [...wanted])
  if (alerts.length < wanted.size)
    throw new AppError(
      'not_found',
      `${wanted.size - alerts.length} of these alerts are not there: read the list again.`,
    )
  const taken = alerts.filter((alert) => alert.caseId !== null && alert.caseId !== caseId)
  if (taken.length > 0) {
    throw new AppError(
      'conflict',
      `${alertsInWords(taken.length)} already in a case, such as “${taken[0]?.title}”: merge the cases instead.`,
    )
  }
  return alerts
}
