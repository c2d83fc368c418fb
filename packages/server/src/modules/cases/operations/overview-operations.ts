import type { contract, Phase } from '@redoubt/contract'
import type { Handlers } from '../../../platform/operation.ts'
import { severityOf } from '../../../platform/severity.ts'
import { caseToRead } from '../reach.ts'
import { countOpen, listResponses, listSimilar, listUnanswered } from '../store/figures.ts'
import { summaryOf } from '../view.ts'

const day = 86_400_000

/** What cases look like together; everything over the cases this person may see. */
export const overviewOperations: Pick<Handlers<typeof contract.cases>, 'similar' | 'figures'> = {
  async similar(ctx, { id }) {
    await caseToRead(ctx, id)
    const found = await listSimilar(ctx.tx, id, 10)
    return { items: found.map((each) => ({ case: summaryOf(each.case), shared: each.shared })) }
  },

  async figures(ctx) {
    const open = await countOpen(ctx.tx)
    const unanswered = await listUnanswered(ctx.tx, 10)
    const responses = await listResponses(ctx.tx, new Date(ctx.now.getTime() - 30 * day), 500)
    return {
      open: open.map(({ phase, severity, count }) => ({
        phase: phase as Phase,
        severity: severityOf(severity),
        count,
      })),
      dueSoon: unanswered.map(summaryOf),
      breached: open.reduce((sum, { breached }) => sum + breached, 0),
      responseMinutes: responses.map(({ severity, openedAt, respondedAt, dueAt }) => ({
        severity: severityOf(severity),
        minutes: (respondedAt.getTime() - openedAt.getTime()) / 60_000,
        withinSla: dueAt === null || respondedAt <= dueAt,
      })),
    }
  },
}
