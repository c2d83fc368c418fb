import {
  blindIndex,
  type DataKey,
  deriveIndexKey,
  NIL_ORGANIZATION,
  SecretBytes,
  sealField,
  UseCounter,
} from '@redoubt/trust'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { knownForMs } from '../../platform/data-keys.ts'
import { encryptedColumns } from '../../platform/encrypted-columns.ts'
import { contextMs } from '../../platform/tenant-tx.ts'
import {
  columnsUnder,
  dataKeyRule,
  isDue,
  nextVersion,
  olderThan,
  partingMs,
  reencryptionOf,
  rotatedClasses,
  type StoredVersion,
  settlingMs,
} from './rotation.ts'

const start = new Date('2026-01-01T00:00:00Z')
const after = (ms: number) => new Date(start.getTime() + ms)
const day = 24 * 3_600_000
const version = (number: number, more: Partial<StoredVersion> = {}): StoredVersion => ({
  version: number,
  createdAt: start,
  activeAt: start,
  endsAt: null,
  kek: 1,
  uses: 0,
  ...more,
})

describe('a data key is due for its next version', () => {
  it('after 90 days, and not before', () => {
    expect(isDue([version(1)], after(90 * day - 1))).toBe(false)
    expect(isDue([version(1)], after(90 * day))).toBe(true)
  })
  it('well before it has sealed 2^32 values, and stays usable until the next one seals', async () => {
    expect(isDue([version(1, { uses: 2 ** 31 - 1 })], start)).toBe(false)
    expect(isDue([version(1, { uses: 2 ** 31 })], start)).toBe(true)
    const counter = new UseCounter(async () => 2 ** 31 + 65_536)
    await expect(counter.take()).resolves.toBeUndefined()
  })
  it('by its newest version alone: what the older ones sealed is on its way out', () => {
    const line = [version(1, { uses: 2 ** 31 }), version(2, { createdAt: after(89 * day) })]
    expect(isDue(line, after(100 * day))).toBe(false)
  })
})

test('a new version is published for longer than any service goes by what it knows', () => {
  const next = nextVersion([version(3), version(1)], start)
  expect(next.version).toBe(4)
  expect(next.activeAt.getTime() - start.getTime()).toBeGreaterThan(knownForMs)
  expect(dataKeyRule.leadMs).toBeGreaterThan(knownForMs)
  expect(partingMs).toBeGreaterThan(knownForMs)
})

describe('values are sealed anew', () => {
  const line = [version(1), version(2, { activeAt: after(dataKeyRule.leadMs) })]
  const settled = dataKeyRule.leadMs + settlingMs

  it('only when nobody can write under an older version any more', () => {
    expect(reencryptionOf(line, start)).toBeNull()
    expect(reencryptionOf(line, after(settled - 1))).toBeNull()
    expect(reencryptionOf(line, after(settled))).toEqual({ target: 2, older: [1] })
  })
  it('later than the longest transaction that sealed just before the turn can commit', () => {
    expect(settlingMs).toBeGreaterThan(contextMs)
  })
  it('not again for versions whose end is decided', () => {
    expect(reencryptionOf([version(1, { endsAt: after(2 * settled) }), ...line.slice(1)], after(settled))).toBeNull()
  })
  it('under the version that seals, never under one that is still pending', () => {
    const pending = version(3, { activeAt: after(10 * day) })
    expect(reencryptionOf([...line, pending], after(settled))).toEqual({ target: 2, older: [1] })
  })
})

describe('what is left to seal anew is found by range', () => {
  const place = { organizationId: NIL_ORGANIZATION, table: 'users', column: 'email', row: 'r' }
  const keyOf = (number: number): DataKey => ({
    organizationId: NIL_ORGANIZATION,
    dataClass: 'pii',
    version: number,
    key: new SecretBytes(Buffer.alloc(32, 7)),
  })
  const versions = fc.integer({ min: 1, max: 2 ** 32 - 1 })

  it('for sealed values: those of older versions sort below, all others do not', () => {
    fc.assert(
      fc.property(versions, versions, fc.string({ unit: 'grapheme' }), (sealedUnder, target, text) => {
        const sealed = sealField(keyOf(sealedUnder), place, text)
        expect(Buffer.compare(sealed, olderThan('pii', target)) < 0).toBe(sealedUnder < target)
      }),
    )
  })
  it('for indexes: those of older versions sort below, all others do not', () => {
    const key = deriveIndexKey(new SecretBytes(Buffer.alloc(32, 9)), place)
    fc.assert(
      fc.property(versions, versions, fc.string({ minLength: 1 }), (madeUnder, target, text) => {
        const label = Buffer.alloc(4)
        label.writeUInt32BE(madeUnder)
        const index = Buffer.concat([label, blindIndex(key, text)])
        expect(Buffer.compare(index, olderThan('index', target)) < 0).toBe(madeUnder < target)
      }),
    )
  })
})

test('every encrypted column and every index is found under exactly one class and owner', () => {
  const found = rotatedClasses.flatMap((dataClass) =>
    [true, false].flatMap((isInstallation) =>
      columnsUnder(dataClass, isInstallation).map(({ table, bytes }) => `${table}.${bytes}`),
    ),
  )
  const declared = encryptedColumns.flatMap(({ table, sealed, index }) => [
    `${table}.${sealed}`,
    ...(index === null ? [] : [`${table}.${index}`]),
  ])
  expect(found.sort()).toEqual(declared.sort())
})
