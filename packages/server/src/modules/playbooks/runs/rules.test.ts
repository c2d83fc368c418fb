import { randomUUID } from 'node:crypto'
import { type RunReport, runStates, runStatuses, type StepReport, tlps } from '@redoubt/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  effectOf,
  isUnfinished,
  lostFrom,
  newComments,
  type ReportedRun,
  refusalOfCancel,
  refusalOfStart,
  silenceMs,
} from './rules.ts'

const now = new Date('2026-03-01T12:00:00Z')
const runOf = (over: Partial<ReportedRun> = {}): ReportedRun => ({
  state: 'sent',
  reportSequence: 3,
  waiting: null,
  roles: new Map([['ok', 'moderator']]),
  approved: new Set(),
  ...over,
})
const step = (stepId: string, status: StepReport['status'], over: Partial<StepReport> = {}): StepReport => ({
  stepId,
  type: 'transform',
  status,
  startedAt: now.toISOString(),
  endedAt: null,
  summary: '',
  outputSha256: null,
  ...over,
})
const reportOf = (over: Partial<RunReport> = {}): RunReport => ({
  runId: randomUUID() as RunReport['runId'],
  planId: randomUUID(),
  sequence: 4,
  status: 'running',
  steps: [],
  ...over,
})
const waitingFor = { stepId: 'ok', prompt: 'Block it?' }

describe('a report', () => {
  it('that is not newer than the last one changes nothing, whatever it says and whatever the state', () => {
    const older = fc.record({
      state: fc.constantFrom(...runStates),
      reportSequence: fc.integer({ min: 1, max: 1000 }),
      back: fc.nat(500),
      status: fc.constantFrom(...runStatuses),
    })
    fc.assert(
      fc.property(older, ({ state, reportSequence, back, status }) => {
        const sequence = Math.max(1, reportSequence - back)
        expect(effectOf(runOf({ state, reportSequence }), reportOf({ sequence, status }), now).kind).toBe('known')
      }),
    )
  })

  it('never brings an ended run back', () => {
    const ended = fc.constantFrom(...runStates.filter((state) => !isUnfinished(state)))
    fc.assert(
      fc.property(ended, fc.constantFrom(...runStatuses), (state, status) => {
        expect(effectOf(runOf({ state }), reportOf({ status, waitingFor }), now).kind).toBe('late')
      }),
    )
  })

  it('moves the run on, and an interrupted one has failed with its step and reason', () => {
    expect(effectOf(runOf(), reportOf(), now)).toMatchObject({ kind: 'taken', state: 'running' })
    expect(effectOf(runOf(), reportOf({ status: 'succeeded' }), now)).toMatchObject({ state: 'succeeded' })
    const error = { code: 'outcome_unknown', message: 'whether the target acted on it is unknown' }
    const interrupted = reportOf({ status: 'interrupted', steps: [step('block', 'interrupted', { error })] })
    expect(effectOf(runOf(), interrupted, now)).toMatchObject({
      state: 'failed',
      failure: 'Step block: whether the target acted on it is unknown (outcome_unknown)',
    })
  })

  it('that waits takes the role from the playbook, and is refused at any other step', () => {
    const effect = effectOf(runOf(), reportOf({ status: 'waiting', waitingFor }), now)
    expect(effect).toMatchObject({
      state: 'waiting',
      waiting: { ...waitingFor, role: 'moderator', since: now.toISOString() },
    })
    for (const wrong of [undefined, { stepId: 'other', prompt: '' }]) {
      const report = reportOf({ status: 'waiting', ...(wrong ? { waitingFor: wrong } : {}) })
      expect(() => effectOf(runOf(), report, now)).toThrow('cannot wait')
    }
    const approved = runOf({ approved: new Set(['ok']) })
    expect(() => effectOf(approved, reportOf({ status: 'waiting', waitingFor }), now)).toThrow('cannot wait')
  })

  it('of a runner that went on without an approval fails the run', () => {
    const passed = reportOf({ status: 'succeeded', steps: [step('ok', 'succeeded', { type: 'wait-for-approval' })] })
    expect(effectOf(runOf(), passed, now)).toMatchObject({ state: 'failed', waiting: null })
    expect(effectOf(runOf({ approved: new Set(['ok']) }), passed, now)).toMatchObject({ state: 'succeeded' })
    const waiting = { ...waitingFor, role: 'moderator' as const, since: now.toISOString() }
    for (const status of ['running', 'succeeded', 'failed'] as const) {
      const effect = effectOf(runOf({ state: 'waiting', waiting }), reportOf({ status }), now)
      expect(effect).toMatchObject({ state: 'failed', failure: expect.stringContaining('nobody had approved ok') })
    }
  })

  it('tells a comment once, however often it is repeated', () => {
    const comment = step('tell', 'succeeded', { comment: 'Blocked.' })
    expect(newComments([], [step('a', 'succeeded'), comment])).toEqual([{ stepId: 'tell', text: 'Blocked.' }])
    expect(newComments([comment], [comment])).toEqual([])
    expect(newComments([comment], [{ ...comment, comment: 'Something else.' }])).toEqual([])
  })
})

describe('a playbook', () => {
  const on = { number: 7, tlp: 'AMBER', closed: false } as const
  const playbook = { name: 'Block', tlp: 'AMBER', archived: false } as const

  it('starts on a case of every marking up to its ceiling and of none above', () => {
    for (const [at, tlp] of tlps.entries()) {
      for (const [above, ceiling] of tlps.entries()) {
        expect(refusalOfStart({ ...playbook, tlp: ceiling }, { ...on, tlp }) === null).toBe(at <= above)
      }
    }
  })

  it('does not start when it is put away or the case is closed', () => {
    expect(refusalOfStart({ ...playbook, archived: true }, on)).toContain('bring it back')
    expect(refusalOfStart(playbook, { ...on, closed: true })).toContain('reopen')
  })
})

describe('a run', () => {
  const at = (ms: number) => new Date(now.getTime() + ms)

  it('is lost only after its plan expired and its runner was silent for ten minutes', () => {
    const times = fc.record({ accepted: fc.option(fc.nat(3_600_000)), reported: fc.option(fc.nat(3_600_000)) })
    fc.assert(
      fc.property(times, ({ accepted, reported }) => {
        const plan = { expiresAt: at(300_000), acceptedAt: accepted === null ? null : at(accepted) }
        const from = lostFrom(plan, reported === null ? null : at(reported)).getTime()
        expect(from).toBeGreaterThanOrEqual(plan.expiresAt.getTime())
        for (const heard of [accepted, reported]) {
          if (heard !== null) expect(from).toBeGreaterThanOrEqual(at(heard + silenceMs).getTime())
        }
      }),
    )
  })

  it('can be cancelled where it waits or is queued, but not while a live plan may be on its way', () => {
    expect(refusalOfCancel('waiting', { expiresAt: at(1) }, now)).toBeNull()
    expect(refusalOfCancel('queued', null, now)).toBeNull()
    expect(refusalOfCancel('queued', { expiresAt: now }, now)).toBeNull()
    expect(refusalOfCancel('queued', { expiresAt: at(1) }, now)).toContain('on its way')
    for (const state of ['sent', 'running', 'succeeded', 'failed', 'rejected', 'cancelled'] as const) {
      expect(refusalOfCancel(state, null, now)).not.toBeNull()
    }
  })
})
