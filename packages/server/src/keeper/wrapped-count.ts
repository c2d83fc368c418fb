import type { Database } from '../platform/database.ts'

/** How many data keys of the database are wrapped by a KEK older than the given one; asked with the keeper's own role. */
export type WrappedCount = (below: number) => Promise<number>

export const wrappedCount =
  ({ pool }: Database): WrappedCount =>
  async (below) => {
    const { rows } = await pool.query<{ count: number }>('select count(*) from data_keys where kek < $1', [below])
    return Number(rows[0]?.count ?? Number.POSITIVE_INFINITY)
  }
