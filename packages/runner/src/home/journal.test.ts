import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Plan } from '@redoubt/contract'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Journal } from './journal.ts'

const day = 24 * 60 * 60 * 1000

describe('the journal', () => {
  let home: string
  let journal: Journal
  const now = new Date('2026-01-31T10:00:00Z')
  const later = (ms: number) => new Date(now.getTime() + ms)
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'redoubt-journal-'))
    journal = new Journal(home)
  })
  afterEach(() => {
    journal.close()
    rmSync(home, { recursive: true })
  })

  const plan = (): Plan =>
    Plan.parse({
      format: 'redoubt.plan/v1',
      planId: randomUUID(),
      runId: randomUUID(),
      organizationId: randomUUID(),
      runnerId: randomUUID(),
      playbook: { id: randomUUID(), version: 1, sha256: 'a'.repeat(64) },
      caseId: null,
      tlp: 'AMBER',
      issuedAt: now.toISOString(),
      inputs: { case: null, observables: [] },
      egress: [],
      steps: [{ id: 'tell', type: 'case.comment', text: 'x' }],
      approvals: [],
    })
  const accept = (taken: Plan, at = now) =>
    journal.accept(taken, { jti: taken.planId, expiresAt: new Date(at.getTime() + 300_000) }, at)
  const again = (taken: Plan): Plan => ({ ...taken, planId: randomUUID() })

  it('never starts a run a second time, however long ago it ended', () => {
    const taken = plan()
    accept(taken)
    journal.recordEnd(taken.runId, 'succeeded', undefined, [], now)
    journal.prune(later(4000 * day))
    expect(journal.steps(taken.runId).size).toBe(0)
    expect(() => accept(again(taken), later(4000 * day))).toThrow('finished')
  })

  it('keeps a run that waits for as long as it waits', () => {
    const taken = plan()
    accept(taken)
    journal.recordEnd(taken.runId, 'waiting', { stepId: 'tell', prompt: 'x' }, [], now)
    journal.prune(later(4000 * day))
    accept(again(taken), later(4000 * day))
    expect(journal.unfinished().map((one) => one.runId)).toEqual([taken.runId])
  })

  it('refuses a token for at least as long as it could be valid, and then forgets it', () => {
    const taken = plan()
    accept(taken)
    journal.prune(later(300_000 + day))
    expect(() => accept(taken)).toThrow('received before')
    journal.prune(later(300_001 + day))
    expect(() => accept(taken)).toThrow('in progress')
  })

  it('hands reports out in the order of their run, and another run is not held up', () => {
    const [first, second] = [plan(), plan()]
    accept(first)
    journal.recordEnd(first.runId, 'succeeded', undefined, [], now)
    accept(second)
    const report = journal.dueReport(now)
    expect(report?.report).toMatchObject({ runId: first.runId, sequence: 1 })
    journal.postponeReport(report?.id ?? 0, later(1000))
    expect(journal.dueReport(now)?.report.runId).toBe(second.runId)
    expect(journal.dueReport(later(1000))?.report).toMatchObject({ runId: first.runId, sequence: 1 })
    journal.removeReport(report?.id ?? 0)
    expect(journal.dueReport(now)?.report).toMatchObject({ runId: first.runId, sequence: 2 })
  })

  it('forgets the outputs of a run with its end', () => {
    const taken = plan()
    accept(taken)
    const step = { stepId: 'tell', type: 'case.comment', status: 'succeeded', summary: '', outputSha256: null } as const
    const record = { ...step, startedAt: now.toISOString(), endedAt: now.toISOString(), output: { who: 'anna' } }
    journal.recordSteps(taken.runId, [record], now)
    expect(journal.steps(taken.runId).get('tell')).toMatchObject({ output: { who: 'anna' } })
    journal.recordEnd(taken.runId, 'succeeded', undefined, [], now)
    expect(journal.steps(taken.runId).get('tell')).not.toHaveProperty('output')
  })

  it('is open to one process alone', () => {
    expect(() => new Journal(home)).toThrow('locked')
  })
})
