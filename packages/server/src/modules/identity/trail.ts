import type { SystemTx } from '../../platform/tenant-tx.ts'
import { type AuditRecord, announce, insertAuditEvents } from '../../platform/work.ts'
import { membershipsOf } from './store.ts'

type Scope = { readonly now: Date; readonly requestId: string }
type Who = { readonly kind: 'person' | 'runner' | 'anonymous'; readonly id: string; readonly name: string }

/** Records in one organization's log; nothing before the platform is set up, when there is no log yet. */
export async function recordIn(
  tx: SystemTx,
  scope: Scope,
  organizationId: string | null,
  who: Who,
  event: AuditRecord,
): Promise<void> {
  if (organizationId === null) return
  await insertAuditEvents(tx.db, organizationId, who, scope.now, scope.requestId, [event])
  await announce(tx.db, organizationId, ['audit'])
}

/** Sign-ins concern every organization the person belongs to: each finds them in its own log. */
export async function recordForPerson(
  tx: SystemTx,
  scope: Scope,
  person: { id: string; name: string },
  event: AuditRecord,
): Promise<void> {
  for (const { id } of await membershipsOf(tx, person.id))
    await recordIn(tx, scope, id, { kind: 'person', ...person }, event)
}
