import { hash } from '@node-rs/argon2'
import type { OrganizationId } from '@redoubt/contract'
import { sealOrganization } from '../src/modules/audit/index.ts'
import type { AuditRecord } from '../src/platform/work.ts'
import { work } from '../src/platform/work.ts'
import type { TestPerson, TestPlatform } from './harness.ts'

const actor = { kind: 'service', id: 'worker', name: 'worker' } as const

/** Events recorded as every write records them: with the transaction that does the thing. @returns their ids */
export function record(
  platform: TestPlatform,
  organizationId: OrganizationId,
  events: readonly AuditRecord[],
): Promise<string[]> {
  const { kernel, databases } = platform
  return work(databases.redoubt_worker, { organizationId, actor, clock: kernel.clock, requestId: null }, async (unit) =>
    events.map((event) => unit.record(event)),
  )
}

export const numbered = (count: number, from = 0): AuditRecord[] =>
  Array.from({ length: count }, (_, at) => ({
    action: 'case.opened',
    target: { kind: 'case', id: `case-${from + at}` },
    facts: { number: from + at },
  }))

export const seal = ({ parts, databases }: TestPlatform, organizationId: OrganizationId): Promise<number> =>
  sealOrganization(parts.redoubt_worker.kernel, databases.redoubt_worker, organizationId)

/** How many events the organization's log holds, seen from behind row security. */
export async function sealedCount(platform: TestPlatform, organizationId: OrganizationId): Promise<number> {
  const { rows } = await platform.admin.query<{ n: number }>(
    'select count(*) as n from audit_log where organization_id = $1',
    [organizationId],
  )
  return rows[0]?.n ?? 0
}

/** A password for a person, so that programs can sign in as them. */
export async function withPassword(
  platform: TestPlatform,
  person: TestPerson,
): Promise<{ email: string; password: string }> {
  const password = 'four unrelated plain words'
  const phc = await hash(password, { algorithm: 2, memoryCost: 65_536, timeCost: 1, parallelism: 4 })
  await platform.admin.query('insert into credentials (user_id, password_hash, changed_at) values ($1, $2, $3)', [
    person.userId,
    phc,
    platform.clock.now(),
  ])
  return { email: person.email, password }
}
