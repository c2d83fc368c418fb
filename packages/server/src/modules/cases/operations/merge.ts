import type { contract } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Handlers } from '../../../platform/operation.ts'
import { severityOf } from '../../../platform/severity.ts'
import { responseDueAt } from '../../alerts/index.ts'
import { scheduleResponseCheck } from '../alerts-in-case.ts'
import { caseToChange, caseToRead } from '../reach.ts'
import { counted, mergedAudience } from '../rules/audience.ts'
import { dueAfterChange, respondedAt } from '../rules/response-clock.ts'
import { moveAlerts } from '../store/alerts.ts'
import { type CaseDetail, lockCase, staleSince, updateCase } from '../store/cases.ts'
import { moveObservables } from '../store/observables.ts'
import { membersAmong } from '../store/people.ts'
import { moveTasks } from '../store/tasks.ts'
import { moveComments } from '../store/timeline.ts'
import { trace } from '../trace.ts'
import { audienceOf, caseOf } from '../view.ts'
import { setAudience } from './case-operations.ts'

/**
 * Merges a case into another. Alerts, observables, tasks and comments move; the source closes and points there, and keeps
 * its own audience and what happened in it. Who sees the target afterwards: see `mergedAudience`.
 */
export const mergeOperation: Pick<Handlers<typeof contract.cases>, 'merge'> = {
  async merge(ctx, { id, version, into }) {
    if (id === into) throw new AppError('conflict', 'A case cannot be merged into itself: choose another one.')
    // In the order of ids, whichever way round: two merges of the same pair would else wait for each other for ever.
    for (const each of [id, into].toSorted()) await lockCase(ctx.tx, each)
    const source = await caseToChange(ctx, id, 'case:merge')
    const target = await caseToChange(ctx, into, 'case:merge')
    if (source.version !== version) throw staleSince(source.updatedAt)
    for (const each of [source, target]) {
      if (each.phase === 'closed') throw new AppError('conflict', `Case #${each.number} is closed: reopen it first.`)
    }
    if (source.activeRuns > 0)
      throw new AppError(
        'conflict',
        `A run is still active in case #${source.number}: wait for it to end, or cancel it.`,
      )

    const [from, to] = [audienceOf(source), audienceOf(target)]
    const people = [from.ownerId, to.ownerId, ...from.recipientIds, ...to.recipientIds].filter(
      (person) => person !== null,
    )
    const audience = mergedAudience(to, from, await membersAmong(ctx.tx, people))
    const severity = Math.max(source.severity, target.severity)
    const dueAt = earlierPromise(target, source, severity)
    // First the audience: what moves in afterwards is restricted as it arrives.
    await setAudience(ctx, target, audience, {
      severity,
      due_at: dueAt,
      responded_at: respondedAt(target, { phase: target.phase, ownerId: audience.ownerId }, ctx.now),
      alert_count: target.alertCount + source.alertCount,
      techniques: [...new Set([...target.techniques, ...source.techniques])].toSorted(),
    })
    // Alerts before observables: an alert being enriched holds its row, so its observables are there when they move.
    await moveAlerts(ctx.tx, id, into)
    await moveObservables(ctx.tx, id, into)
    await moveTasks(ctx.tx, id, into)
    await moveComments(ctx.tx, id, into)
    await updateCase(
      ctx.tx,
      source,
      {
        phase: 'closed',
        closed_at: ctx.now,
        merged_into: into,
        resolution: source.resolution ?? `Merged into case #${target.number}.`,
        responded_at: respondedAt(source, { phase: 'closed', ownerId: null }, ctx.now),
        alert_count: 0,
      },
      ctx.now,
    )
    await scheduleResponseCheck(ctx, into, dueAt)
    ctx.live('alerts')
    const facts = { from: id, into, severity: severityOf(severity), tlp: audience.tlp, audience: audience.audience }
    await trace(
      ctx,
      id,
      { kind: 'merged', text: `merged the case into #${target.number}`, facts },
      { action: 'case.merged', facts },
    )
    await trace(
      ctx,
      into,
      {
        kind: 'merged',
        text: `merged case #${source.number} into this one`,
        facts: { ...facts, audienceBefore: to, audienceAfter: audience },
      },
      { action: 'case.merged', facts: { ...facts, audienceBefore: counted(to), audienceAfter: counted(audience) } },
    )
    return caseOf(await caseToRead(ctx, id))
  },
}

/** A merge breaks no promise: the earlier of the two stands, and that of the graver severity. */
function earlierPromise(target: CaseDetail, source: CaseDetail, severity: number): Date | null {
  const promises = [
    target.dueAt,
    source.respondedAt ? null : source.dueAt,
    responseDueAt(severityOf(severity), target.openedAt),
  ]
  const earliest =
    promises.filter((promise) => promise !== null).toSorted((a, b) => a.getTime() - b.getTime())[0] ?? null
  return dueAfterChange(target, earliest)
}
