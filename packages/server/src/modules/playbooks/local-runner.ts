import type { OrganizationId } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import type { Database } from '../../platform/database.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { work } from '../../platform/work.ts'
import { operatorOrganization } from '../identity/index.ts'

const validMs = 60 * 60_000

/**
 * A one-time enrolment token for the runner that was started beside this platform, for the operator's own organization;
 * null while there is no organization yet.
 */
export async function inviteLocalRunner(kernel: Kernel, database: Database): Promise<string | null> {
  const organizationId = (await inSystem(database, 'authenticate', operatorOrganization)) as OrganizationId | null
  if (organizationId === null) return null
  const token = createOpaqueToken('run')
  const actor = { kind: 'service', id: 'web', name: 'platform' } as const
  return work(database, { organizationId, actor, clock: kernel.clock, requestId: null }, async (unit) => {
    const admin = await unit.tx.db
      .selectFrom('memberships')
      .select('user_id')
      .where('organization_id', '=', organizationId)
      .where('role', '=', 'admin')
      .orderBy('created_at')
      .executeTakeFirst()
    if (!admin) return null
    const { id } = await unit.tx.db
      .insertInto('runner_enrolments')
      .values({ organization_id: organizationId, name: 'Local runner', token_hash: hashToken(token), created_by: admin.user_id, created_at: unit.now, expires_at: new Date(unit.now.getTime() + validMs) })
      .returning('id')
      .executeTakeFirstOrThrow()
    unit.record({ action: 'runner.invited', target: { kind: 'runner-enrolment', id }, facts: { local: true } })
    return token
  })
}
