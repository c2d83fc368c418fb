import { type AlertId, type alerts, severities } from '@redoubt/contract'
import { AppError } from '../../platform/app-error.ts'
import { cursorOf, readCursor } from '../../platform/cursor.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers, TenantCtx } from '../../platform/operation.ts'
import { severityOf } from '../../platform/severity.ts'
import { COUNT_CAP, countOpen, countPerHour } from './counts.ts'
import { triage } from './rules.ts'
import { shownAlert, shownSummary } from './shown.ts'
import { assignAlerts, isMember, listAlerts, moveAlerts, readAlert, visibleAmong } from './store.ts'

/** The group without what belongs to cases, which stand above: `openCase` and `addToCase`. */
export function alertOperations(_kernel: Kernel): Omit<Handlers<typeof alerts>, 'openCase' | 'addToCase'> {
  return {
    async list({ tx }, { cursor, limit, ...filter }) {
      const { rows, next } = await listAlerts(tx, filter, cursor === undefined ? null : readCursor(cursor), limit)
      return { items: rows.map(shownSummary), next: next && cursorOf(next) }
    },

    async get({ tx }, { id }) {
      return shownAlert(await readAlert(tx, id))
    },

    async counts({ tx }) {
      const rows = await countOpen(tx)
      const of = (state: string) =>
        Object.fromEntries(
          severities.map((word) => [
            word,
            rows.find((row) => row.state === state && severityOf(row.severity) === word)?.count ?? 0,
          ]),
        ) as Record<(typeof severities)[number], number>
      const fresh = of('new')
      const total = Object.values(fresh).reduce((sum, count) => sum + count, 0)
      return { new: fresh, acknowledged: of('acknowledged'), newTotal: Math.min(total, COUNT_CAP) }
    },

    async overTime({ tx, now }, { hours }) {
      const rows = await countPerHour(tx, new Date(now.getTime() - hours * 3_600_000))
      return {
        buckets: rows.map(({ at, severity, count }) => ({
          at: at.toISOString(),
          severity: severityOf(severity),
          count,
        })),
      }
    },

    acknowledge: (ctx, { ids }) => move(ctx, ids, 'acknowledge', 'alert.acknowledged'),
    dismiss: (ctx, { ids, reason }) => move(ctx, ids, 'dismiss', 'alert.dismissed', reason),
    reopen: (ctx, { ids }) => move(ctx, ids, 'reopen', 'alert.reopened'),

    async assign(ctx, { ids, assigneeId }) {
      await requireVisible(ctx, ids)
      if (assigneeId !== null && !(await isMember(ctx.tx, assigneeId))) {
        throw new AppError('unprocessable', 'Alerts are assigned to members of this organization.', {
          fields: [{ path: 'assigneeId', message: 'must be a member' }],
        })
      }
      return changed(ctx, 'alert.assigned', await assignAlerts(ctx.tx, ids, assigneeId), { assigneeId })
    },
  }
}

async function move(
  ctx: TenantCtx,
  ids: readonly AlertId[],
  step: keyof typeof triage,
  action: string,
  reason: string | null = null,
) {
  await requireVisible(ctx, ids)
  const moved = await moveAlerts(ctx.tx, ids, triage[step], { now: ctx.now, reason })
  return changed(ctx, action, moved, {})
}

/** Some of many may have gone out of sight meanwhile; when none is in sight there is nothing to speak of. */
async function requireVisible({ tx }: TenantCtx, ids: readonly AlertId[]): Promise<void> {
  if ((await visibleAmong(tx, ids)) === 0) throw new AppError('not_found', 'There is no such alert.')
}

/** One audit event per alert, so that an alert's history can be found by its id; one for an attempt that changed none. */
function changed(ctx: TenantCtx, action: string, ids: readonly string[], facts: Readonly<Record<string, unknown>>) {
  for (const id of ids) ctx.record({ action, target: { kind: 'alert', id }, facts })
  if (ids.length === 0) ctx.record({ action, facts: { ...facts, changed: 0 } })
  else ctx.live('alerts')
  return { changed: ids.length }
}
