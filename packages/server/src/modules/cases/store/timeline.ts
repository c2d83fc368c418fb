import { randomUUIDv7 } from 'node:crypto'
import type { TimelineEntry } from '@redoubt/contract'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import type { Actor } from '../../../platform/work.ts'

export type TimelineKind = TimelineEntry['kind']
export type NewEntry = {
  readonly caseId: string
  readonly at: Date
  readonly kind: TimelineKind
  readonly actor: Actor
  readonly text: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly auditEventId: string
}

/** @returns the entry's id; ids of one process grow, so the entries of one transaction keep their order */
export async function insertEntry(tx: TenantTx, entry: NewEntry): Promise<string> {
  const id = randomUUIDv7()
  await tx.db
    .insertInto('case_timeline')
    .values({
      organization_id: tx.organizationId,
      id,
      case_id: entry.caseId,
      at: entry.at,
      kind: entry.kind,
      actor_kind: entry.actor.kind,
      actor_id: entry.actor.id,
      actor_name: entry.actor.name,
      text: entry.text,
      facts: JSON.stringify(entry.facts),
      audit_event_id: entry.auditEventId,
    })
    .execute()
  return id
}

/** What happened in a case, newest first, after the given entry. */
export async function listEntries(
  tx: TenantTx,
  caseId: string,
  kinds: readonly TimelineKind[] | undefined,
  after: string | null,
  limit: number,
) {
  let query = tx.db
    .selectFrom('case_timeline')
    .select(['id', 'at', 'kind', 'actor_kind', 'actor_id', 'actor_name', 'text', 'facts', 'audit_event_id'])
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', caseId)
    .orderBy('id', 'desc')
    .limit(limit)
  if (after !== null) query = query.where('id', '<', after)
  if (kinds) query = query.where('kind', 'in', [...kinds])
  const rows = await query.execute()
  return rows.map((row) => ({
    id: row.id,
    at: row.at.toISOString(),
    kind: row.kind as TimelineKind,
    actor: { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
    text: row.text,
    facts: row.facts as Record<string, unknown>,
    auditEventId: row.audit_event_id,
  }))
}

/** What people wrote moves with a merge; what happened to the other case stays its own story. */
export async function moveComments(tx: TenantTx, from: string, into: string): Promise<void> {
  await tx.db
    .updateTable('case_timeline')
    .set({ case_id: into })
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', from)
    .where('kind', '=', 'comment')
    .execute()
}
