import { type Kysely, sql } from 'kysely'
import type { BlindIndexes } from './fields.ts'
import type { Schema } from './schema.ts'

/**
 * Waits until nobody else is about to store the same value; look for it after this, and store it before the transaction
 * ends.
 *
 * A unique index does not do alone: while an index is made anew, the same value has one index under the old secret and
 * another under the new one, and two who store it at once may use one each. All of them take this lock on the oldest
 * version they accept, which is the same for all: a version's end is decided minutes ahead. The newer ones are taken
 * too, for those who look at the moment between two ends; always in the order of versions, so that nobody waits in a
 * circle.
 */
export async function lockBlindIndex(db: Kysely<Schema>, { find }: BlindIndexes): Promise<void> {
  for (const index of find.toReversed()) {
    // Any 64 of its bits: two values that meet by chance wait for each other once.
    await sql`select pg_advisory_xact_lock(${index.readBigInt64BE(index.length - 8).toString()}::bigint)`.execute(db)
  }
}
