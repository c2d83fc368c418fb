import { randomUUID } from 'node:crypto'
import type { CaseId, OrganizationId, PlaybookId, RunId, RunnerId, Tlp } from '@redoubt/contract'
import { canonicalSha256 } from '@redoubt/trust'
import { describe, expect, it } from 'vitest'
import { compilePlaybook, type PlanContext, PlanRefused, planFrom } from './index.ts'

const compiled = compilePlaybook('name: Tell\ntlp: AMBER\nsteps:\n  - { id: tell, type: case.comment, text: done }\n')
const playbook = compiled.ok ? compiled.playbook : expect.fail('does not compile')
const id = <T extends string>() => randomUUID() as string as T

const context = (tlp: Tlp): PlanContext => ({
  planId: randomUUID(),
  runId: id<RunId>(),
  organizationId: id<OrganizationId>(),
  runnerId: id<RunnerId>(),
  playbook: { id: id<PlaybookId>(), version: 3, sha256: 'a'.repeat(64) },
  inputs: {
    case: { id: id<CaseId>(), number: 4, title: 'Beacon', severity: 'high', tlp, phase: 'triage' },
    observables: [{ type: 'ipv4', value: '203.0.113.7' }],
  },
  approvals: [],
  now: new Date('2026-01-31T10:00:00Z'),
})

describe('a plan', () => {
  it('is the same for the same context, byte for byte', () => {
    const same = context('GREEN')
    const plan = planFrom(playbook, same)
    expect(plan).toMatchObject({ format: 'redoubt.plan/v1', tlp: 'AMBER', caseId: same.inputs.case?.id })
    expect(plan.issuedAt).toBe('2026-01-31T10:00:00.000Z')
    expect(canonicalSha256(planFrom(playbook, same))).toBe(canonicalSha256(plan))
  })

  it('is not made for a case above the ceiling of the playbook', () => {
    for (const tlp of ['CLEAR', 'GREEN', 'AMBER'] as const)
      expect(planFrom(playbook, context(tlp)).steps).toHaveLength(1)
    for (const tlp of ['AMBER+STRICT', 'RED'] as const) {
      expect(() => planFrom(playbook, context(tlp))).toThrow(PlanRefused)
    }
  })

  it('is not made when it would be larger than a runner takes', () => {
    const observables = Array.from({ length: 100 }, () => ({ type: 'url', value: 'x'.repeat(4000) }))
    expect(() => planFrom(playbook, { ...context('GREEN'), inputs: { case: null, observables } })).toThrow('262144')
  })
})
