import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  acceptedVersions,
  activeVersion,
  isRotationDue,
  type KeyVersion,
  keyStateAt,
  type RotationRule,
  rotateLine,
} from './key-line.ts'

const rule: RotationRule = { periodMs: 1000, leadMs: 20, outlivesMs: 50 }
const at = (ms: number) => new Date(1_800_000_000_000 + ms)
const rotate = (line: readonly KeyVersion[], ms: number, by = rule) => rotateLine(line, by, at(ms), (times) => times)
const statesAt = (line: readonly KeyVersion[], ms: number) =>
  line.map((version) => `${version.version} ${keyStateAt(line, version, at(ms))}`)

describe('a line of keys', () => {
  test('goes through its states at the times that were decided when it was rotated', () => {
    const line = rotate(rotate([], 0), 1000)
    expect(statesAt(line, 1000)).toEqual(['1 active', '2 pending'])
    expect(statesAt(line, 1019)).toEqual(['1 active', '2 pending'])
    expect(statesAt(line, 1020)).toEqual(['1 retiring', '2 active'])
    expect(statesAt(line, 1069)).toEqual(['1 retiring', '2 active'])
    expect(statesAt(line, 1070)).toEqual(['1 ended', '2 active'])
    expect(rotate(line, 1070).map(({ version }) => version)).toEqual([2, 3])
  })

  test('is due when its newest version is old enough, and not while that is pending', () => {
    const line = rotate([], 0)
    expect([0, 999, 1000].map((ms) => isRotationDue(line, rule, at(ms)))).toEqual([false, false, true])
    expect(isRotationDue(rotate(line, 1000), rule, at(1000))).toBe(false)
    expect(isRotationDue([], rule, at(0))).toBe(true)
  })

  test('a key whose work counts for ever is never ended', () => {
    const forEver = { ...rule, outlivesMs: null }
    const line = rotate(rotate(rotate([], 0, forEver), 1000, forEver), 2000, forEver)
    expect(statesAt(line, 1e9)).toEqual(['1 retiring', '2 retiring', '3 active'])
  })

  test('an empty line has no active version', () => {
    expect(activeVersion([], at(0))).toBeNull()
  })

  test('a line whose every version has ended has no active version', () => {
    const over = rotate([], 0).map((version) => ({ ...version, endsAt: at(10) }))
    expect(activeVersion(over, at(10))).toBeNull()
    expect(acceptedVersions(over, at(10))).toEqual([])
  })
})

/* Rules and histories of all kinds; small numbers, so that times often coincide. */
const rules = fc.record({
  periodMs: fc.integer({ min: 1, max: 100 }),
  leadMs: fc.nat(30),
  outlivesMs: fc.option(fc.nat(60)),
})
const history = (least: number) =>
  fc.array(fc.record({ passesMs: fc.integer({ min: least, max: 60 }), rotates: fc.boolean() }), { maxLength: 40 })

describe('for every sequence of rotations', () => {
  test('and of clock moves, back as well, exactly one version is active, and it is accepted', () => {
    fc.assert(
      fc.property(rules, history(-60), (rule, steps) => {
        let ms = 0
        let line = rotate([], ms, rule)
        for (const { passesMs, rotates } of steps) {
          ms += passesMs
          if (rotates) line = rotate(line, ms, rule)
          const active = line.filter((version) => keyStateAt(line, version, at(ms)) === 'active')
          expect(active).toHaveLength(1)
          expect(activeVersion(line, at(ms))).toBe(active[0])
          expect(acceptedVersions(line, at(ms))).toContain(active[0])
          expect(activeVersion(line.toReversed(), at(ms))).toBe(active[0])
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('no signature is refused before it ends, and no key signs before it was published for its lead', () => {
    fc.assert(
      fc.property(rules, history(0), (rule, steps) => {
        let ms = 0
        let line = rotate([], ms, rule)
        const signed: { readonly version: number; readonly endsMs: number }[] = []
        const publishedMs = new Map<number, number>()
        for (const { passesMs, rotates } of steps) {
          ms += passesMs
          if (rotates) line = rotate(line, ms, rule)
          const accepted = new Set(acceptedVersions(line, at(ms)).map(({ version }) => version))
          for (const version of accepted) if (!publishedMs.has(version)) publishedMs.set(version, ms)
          for (const signature of signed) if (ms < signature.endsMs) expect(accepted).toContain(signature.version)
          const active = activeVersion(line, at(ms)) as KeyVersion
          if (active.version > 1)
            expect(ms - (publishedMs.get(active.version) as number)).toBeGreaterThanOrEqual(rule.leadMs)
          signed.push({ version: active.version, endsMs: ms + (rule.outlivesMs ?? Number.POSITIVE_INFINITY) })
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('material that has ended is gone from the line, once ended is ended, and version numbers are never used again', () => {
    fc.assert(
      fc.property(rules, history(0), (rule, steps) => {
        let ms = 0
        let line = rotate([], ms, rule)
        const ended = new Set<number>()
        let highest = 1
        for (const { passesMs, rotates } of steps) {
          ms += passesMs
          for (const version of line) if (keyStateAt(line, version, at(ms)) === 'ended') ended.add(version.version)
          if (rotates) {
            const before = acceptedVersions(line, at(ms)).length
            line = rotate(line, ms, rule)
            expect(line).toHaveLength(before + 1)
            expect(line.at(-1)?.version).toBe(++highest)
            for (const { version } of line) expect(ended.has(version)).toBe(false)
          }
          for (const { version } of acceptedVersions(line, at(ms))) expect(ended.has(version)).toBe(false)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('an end that was decided stays: neither a later rotation nor the clock puts it off', () => {
    fc.assert(
      fc.property(rules, history(-60), (rule, steps) => {
        let ms = 0
        let line = rotate([], ms, rule)
        const ends = new Map<number, Date>()
        for (const { passesMs, rotates } of steps) {
          ms += passesMs
          if (rotates) line = rotate(line, ms, rule)
          for (const { version, endsAt } of line) {
            if (ends.has(version)) expect(endsAt).toEqual(ends.get(version))
            if (endsAt !== null) ends.set(version, endsAt)
          }
        }
      }),
    )
  })

  test('a version is never pending after it was active, nor active again after another took over', () => {
    const order = ['pending', 'active', 'retiring', 'ended']
    fc.assert(
      fc.property(rules, history(0), (rule, steps) => {
        let ms = 0
        let line = rotate([], ms, rule)
        const reached = new Map<number, number>()
        for (const { passesMs, rotates } of steps) {
          ms += passesMs
          if (rotates) line = rotate(line, ms, rule)
          for (const version of line) {
            const state = order.indexOf(keyStateAt(line, version, at(ms)))
            expect(state).toBeGreaterThanOrEqual(reached.get(version.version) ?? 0)
            reached.set(version.version, state)
          }
        }
      }),
    )
  })
})
