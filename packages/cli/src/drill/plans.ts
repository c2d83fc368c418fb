import { randomUUID } from 'node:crypto'
import type { Plan } from '@redoubt/contract'
import { type PlanGrant, type SigningKey, signPlan } from '@redoubt/trust'
import type { Answer } from './http.ts'
import type { Parts, Terrain } from './terrain.ts'

/** An installation with a runner whose plans the drill can sign rightly. */
export type Planning = Terrain & Pick<Parts, 'runner' | 'keys' | 'runnerKeys'>

/** A plan that A's runner would take: it only writes a comment. */
export function draftPlan({ a, runnerKeys }: Planning, change: Partial<Plan> = {}): Plan {
  const plan = {
    format: 'redoubt.plan/v1',
    planId: randomUUID(),
    runId: randomUUID(),
    organizationId: a.id,
    runnerId: runnerKeys.a.id,
    playbook: { id: a.playbookId, version: 1, sha256: '0'.repeat(64) },
    caseId: null,
    tlp: 'CLEAR',
    issuedAt: new Date().toISOString(),
    inputs: { case: null, observables: [] },
    egress: [],
    steps: [{ id: 'tell', type: 'case.comment', text: 'The drill was here.' }],
    approvals: [],
  } as unknown as Plan
  return { ...plan, ...change }
}

/** Signs a plan as the workflow-processor does; `wrong` is what an attack changes. */
export function signedPlan(terrain: Planning, plan: Plan, wrong: Partial<PlanGrant> = {}): string {
  const { planId, runId, organizationId, runnerId } = plan
  const grant = {
    planId,
    runId,
    organizationId,
    runnerId,
    issuer: terrain.keys.issuer,
    now: new Date(),
    key: planKey(terrain),
  }
  return signPlan(plan, { ...grant, ...wrong })
}

export const planKey = ({ keys }: Pick<Planning, 'keys'>): SigningKey => keys.plan

/** Pushes a plan to A's runner. */
export const deliver = ({ runner }: Pick<Planning, 'runner'>, token: string, plan: unknown): Promise<Answer> =>
  runner.post('/v1/plans', { token, plan })
