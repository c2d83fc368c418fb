import { randomUUIDv7 } from 'node:crypto'
import type { OrganizationId } from '@redoubt/contract'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import type { Database } from '../../platform/database.ts'
import type { Kernel } from '../../platform/kernel.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { work } from '../../platform/work.ts'
import { operatorOrganization } from '../identity/index.ts'
import { runnerChannel } from './runners/channel.ts'
import { enrolmentMs } from './runners/rules.ts'
import { firstAdmin, insertEnrolment } from './runners/store.ts'

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
    const { tx, now } = unit
    const by = await firstAdmin(tx)
    if (by === undefined) return null
    const id = randomUUIDv7()
    const expiresAt = new Date(now.getTime() + enrolmentMs)
    await insertEnrolment(tx, { id, name: 'Local runner', tokenHash: hashToken(token), by, at: now, expiresAt })
    unit.record({ action: 'runner.invited', target: { kind: 'runner-enrolment', id }, facts: { local: true } })
    return runnerChannel(kernel).pinned(token)
  })
}
