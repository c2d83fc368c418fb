import { randomUUID } from 'node:crypto'
import type { AlertId, Case, CaseId, RunId, UserId } from '@redoubt/contract'
import { type DoorSource, deliveryOf, readBatch, takeBatch } from '../src/modules/alerts/index.ts'
import { AppError } from '../src/platform/app-error.ts'
import { inTenant, type TenantTx } from '../src/platform/tenant-tx.ts'
import type { TestOrganization, TestPerson, TestPlatform } from './harness.ts'

/** An event of a `generic` source; every one is an alert of its own. */
export type Event = { readonly title?: string; readonly severity?: string } & Readonly<Record<string, unknown>>

/** A source of the organization that events can be sent through, as a sender would. */
export async function sourceOf(t: TestPlatform, admin: TestPerson, over: { tlp?: 'GREEN' | 'AMBER+STRICT' } = {}) {
  const { source } = await t.call(admin, 'sources.create', {
    name: 'Sensor',
    slug: `s-${randomUUID().slice(0, 8)}`,
    type: 'generic',
    ...over,
  })
  const door: DoorSource = { ...source, organizationId: admin.organizationId, webhookSecret: new Uint8Array(32) }
  const { kernel, databases } = t
  return {
    id: source.id,
    /** Through ingestion, committed; enriched and correlated when the worker's jobs run. @returns the ids, in the order of events */
    async send(...events: Event[]): Promise<AlertId[]> {
      const lines = events.map((event) =>
        JSON.stringify({ title: 'Something odd', severity: 'medium', id: randomUUID(), ...event }),
      )
      const body = Buffer.from(lines.join('\n'))
      const batch = await readBatch(body, door, {
        receivedAt: kernel.clock.now(),
        declaredLines: true,
        pause: async () => undefined,
        onDefect: (error) => {
          throw error
        },
      })
      const before = await alertIds(t, admin.organizationId)
      await takeBatch(
        { kernel, database: databases.redoubt_ingestion, requestId: randomUUID() },
        door,
        deliveryOf({}, body),
        batch,
      )
      const added = (await alertIds(t, admin.organizationId)).filter(({ id }) => !before.some((each) => each.id === id))
      return lines.flatMap((line) => added.filter(({ raw }) => raw === line).map(({ id }) => id))
    },
  }
}

async function alertIds(t: TestPlatform, organizationId: string): Promise<{ id: AlertId; raw: string }[]> {
  return (
    await t.admin.query<{ id: AlertId; raw: string }>('select id, raw from alerts where organization_id = $1', [
      organizationId,
    ])
  ).rows
}

/** An organization with two people of each role that matters here. */
export async function teamOf(t: TestPlatform) {
  const organization: TestOrganization = await t.organization()
  const [admin, moderator, user, other, viewer] = [
    await t.member(organization, 'admin'),
    await t.member(organization, 'moderator'),
    await t.member(organization, 'user'),
    await t.member(organization, 'user'),
    await t.member(organization, 'viewer'),
  ]
  return { organization, admin, moderator, user, other, viewer }
}

export const openCase = (
  t: TestPlatform,
  by: TestPerson,
  over: { title?: string; severity?: Case['severity']; tlp?: Case['tlp'] } = {},
): Promise<Case> => t.call(by, 'cases.open', { title: 'Stolen laptop', severity: 'high', ...over })

/** What the operation was refused with; a failure when it was not. */
export async function refusal(attempt: Promise<unknown>): Promise<{ code: string; detail: string }> {
  try {
    await attempt
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, detail: error.detail }
    throw error
  }
  throw new Error('it was not refused')
}

/** SQL as the web service's role, in the context of a member: what an injection could say. */
export const asMember = <T>(t: TestPlatform, member: TestPerson, use: (tx: TenantTx) => Promise<T>): Promise<T> =>
  inTenant(t.databases.redoubt_web, member.organizationId, { userId: member.userId, role: member.role }, use)

/** A run of a playbook on a case, put there from behind row security. */
export async function runOn(t: TestPlatform, by: TestPerson, caseId: CaseId, state: string): Promise<RunId> {
  const key = [by.organizationId, randomUUID()]
  await t.admin.query(
    `insert into playbooks (organization_id, id, name, tlp, step_count, needs_approval, updated_at, updated_by) values ($1, $2::uuid, $2::text, 'AMBER', 1, false, now(), $3)`,
    [...key, by.userId],
  )
  await t.admin.query(`insert into playbook_versions values ($1, $2, 1, '', '', now())`, key)
  const { rows } = await t.admin.query<{ id: RunId }>(
    `insert into runs (organization_id, playbook_id, playbook_version, case_id, state, inputs, started_at, started_by)
     values ($1, $2, 1, $3, $4, '{}', now(), $5) returning id`,
    [...key, caseId, state, by.userId],
  )
  return rows[0]?.id as RunId
}

export const idsOf = (people: readonly TestPerson[]): UserId[] => people.map(({ userId }) => userId)
