import { type DataClass, NIL_ORGANIZATION, normalEmail, TrustError } from '@redoubt/trust'
import type { Kysely } from 'kysely'
import type { Database } from '../../platform/database.ts'
import { indexOf, placeOf } from '../../platform/encrypted-columns.ts'
import type { Fields } from '../../platform/fields.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Schema } from '../../platform/schema.ts'
import { endVersions, inScope, readLine } from './key-store.ts'
import { addProgress, beginProgress, endProgress } from './progress-store.ts'
import { type KeyedColumn, partingMs, reencryptionOf, rotatedClasses } from './rotation.ts'
import { countAllOlder, type KeyedValue, type Older, olderValues, readOlder, replaceValues } from './value-store.ts'

const batchSize = 500

export type Reencrypted = { readonly version: number; readonly done: number; readonly damaged: number }

/**
 * Brings every value of an organization and class under its newest key, and decides the end of the older ones. Each batch
 * commits with its progress; killed at any point it goes on with what is left. Whoever writes at the same time writes
 * under the new key already, and wins.
 * @param organizationId the nil UUID for the installation's
 * @returns null when there is nothing to do yet
 */
export async function reencrypt(
  kernel: Pick<Kernel, 'fields' | 'clock' | 'log'>,
  database: Database,
  scope: { readonly organizationId: string; readonly dataClass: DataClass },
): Promise<Reencrypted | null> {
  const { fields, clock, log } = kernel
  const { organizationId, dataClass } = scope
  if (!rotatedClasses.includes(dataClass)) throw new Error(`nothing is known that is sealed under ${dataClass}`)
  const inside = <T>(use: (db: Kysely<Schema>) => Promise<T>) => inScope(database, organizationId, use)

  const work = reencryptionOf(await inside((db) => readLine(db, scope)), clock.now())
  if (!work) return null
  const all = olderValues(organizationId, dataClass, work.target)
  const left = (db: Kysely<Schema>) => countAllOlder(db, all)
  const id = await inside(async (db) =>
    beginProgress(db, { kind: 'reencrypt', ...scope, version: work.target }, await left(db), clock.now()),
  )

  let done = 0
  let damaged = 0
  for (const older of all) {
    for (let after = NIL_ORGANIZATION as string; ; ) {
      const last = await inside(async (db) => {
        const values = await readOlder(db, older, after, batchSize)
        if (values.length === 0) return null
        const { renewed, unopened } = await renew(fields, older, values)
        const replaced = await replaceValues(db, older, renewed)
        await addProgress(db, id, replaced, unopened.length)
        for (const row of unopened)
          log.error({ table: older.column.table, column: older.column.column, row }, 'a sealed value does not open')
        done += replaced
        damaged += unopened.length
        return values.at(-1)?.id ?? null
      })
      if (last === null) break
      after = last
    }
  }

  await inside(async (db) => {
    // Read again rather than concluded: a key that ends while one row still names it takes the value along.
    const isDone = (await left(db)) === 0
    if (isDone) await endVersions(db, scope, work.older, new Date(clock.now().getTime() + partingMs))
    await endProgress(db, id, isDone ? 'done' : 'failed', clock.now())
  })
  return { version: work.target, done, damaged }
}

type Renewed = { readonly id: string; readonly before: Buffer; readonly after: Buffer }

/** The values under the active key; those that do not open are left as they are. */
async function renew(
  fields: Fields,
  { column, organizationId }: Older,
  values: readonly KeyedValue[],
): Promise<{ renewed: Renewed[]; unopened: string[] }> {
  const opened = await openEach(fields, column, organizationId, values)
  const whole = opened.flatMap(({ value, text }) => (text === null ? [] : [{ value, text }]))
  const fresh = await renewedBytes(fields, column, organizationId, whole)
  return {
    renewed: whole.map(({ value }, at) => ({ id: value.id, before: value.bytes, after: fresh[at] as Buffer })),
    unopened: opened.filter(({ text }) => text === null).map(({ value }) => value.id),
  }
}

async function renewedBytes(
  fields: Fields,
  column: KeyedColumn,
  organizationId: string,
  values: readonly { readonly value: KeyedValue; readonly text: string }[],
): Promise<Buffer[]> {
  if (values.length === 0) return []
  if (column.bytes === column.index) {
    // Only e-mail addresses have an index so far.
    const normals = values.map(({ text }) => normalEmail(text))
    return (await fields.indexMany(indexOf(column, organizationId), normals)).map(({ write }) => write)
  }
  return fields.sealMany(
    organizationId,
    column.dataClass,
    values.map(({ value, text }) => ({ place: placeOf(column, organizationId, value.id), value: text })),
  )
}

async function openEach(
  fields: Fields,
  column: KeyedColumn,
  organizationId: string,
  values: readonly KeyedValue[],
): Promise<{ value: KeyedValue; text: string | null }[]> {
  const sealed = values.map((value) => ({ place: placeOf(column, organizationId, value.id), sealed: value.sealed }))
  try {
    const texts = await fields.openMany(organizationId, column.dataClass, sealed)
    return values.map((value, at) => ({ value, text: texts[at] as string }))
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  // One of them is damaged; the others are not to wait for it.
  return Promise.all(
    sealed.map(async ({ place, sealed: bytes }, at) => ({
      value: values[at] as KeyedValue,
      text: await fields.open(place, bytes).catch((error: unknown) => {
        if (isDamage(error)) return null
        throw error
      }),
    })),
  )
}

/** Altered, moved, or under a key that was never there: asking again changes nothing. */
const isDamage = (error: unknown): boolean =>
  error instanceof TrustError && ['sealed_data', 'sealed_key_unknown', 'encoding'].includes(error.code)
