import type { OrganizationId } from '@redoubt/contract'
import type { Database } from '../../platform/database.ts'
import type { Guards } from '../../platform/dispatch.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Call, Person } from '../../platform/operation.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { operatorOrganization } from './store.ts'
import { recordIn } from './trail.ts'

export { memberOperations } from './members.ts'
export { authOperations, sessionOperations } from './operations.ts'
export { SessionGuard, tokenAudience } from './session-guard.ts'
export { issueSetUpLink } from './set-up.ts'
export { operatorOrganization } from './store.ts'

/** Records refusals: in the organization they concern, or in the operator's when the caller does not belong to it. */
export function refusalRecorder(kernel: Kernel, database: Database): Guards['refused'] {
  return (call: Call, person: Person, organizationId: string | null, operation: string, policies: readonly string[]) =>
    inSystem(database, 'authenticate', async (tx) => {
      const where = organizationId ?? (await operatorOrganization(tx))
      await recordIn(
        tx,
        { now: kernel.clock.now(), requestId: call.requestId },
        where as OrganizationId | null,
        { kind: 'person', id: person.userId, name: person.name },
        {
          action: 'access.denied',
          outcome: 'denied',
          facts: { operation, policies, ...(organizationId === null ? { reason: 'not a member' } : {}) },
        },
      )
    })
}
