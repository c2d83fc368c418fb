import { randomUUIDv7 } from 'node:crypto'
import type { Phase, PlanInputs, Tlp } from '@redoubt/contract'
import { severityOf } from '../../../platform/severity.ts'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import type { Actor } from '../../../platform/work.ts'

/** A case as a run sees it. */
export type RunCase = {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: number
  readonly tlp: Tlp
  readonly audience: 'organization' | 'named'
  readonly phase: Phase
  readonly ownerId: string | null
  readonly recipientIds: readonly string[]
  readonly closed: boolean
}

/** One visible case, held so that it is not closed or raised while a run begins on it; undefined when there is none. */
export async function shareCase(tx: TenantTx, id: string): Promise<RunCase | undefined> {
  const row = await tx.db
    .selectFrom('cases')
    .select(['id', 'number', 'title', 'severity', 'tlp', 'audience', 'phase', 'owner_id as ownerId', 'closed_at'])
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forShare()
    .executeTakeFirst()
  if (!row) return undefined
  const recipients = await tx.db
    .selectFrom('case_recipients')
    .select('user_id')
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', id)
    .execute()
  const { closed_at, ...rest } = row
  return {
    ...rest,
    tlp: row.tlp as Tlp,
    phase: row.phase as Phase,
    recipientIds: recipients.map(({ user_id }) => user_id),
    closed: closed_at !== null,
  }
}

/** The present marking of a case. */
export async function tlpOfCase(tx: TenantTx, id: string): Promise<Tlp> {
  const row = await tx.db
    .selectFrom('cases')
    .select('tlp')
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return row.tlp as Tlp
}

const observablesMax = 200

/**
 * What a run is told, as of now: the case and at most 200 of its observables, outside ones and often seen ones first. What
 * somebody judged benign stays out, so that a playbook that blocks what it is given does not block it.
 */
export async function inputsOf(tx: TenantTx, of: RunCase): Promise<PlanInputs> {
  const observables = await tx.db
    .selectFrom('case_observables')
    .select(['type', 'value'])
    .where('organization_id', '=', tx.organizationId)
    .where('case_id', '=', of.id)
    .where('verdict', '<>', 'benign')
    .orderBy('internal')
    .orderBy('sightings', 'desc')
    .orderBy('id')
    .limit(observablesMax)
    .execute()
  const { number, title, tlp, phase } = of
  const id = of.id as NonNullable<PlanInputs['case']>['id']
  return { case: { id, number, title, severity: severityOf(of.severity), tlp, phase }, observables }
}

export type TimelineLine = {
  readonly caseId: string
  readonly at: Date
  readonly kind: 'run' | 'comment'
  readonly actor: Actor
  readonly text: string
  readonly facts: Readonly<Record<string, string>>
  readonly auditEventId: string
}

export async function insertLine(tx: TenantTx, line: TimelineLine): Promise<void> {
  await tx.db
    .insertInto('case_timeline')
    .values({
      organization_id: tx.organizationId,
      id: randomUUIDv7(),
      case_id: line.caseId,
      at: line.at,
      kind: line.kind,
      actor_kind: line.actor.kind,
      actor_id: line.actor.id,
      actor_name: line.actor.name,
      text: line.text,
      facts: JSON.stringify(line.facts),
      audit_event_id: line.auditEventId,
    })
    .execute()
}
