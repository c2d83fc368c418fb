import { randomUUIDv7 } from 'node:crypto'
import type { OrganizationId, Role, UserId } from '@redoubt/contract'
import type { DataClass } from '@redoubt/trust'
import { type Kysely, sql } from 'kysely'
import type { Clock } from './clock.ts'
import type { Database } from './database.ts'
import type { ColumnScope } from './encrypted-columns.ts'
import type { Schema } from './schema.ts'
import { inTenant, type TenantTx } from './tenant-tx.ts'

/** Who does the work, as the timeline and the audit log name them. */
export type Actor =
  | { readonly kind: 'person'; readonly id: UserId; readonly name: string; readonly role: Role }
  | { readonly kind: 'service'; readonly id: string; readonly name: string }
  | { readonly kind: 'runner'; readonly id: string; readonly name: string }

/** An audit event about to be written. `facts` hold ids, numbers and words of the platform, never personal data. */
export type AuditRecord = {
  /** `noun.verb`, past tense: `case.opened`. */
  readonly action: string
  readonly target?: { readonly kind: string; readonly id: string }
  readonly outcome?: 'allowed' | 'denied' | 'failed'
  readonly facts?: Readonly<Record<string, unknown>>
}

/** What a screen can be told to look at again; it carries no content. */
export const liveTopics = [
  'alerts',
  'cases',
  'runs',
  'playbooks',
  'runners',
  'audit',
  'sources',
  'members',
  'sessions',
  'keys',
  /** How the platform itself is: its keys, and what they depend on. */
  'system.health',
] as const
export type LiveTopic = (typeof liveTopics)[number]

/** The queue's tasks and what each carries; the organization is added from the signed context. */
export type Tasks = {
  'alerts.enrich': { readonly alertIds: readonly string[] }
  'cases.check-response': { readonly caseId: string }
  /** A new version of every data key, whatever its age. */
  'keys.rotate-data': { readonly [key: string]: never }
  'keys.reencrypt': { readonly scope: ColumnScope; readonly dataClass: DataClass }
  /** All data keys under the KEK that is active now. */
  'keys.rewrap': { readonly [key: string]: never }
  'runs.push': { readonly runId: string }
  'runs.check': { readonly runId: string }
  'runners.revoked': { readonly runnerId: string }
}

/** One unit of work inside a tenant: its rows, and the traces it leaves in the same transaction. */
export type Work = {
  readonly tx: TenantTx
  readonly actor: Actor
  readonly now: Date
  /** Writes an audit event with this transaction (AUD-1). @returns its id */
  record(event: AuditRecord): string
  /** Tells open screens after the commit. */
  live(topic: LiveTopic): void
  /** Puts a job on the queue with this transaction. A job with the same `key` is replaced. */
  enqueue<T extends keyof Tasks>(task: T, payload: Tasks[T], options?: { runAt?: Date; key?: string }): Promise<void>
}

/** Runs `use` as one unit of work; everything it recorded is committed with it, or nothing is. */
export function work<T>(
  database: Database,
  scope: {
    organizationId: OrganizationId
    actor: Actor
    clock: Clock
    requestId: string | null
    mode?: 'read' | 'write'
  },
  use: (work: Work & { readonly recorded: () => number }) => Promise<T>,
): Promise<T> {
  const { organizationId, actor } = scope
  const tenantActor =
    actor.kind === 'person'
      ? { userId: actor.id, role: actor.role }
      : { service: actor.kind === 'runner' ? 'runner' : actor.id }
  return inTenant(
    database,
    organizationId,
    tenantActor,
    async (tx) => {
      const now = scope.clock.now()
      const events: Array<AuditRecord & { id: string }> = []
      const topics = new Set<LiveTopic>()
      const result = await use({
        tx,
        actor,
        now,
        record(event) {
          const id = idAfter(events.at(-1)?.id)
          events.push({ ...event, id })
          topics.add('audit')
          return id
        },
        live: (topic) => topics.add(topic),
        async enqueue(task, payload, options = {}) {
          await sql`select redoubt.enqueue(${task}, ${JSON.stringify(payload)}::jsonb, ${options.runAt ?? null}::timestamptz, ${options.key ?? null})`.execute(
            tx.db,
          )
        },
        recorded: () => events.length,
      })
      if (events.length > 0) await insertAuditEvents(tx.db, organizationId, actor, now, scope.requestId, events)
      if (topics.size > 0) await announce(tx.db, organizationId, [...topics])
      return result
    },
    scope.mode ?? 'write',
  )
}

/** Ids of one unit rise (RFC 9562 §6.2): the log keeps the order in which things were recorded within a millisecond. */
function idAfter(previous: string | undefined): string {
  const id = randomUUIDv7()
  if (previous === undefined || id > previous) return id
  const tail = BigInt(`0x${previous.slice(24)}`) + 1n
  return previous.slice(0, 24) + tail.toString(16).padStart(12, '0').slice(-12)
}

/** Writes audit events where no tenant is open yet, such as a refused sign-in. */
export async function insertAuditEvents(
  db: Kysely<Schema>,
  organizationId: string,
  actor: { readonly kind: Actor['kind'] | 'anonymous'; readonly id: string; readonly name: string },
  now: Date,
  requestId: string | null,
  events: ReadonlyArray<AuditRecord & { id?: string }>,
): Promise<void> {
  await db
    .insertInto('audit_events')
    .values(
      events.map((event) => ({
        organization_id: organizationId,
        id: event.id ?? randomUUIDv7(),
        at: now,
        actor_kind: actor.kind,
        actor_id: actor.id,
        actor_name: actor.name,
        action: event.action,
        target_kind: event.target?.kind ?? null,
        target_id: event.target?.id ?? null,
        outcome: event.outcome ?? 'allowed',
        facts: JSON.stringify(event.facts ?? {}),
        request_id: requestId,
      })),
    )
    .execute()
}

/** Sent at commit; PostgreSQL folds equal notices of one transaction. */
export async function announce(
  db: Kysely<Schema>,
  organizationId: string,
  topics: readonly LiveTopic[],
): Promise<void> {
  await sql`select pg_notify('redoubt_live', ${JSON.stringify({ organizationId, topics })})`.execute(db)
}
