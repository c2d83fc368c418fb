import { type Phase, phases } from '@redoubt/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextPhases, type PhaseFacts, refusals } from './phases.ts'

const ready: PhaseFacts = {
  phase: 'detection',
  ownerId: 'ada',
  resolution: 'Cleaned.',
  openTasks: 0,
  activeRuns: 0,
  merged: false,
}
const at = (phase: Phase, facts: Partial<PhaseFacts> = {}): PhaseFacts => ({ ...ready, ...facts, phase })

const phase = fc.constantFrom(...phases)
const facts: fc.Arbitrary<PhaseFacts> = fc.record({
  phase,
  ownerId: fc.option(fc.constant('ada')),
  resolution: fc.option(fc.constantFrom('', '  ', 'A false positive.')),
  openTasks: fc.nat(2),
  activeRuns: fc.nat(2),
  merged: fc.boolean(),
})

describe('the phases of a case', () => {
  test.each([
    ['detection', ['triage']],
    ['triage', ['containment', 'closed']],
    ['containment', ['triage', 'eradication']],
    ['eradication', ['containment', 'recovery']],
    ['recovery', ['containment', 'post-incident-review']],
    ['post-incident-review', ['recovery', 'closed']],
    ['closed', ['triage']],
  ] as const)('%s leads to %j and nowhere else', (from, exits) => {
    expect(nextPhases(at(from)).map((next) => next.phase)).toEqual(exits)
    for (const to of phases) expect(refusals(at(from), to).length === 0).toBe((exits as readonly Phase[]).includes(to))
  })

  test('leaving triage asks for an owner, whichever way', () => {
    for (const to of ['containment', 'closed'] as const) {
      expect(refusals(at('triage', { ownerId: null }), to)).toEqual(['Give the case an owner.'])
    }
  })

  test('closing asks for a resolution, no open task and no active run, each in a sentence', () => {
    expect(refusals(at('post-incident-review', { resolution: ' ', openTasks: 2, activeRuns: 1 }), 'closed')).toEqual([
      'Write the resolution.',
      'Finish or cancel the 2 open tasks.',
      'Wait for the active run to end, or cancel it.',
    ])
    expect(refusals(at('triage', { resolution: null }), 'closed')).toEqual([
      'Write why this was no incident, as its resolution.',
    ])
  })

  test('going back asks for nothing', () => {
    const bare = { ownerId: null, resolution: null, openTasks: 3, activeRuns: 2 }
    expect(refusals(at('closed', bare), 'triage')).toEqual([])
    expect(refusals(at('containment', bare), 'triage')).toEqual([])
    expect(refusals(at('post-incident-review', bare), 'recovery')).toEqual([])
  })

  test('a merged case goes nowhere', () => {
    fc.assert(
      fc.property(facts, phase, (given, to) => {
        expect(nextPhases({ ...given, merged: true })).toEqual([])
        expect(refusals({ ...given, merged: true }, to)).not.toEqual([])
      }),
    )
  })

  test('what may happen is what is offered with nothing missing', () => {
    fc.assert(
      fc.property(facts, phase, (given, to) => {
        const offered = nextPhases(given).some((next) => next.phase === to && next.missing.length === 0)
        expect(refusals(given, to).length === 0).toBe(offered)
      }),
    )
  })

  test('on no walk is a case closed without a resolution, worked on without an owner, or stuck', () => {
    const step = fc.record({
      to: phase,
      ownerId: fc.option(fc.constant('ada')),
      resolution: fc.option(fc.constantFrom('', 'Done.')),
      openTasks: fc.nat(1),
      activeRuns: fc.nat(1),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now: PhaseFacts = { ...ready, ownerId: null, resolution: null }
        for (const { to, ...change } of steps) {
          const before = { ...now, ...change }
          const moved = refusals(before, to).length === 0
          now = moved ? { ...before, phase: to } : before
          if (moved && to === 'closed') {
            expect(before.resolution?.trim()).toBeTruthy()
            expect(before.openTasks + before.activeRuns).toBe(0)
          }
          if (moved && before.phase === 'triage') expect(before.ownerId).not.toBeNull()
          // From wherever the walk led, a case that has everything can go on.
          expect(nextPhases({ ...ready, phase: now.phase }).every((next) => next.missing.length === 0)).toBe(true)
        }
      }),
    )
  })
})
