import type { contract } from '@redoubt/contract'
import { AppError } from '../../../platform/app-error.ts'
import type { Handlers } from '../../../platform/operation.ts'
import { extractObservables } from '../../alerts/index.ts'
import { caseToChange, caseToRead } from '../reach.ts'
import { idOfCursor, pageOf } from '../rules/cursor.ts'
import { findObservable, insertObservables, listObservables, setVerdict } from '../store/observables.ts'
import { trace } from '../trace.ts'

/** The observables of a case and their verdicts. */
export const observableOperations: Pick<
  Handlers<typeof contract.cases>,
  'observables' | 'addObservable' | 'setVerdict'
> = {
  async observables(ctx, { id, cursor, limit }) {
    await caseToRead(ctx, id)
    return pageOf(await listObservables(ctx.tx, id, idOfCursor(cursor), limit + 1), limit)
  },

  async addObservable(ctx, { id, text }) {
    await caseToChange(ctx, id, 'case:edit')
    const found = extractObservables(text).map(({ type, value, internal }) => ({
      type,
      value,
      internal: internal ?? false,
    }))
    if (found.length === 0) {
      throw new AppError(
        'unprocessable',
        'No observable was found in this text: give an address, a domain, a URL, an e-mail address, a hash or the like.',
        {
          fields: [{ path: 'text', message: 'names no observable' }],
        },
      )
    }
    const added = await insertObservables(ctx.tx, id, found)
    const facts = { observableIds: added.map((each) => each.id), types: [...new Set(added.map(({ type }) => type))] }
    if (added.length === 0) {
      ctx.record({ action: 'case.observables-added', target: { kind: 'case', id }, facts })
      return { added }
    }
    const values = added.slice(0, 5).map(({ value }) => value)
    const more = added.length > values.length ? ` and ${added.length - values.length} more` : ''
    await trace(
      ctx,
      id,
      { kind: 'observable', text: `added ${values.join(', ').slice(0, 2000)}${more}`, facts },
      { action: 'case.observables-added', facts },
    )
    return { added }
  },

  async setVerdict(ctx, { id, observableId, verdict }) {
    await caseToChange(ctx, id, 'case:edit')
    const before = await findObservable(ctx.tx, id, observableId)
    if (!before) throw new AppError('not_found', 'There is no such observable in this case.')
    const facts = { observableId, type: before.type, from: before.verdict, to: verdict }
    if (verdict === before.verdict) {
      ctx.record({ action: 'case.verdict-set', target: { kind: 'case', id }, facts })
      return before
    }
    await setVerdict(ctx.tx, id, observableId, verdict)
    await trace(
      ctx,
      id,
      { kind: 'observable', text: `judged ${before.value.slice(0, 500)} ${verdict}`, facts },
      { action: 'case.verdict-set', facts },
    )
    return { ...before, verdict }
  },
}
