import { activeVersion, type DataClass, isRotationDue, type KeyVersion, needsRotation } from '@redoubt/trust'
import { knownForMs } from '../../platform/data-keys.ts'
import { type EncryptedColumn, encryptedColumns } from '../../platform/encrypted-columns.ts'
import { contextMs } from '../../platform/tenant-tx.ts'

const minute = 60_000
const day = 24 * 3_600_000

/**
 * When data keys rotate (KEY-4). The lead is longer than any service goes by what it knows, so that all of them have a
 * new version before one of them seals with it.
 */
export const dataKeyRule = { periodMs: 90 * day, leadMs: 2 * minute, outlivesMs: null } as const

/**
 * After the activation of a version, how long a value may still be written under the one before: sealed at the last
 * moment in a transaction that lasts as long as its context does, and as much again for clocks that differ.
 */
export const settlingMs = 2 * contextMs

/** How long a version is kept that no row names any more: for who has read a value just before it was sealed anew. */
export const partingMs = 2 * knownForMs

/** A version as the database has it. */
export type StoredVersion = KeyVersion & { readonly kek: number; readonly uses: number }

/** Whether an organization and class is to get a new version: by age, or by what its newest one has sealed (KEY-2). */
export function isDue(line: readonly StoredVersion[], now: Date): boolean {
  const newest = line.reduce<StoredVersion | null>((a, b) => (a === null || b.version > a.version ? b : a), null)
  return newest !== null && (isRotationDue(line, dataKeyRule, now) || needsRotation(newest.uses))
}

/** The version that follows; published now, sealing after the lead. */
export function nextVersion(line: readonly KeyVersion[], now: Date) {
  const version = Math.max(0, ...line.map((each) => each.version)) + 1
  return { version, createdAt: now, activeAt: new Date(now.getTime() + dataKeyRule.leadMs) }
}

/** What is left to do for an organization and class: bring all values under `target`, then end `older`. */
export type Reencryption = { readonly target: number; readonly older: readonly number[] }

/** Null when nothing is left, and while values may still be written under an older version. */
export function reencryptionOf(line: readonly KeyVersion[], now: Date): Reencryption | null {
  const active = activeVersion(line, now)
  if (!active || now.getTime() < active.activeAt.getTime() + settlingMs) return null
  const older = line.filter(({ version, endsAt }) => version < active.version && endsAt === null)
  return older.length === 0 ? null : { target: active.version, older: older.map(({ version }) => version) }
}

/** Classes that rotate: those whose values the registry can find. A version of any other must never end. */
export const rotatedClasses: readonly DataClass[] = [
  ...new Set(encryptedColumns.map(({ dataClass }) => dataClass)),
  'index',
]

/** What a data key's values lie in: sealed columns, or for the class `index` the columns of indexes. */
export type KeyedColumn = EncryptedColumn & { readonly bytes: string }

/** @param isInstallation whether the key is the installation's and no organization's */
export function columnsUnder(dataClass: DataClass, isInstallation: boolean): readonly KeyedColumn[] {
  return encryptedColumns
    .filter(({ scope }) => (scope === 'installation') === isInstallation)
    .flatMap((column) => {
      if (dataClass === 'index') return column.index === null ? [] : [{ ...column, bytes: column.index }]
      return column.dataClass === dataClass ? [{ ...column, bytes: column.sealed }] : []
    })
}

/**
 * What sorts above every value under a version older than this, and not above those under it or newer: both forms begin
 * with the version, a sealed value after its format (`field-sealing.ts`), an index at once (`fields.ts`).
 */
export function olderThan(dataClass: DataClass, version: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(version)
  return dataClass === 'index' ? bytes : Buffer.concat([Buffer.of(1), bytes])
}
