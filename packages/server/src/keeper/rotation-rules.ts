import type { RotationRule } from '@redoubt/trust'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/**
 * When keys rotate and how long their windows are (KEY-4, KEY-5). The keys of tokens and plans turn well within
 * KEY_MAX_AGE, so that only blocked rotations ever reach it; see docs/decisions/0014.
 */
export const rotationRules = {
  kek: { periodMs: 90 * day, leadMs: 0, outlivesMs: null },
  dataKey: { periodMs: 90 * day, leadMs: 0, outlivesMs: null },
  /**
   * Lead: a notice may be lost, and then a service asks within five minutes; it has to be longer than that and the six
   * minutes for which a service that hears nothing still lets time pass (platform/signing-key-state.ts). Outlives: a
   * token's 15 minutes.
   */
  access: { periodMs: 3 * day, leadMs: 15 * minute, outlivesMs: 16 * minute },
  /** Lead: also longer than a runner keeps the key set. Outlives: a plan's five minutes. */
  plan: { periodMs: 3 * day, leadMs: 15 * minute, outlivesMs: 6 * minute },
  /** What it signed is to be verified for years: its versions never end, but their private halves do. */
  checkpoint: { periodMs: 90 * day, leadMs: 0, outlivesMs: null },
  service: { periodMs: 90 * day, leadMs: 10 * minute, outlivesMs: hour },
  /** Lead: every holder of a certificate has the new root first. Outlives: the last certificate's 24 hours. */
  authority: { periodMs: 90 * day, leadMs: hour, outlivesMs: 25 * hour },
} as const satisfies Record<string, RotationRule>
