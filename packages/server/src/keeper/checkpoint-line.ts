import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type PublicJwk,
  type RotationRule,
  signSuccession,
} from '@redoubt/trust'
import { z } from 'zod'
import type { KeyLineSpec } from './key-lines.ts'
import type { SecretPath } from './secret-store.ts'

/** A version of a signing key as it is kept. */
export type SigningMaterial = PublicJwk & {
  /** The private half; of a checkpoint key it is destroyed as soon as there is a successor. */
  readonly d?: string | undefined
  /** The statement by which the version before named this one; of a checkpoint key alone. */
  readonly succession?: string | undefined
}
export const SigningMaterial = z.looseObject({
  kid: z.string(),
  d: z.string().optional(),
  succession: z.string().optional(),
}) as unknown as z.ZodType<SigningMaterial>

/**
 * The key that signs the audit log's checkpoints. What it signed is verified for years, so every version's public half is
 * kept; at a rotation the old version names the new one (docs/decisions/0015) and loses its private half in the same
 * write. Whoever steals the store afterwards cannot rewrite what came before.
 */
export const checkpointLine = (path: SecretPath, rule: RotationRule): KeyLineSpec<SigningMaterial> => ({
  path,
  rule,
  material: SigningMaterial,
  async make({ createdAt }, line) {
    const made = generateSigningKey('Ed25519')
    const before = line.toSorted((a, b) => a.version - b.version).at(-1)
    if (before === undefined) return exportSigningKey(made)
    const succession = await signSuccession(importSigningKey(before.material), made, createdAt)
    return { ...exportSigningKey(made), succession }
  },
  retire: ({ d: _, ...kept }) => kept,
})
