import { type Phase, phases } from '@redoubt/contract'

/**
 * The phases of a case (ALERT-2), their exits, and what each exit asks for.
 *
 *   detection             → triage
 *   triage                → containment · closed (a false positive)
 *   containment           → eradication · triage
 *   eradication           → recovery · containment
 *   recovery              → post-incident-review · containment
 *   post-incident-review  → closed · recovery
 *   closed                → triage (reopened)
 *   merged                → nothing: it is closed for good, its story goes on in another case
 *
 * Leaving triage asks for an owner. Closing asks for a resolution, no open task and no active run.
 */
const exits: Readonly<Record<Phase, readonly Phase[]>> = {
  detection: ['triage'],
  triage: ['containment', 'closed'],
  containment: ['eradication', 'triage'],
  eradication: ['recovery', 'containment'],
  recovery: ['post-incident-review', 'containment'],
  'post-incident-review': ['closed', 'recovery'],
  closed: ['triage'],
}

/** What the guards look at. */
export type PhaseFacts = {
  readonly phase: Phase
  readonly ownerId: string | null
  readonly resolution: string | null
  readonly openTasks: number
  readonly activeRuns: number
  readonly merged: boolean
}

/** The phases that may come next, in the order of an incident, each with what is still missing for it. */
export function nextPhases(facts: PhaseFacts): { phase: Phase; missing: string[] }[] {
  if (facts.merged) return []
  return phases
    .filter((to) => exits[facts.phase].includes(to))
    .map((phase) => ({ phase, missing: missingFor(facts, phase) }))
}

/** Why a case may not go to this phase now, as sentences for a person; empty when it may. */
export function refusals(facts: PhaseFacts, to: Phase): string[] {
  const next = nextPhases(facts)
  const exit = next.find(({ phase }) => phase === to)
  if (exit) return exit.missing
  if (facts.merged) return ['This case was merged into another: it stays closed.']
  if (facts.phase === to) return [`The case is already in ${to}.`]
  return [`From ${facts.phase} a case goes to ${next.map(({ phase }) => phase).join(' or ')}, not to ${to}.`]
}

function missingFor(facts: PhaseFacts, to: Phase): string[] {
  const missing: string[] = []
  if (facts.phase === 'triage' && facts.ownerId === null) missing.push('Give the case an owner.')
  if (to !== 'closed') return missing
  if (!facts.resolution?.trim()) {
    missing.push(
      facts.phase === 'triage' ? 'Write why this was no incident, as its resolution.' : 'Write the resolution.',
    )
  }
  if (facts.openTasks > 0) missing.push(`Finish or cancel ${counted(facts.openTasks, 'open task')}.`)
  if (facts.activeRuns > 0) {
    missing.push(
      `Wait for ${counted(facts.activeRuns, 'active run')} to end, or cancel ${facts.activeRuns === 1 ? 'it' : 'them'}.`,
    )
  }
  return missing
}

function counted(count: number, noun: string): string {
  return count === 1 ? `the ${noun}` : `the ${count} ${noun}s`
}
