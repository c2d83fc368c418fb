import type { AuditEvent } from '@redoubt/contract'
import { leafHash, type SealedEvent, sealAuditEvent, TrustError, utf8 } from '@redoubt/trust'

/** An event as its row says it. */
export type EventRow = {
  readonly id: string
  readonly at: Date
  readonly actor_kind: AuditEvent['actor']['kind']
  readonly actor_id: string
  readonly actor_name: string
  readonly action: string
  readonly target_kind: string | null
  readonly target_id: string | null
  readonly outcome: AuditEvent['outcome']
  readonly facts: unknown
  readonly request_id: string | null
}
/** An event with its place in the log. `body` is the text that was hashed. */
export type LogRow = EventRow & { readonly seq: number; readonly leaf: Uint8Array; readonly body: string }

/**
 * The name of an organization's log in its checkpoints and verifier key (C2SP tlog-checkpoint). It does not follow the
 * configured address: one log keeps one name, or checkpoints made before a move would no longer verify.
 */
export const logOrigin = (organizationId: string): string => `redoubt.local/${organizationId}/audit`

/**
 * An event in the form that is hashed. The form is frozen: sealed events are compared with it for as long as they are
 * kept, so whatever a later version adds must be absent from events that do not have it.
 */
export function sealEvent(organizationId: string, event: EventRow, seq: number): SealedEvent {
  const { facts, ...body } = { organizationId, ...shownEvent(event), seq }
  try {
    return sealAuditEvent({ ...body, facts })
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    // SQL run as a service can write facts that have no canonical form, such as 1e999. Refused, they would jam the log
    // and leave everything after them unsealed: they are sealed as text.
    return sealAuditEvent({ ...body, facts: { text: JSON.stringify(facts) } })
  }
}

/**
 * The text to show a verifier: what was hashed, or the event's row as it stands when that no longer agrees with it.
 * Whichever of the two was altered after sealing, whoever verifies sees the altered one, and it does not hash to the leaf.
 */
export function standingBody(organizationId: string, row: LogRow): string {
  const hashedTextHolds = Buffer.from(leafHash(utf8(row.body))).equals(row.leaf)
  return hashedTextHolds ? sealEvent(organizationId, row, row.seq).body : row.body
}

/** An event without its place, as the contract shows it. */
export function shownEvent(row: EventRow): Omit<AuditEvent, 'seq'> {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
    action: row.action,
    target: row.target_kind === null || row.target_id === null ? null : { kind: row.target_kind, id: row.target_id },
    outcome: row.outcome,
    facts: row.facts as AuditEvent['facts'],
    requestId: row.request_id,
  }
}
