import type { ServiceIdentity } from './keeper-protocol.ts'
import type { Kernel } from './kernel.ts'
import { signingKeyStates } from './signing-key-state.ts'
import type { SigningKeyHealth, SigningKeys } from './signing-keys.ts'

/** Shows a key's age, state and rotations as metrics, and tells the log when it is not well and when it is again. */
export function showSigningKey(
  { metrics, log }: Pick<Kernel, 'metrics' | 'log'>,
  service: ServiceIdentity,
  keys: SigningKeys,
): void {
  let before: SigningKeyHealth | null = null
  const show = (health: SigningKeyHealth) => {
    const { use, state, version, ageMs } = health
    metrics.keyAge.set({ service, use }, ageMs / 1000)
    for (const each of signingKeyStates) metrics.keyState.set({ service, use, state: each }, each === state ? 1 : 0)
    if (before !== null && before.version !== version) metrics.keyRotations.inc({ service, use })
    if (before?.state !== state) tell(before, health)
    before = health
  }
  const tell = (from: SigningKeyHealth | null, { use, state, version }: SigningKeyHealth) => {
    const facts = { service, use, version, state }
    if (state === 'OUTAGE') log.error(facts, 'the keeper is away: the key in memory signs on, rotation is blocked')
    else if (state === 'DEGRADED') log.error(facts, 'the signing key is older than KEY_MAX_AGE and was not rotated')
    else if (from?.state === 'OUTAGE' || from?.state === 'DEGRADED') log.warn(facts, 'the signing key is well again')
  }
  keys.onHealth(show)
  show(keys.health())
}
