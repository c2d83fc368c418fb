import type { DataClass } from '@redoubt/trust'
import type { Kysely } from 'kysely'
import type { Schema } from '../../platform/schema.ts'

export type KeyWork = {
  readonly kind: 'rewrap' | 'reencrypt'
  readonly organizationId: string
  readonly dataClass: DataClass | null
  /** That all is brought under. */
  readonly version: number
}

/**
 * The row that shows how far this work has come. One that a killed process left is gone on with: what it had done stays
 * counted, and what is left is counted anew. @returns its id
 */
export async function beginProgress(db: Kysely<Schema>, work: KeyWork, left: number, now: Date): Promise<string> {
  const { id } = await db
    .insertInto('key_jobs')
    .values({
      kind: work.kind,
      organization_id: work.organizationId,
      data_class: work.dataClass,
      version: work.version,
      total: left,
      started_at: now,
      ended_at: null,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['kind', 'organization_id', 'data_class'])
        .where('ended_at', 'is', null)
        .doUpdateSet((eb) => ({ version: work.version, total: eb('key_jobs.done', '+', left), damaged: 0 })),
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

export async function addProgress(db: Kysely<Schema>, id: string, done: number, damaged: number): Promise<void> {
  await db
    .updateTable('key_jobs')
    .set((eb) => ({ done: eb('done', '+', done), damaged: eb('damaged', '+', damaged) }))
    .where('id', '=', id)
    .execute()
}

export async function endProgress(db: Kysely<Schema>, id: string, state: 'done' | 'failed', now: Date): Promise<void> {
  await db.updateTable('key_jobs').set({ state, ended_at: now }).where('id', '=', id).execute()
}
