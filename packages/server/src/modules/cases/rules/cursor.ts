import { AppError } from '../../../platform/app-error.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The id a page ended with. @throws AppError bad_request when the cursor is none of ours */
export function idOfCursor(cursor: string | undefined): string | null {
  if (cursor === undefined) return null
  if (uuid.test(cursor)) return cursor
  throw new AppError('bad_request', 'This cursor is not one of ours: pass `next` of the page before, or none.', {
    fields: [{ path: 'cursor', message: 'must be `next` of the page before' }],
  })
}

/** One page out of `limit + 1` rows. */
export function pageOf<T extends { readonly id: string }>(
  rows: readonly T[],
  limit: number,
): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
}
