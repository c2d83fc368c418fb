import type { EgressRule, Step, Tlp } from '@redoubt/contract'

/** A playbook that passed every check. `steps` are plan steps already; templates and expressions stay as written. */
export type Playbook = {
  readonly name: string
  readonly description: string
  /** The ceiling: a case marked above it is refused (PLAN-3). */
  readonly tlp: Tlp
  readonly egress: readonly EgressRule[]
  readonly steps: readonly Step[]
  /** 1-based line of each step, by step id. */
  readonly lines: Readonly<Record<string, number>>
}
