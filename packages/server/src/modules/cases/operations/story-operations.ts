import type { contract } from '@redoubt/contract'
import type { Handlers } from '../../../platform/operation.ts'
import { caseToChange, caseToRead } from '../reach.ts'
import { idOfCursor, pageOf } from '../rules/cursor.ts'
import { listEntries } from '../store/timeline.ts'
import { trace } from '../trace.ts'

/** What happened in a case, and what people say about it. */
export const storyOperations: Pick<Handlers<typeof contract.cases>, 'timeline' | 'comment'> = {
  async timeline(ctx, { id, kind, cursor, limit }) {
    await caseToRead(ctx, id)
    return pageOf(await listEntries(ctx.tx, id, kind, idOfCursor(cursor), limit + 1), limit)
  },

  async comment(ctx, { id, text }) {
    await caseToChange(ctx, id, 'case:comment')
    const entryId = await trace(
      ctx,
      id,
      { kind: 'comment', text },
      { action: 'case.commented', facts: { length: text.length } },
    )
    const [entry] = await listEntries(ctx.tx, id, ['comment'], null, 1)
    if (entry?.id !== entryId) throw new Error('the comment just written is not the newest')
    return entry
  },
}
