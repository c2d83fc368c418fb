import { TrustError, verifyCheckpoint } from '@redoubt/trust'
import type { TenantTx } from '../../platform/tenant-tx.ts'
import { type LogKeys, logVerifiers, signerOf } from './log-keys.ts'
import { logOrigin } from './rules.ts'
import { newestCheckpoint, waitingEvents } from './store.ts'

/** How an organization's log stands. */
export type LogState = {
  /** Sealed events. */
  readonly size: number
  /** When the newest checkpoint was signed. */
  readonly sealedAt: Date | null
  readonly waiting: number
  readonly oldestWaitingAt: Date | null
  /** Why the newest checkpoint does not verify under a key of the installation, or null. */
  readonly problem: string | null
}

/** Looks at the log of one organization and verifies its newest checkpoint. */
export async function inspectLog(tx: TenantTx, keys: LogKeys): Promise<LogState> {
  const { waiting, oldestAt } = await waitingEvents(tx)
  const head = await newestCheckpoint(tx)
  const state = { size: head?.size ?? 0, sealedAt: head?.at ?? null, waiting, oldestWaitingAt: oldestAt, problem: null }
  if (!head) return state
  try {
    const verifiers = await logVerifiers(tx.organizationId, keys)
    const verifier = verifiers[signerOf(head.note, verifiers)]
    if (verifier === undefined) return { ...state, problem: 'it is signed by none of the installation’s keys' }
    const checkpoint = await verifyCheckpoint(head.note, verifier, logOrigin(tx.organizationId))
    return checkpoint.size === head.size ? state : { ...state, problem: 'its row tells another size than its note' }
  } catch (error) {
    if (error instanceof TrustError) return { ...state, problem: error.message }
    throw error
  }
}
