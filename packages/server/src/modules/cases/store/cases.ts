import type { Phase, Tlp } from '@redoubt/contract'
import { sql } from 'kysely'
import { AppError } from '../../../platform/app-error.ts'
import type { TenantTx } from '../../../platform/tenant-tx.ts'
import { formerMember, type PersonRef, recipientsOf } from './people.ts'

/** A case as lists show it. `severity` is its rank. */
export type CaseRow = {
  readonly id: string
  readonly number: number
  readonly title: string
  readonly severity: number
  readonly tlp: Tlp
  readonly audience: 'organization' | 'named'
  readonly phase: Phase
  readonly owner: PersonRef | null
  readonly version: number
  readonly openedAt: Date
  readonly updatedAt: Date
  readonly dueAt: Date | null
  readonly respondedAt: Date | null
  readonly breachedAt: Date | null
  readonly closedAt: Date | null
  readonly alertCount: number
}

/** A case with all that its rules look at. */
export type CaseDetail = CaseRow & {
  readonly description: string
  readonly resolution: string | null
  readonly recipients: readonly PersonRef[]
  readonly techniques: readonly string[]
  readonly openedBy: string
  readonly rule: string | null
  /** `number` is null where the case it was merged into is not for these eyes. */
  readonly mergedInto: { readonly id: string; readonly number: number | null } | null
  readonly openTasks: number
  readonly activeRuns: number
}

export type NewCase = {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly severity: number
  readonly tlp: Tlp
  readonly techniques: readonly string[]
  readonly openedAt: Date
  readonly openedBy: string
  readonly dueAt: Date | null
  readonly rule: string | null
}

/** Columns of a case that may change, by their names in the database. */
export type CaseChange = {
  readonly title?: string
  readonly description?: string
  readonly resolution?: string | null
  readonly severity?: number
  readonly tlp?: Tlp
  readonly audience?: 'organization' | 'named'
  readonly phase?: Phase
  readonly owner_id?: string | null
  readonly due_at?: Date | null
  readonly responded_at?: Date | null
  readonly breached_at?: Date | null
  readonly closed_at?: Date | null
  readonly merged_into?: string | null
  readonly alert_count?: number
  readonly techniques?: string[]
}

/** Cases with their owners' names; to be narrowed by the caller. */
export function caseRows(tx: TenantTx) {
  return tx.db
    .selectFrom('cases as c')
    .leftJoin('users as u', 'u.id', 'c.owner_id')
    .where('c.organization_id', '=', tx.organizationId)
    .select([
      'c.id',
      'c.number',
      'c.title',
      'c.severity',
      'c.tlp',
      'c.audience',
      'c.phase',
      'c.owner_id',
      'u.name as owner_name',
      'c.version',
      'c.opened_at',
      'c.updated_at',
      'c.due_at',
      'c.responded_at',
      'c.breached_at',
      'c.closed_at',
      'c.alert_count',
    ])
}

export type SelectedCase = Awaited<ReturnType<ReturnType<typeof caseRows>['execute']>>[number]

export function caseRowOf(row: SelectedCase): CaseRow {
  return {
    id: row.id,
    number: row.number,
    title: row.title,
    severity: row.severity,
    tlp: row.tlp as Tlp,
    audience: row.audience,
    phase: row.phase as Phase,
    owner: row.owner_id === null ? null : { id: row.owner_id, name: row.owner_name ?? formerMember },
    version: row.version,
    openedAt: row.opened_at,
    updatedAt: row.updated_at,
    dueAt: row.due_at,
    respondedAt: row.responded_at,
    breachedAt: row.breached_at,
    closedAt: row.closed_at,
    alertCount: row.alert_count,
  }
}

export type CaseFilter = {
  readonly phase?: readonly string[] | undefined
  readonly severity?: readonly number[] | undefined
  readonly ownerId?: string | undefined
  readonly open?: boolean | undefined
  readonly search?: string | undefined
}

/** Visible cases, newest first, after the given id. */
export async function listCases(
  tx: TenantTx,
  filter: CaseFilter,
  after: string | null,
  limit: number,
): Promise<CaseRow[]> {
  let query = caseRows(tx).orderBy('c.id', 'desc').limit(limit)
  if (after !== null) query = query.where('c.id', '<', after)
  if (filter.phase) query = query.where('c.phase', 'in', [...filter.phase])
  if (filter.severity) query = query.where('c.severity', 'in', [...filter.severity])
  if (filter.ownerId) query = query.where('c.owner_id', '=', filter.ownerId)
  if (filter.open !== undefined) query = query.where('c.closed_at', filter.open ? 'is' : 'is not', null)
  if (filter.search) {
    // People say the number aloud: `#12` finds it. strpos, because LIKE would read % and _ in what they typed.
    const number = /^#?(\d{1,15})$/.exec(filter.search)?.[1]
    const inTitle = sql<boolean>`strpos(lower(c.title), lower(${filter.search})) > 0`
    query = query.where((where) => (number ? where.or([inTitle, where('c.number', '=', Number(number))]) : inTitle))
  }
  return (await query.execute()).map(caseRowOf)
}

/** One case, or null when there is none for these eyes. */
export async function findCase(tx: TenantTx, id: string): Promise<CaseDetail | null> {
  const row = await caseRows(tx)
    .leftJoin('cases as m', (join) =>
      join.onRef('m.organization_id', '=', 'c.organization_id').onRef('m.id', '=', 'c.merged_into'),
    )
    .where('c.id', '=', id)
    .select([
      'c.description',
      'c.resolution',
      'c.techniques',
      'c.opened_by',
      'c.rule',
      'c.merged_into',
      'm.number as merged_number',
      sql<number>`(select count(*) from case_tasks t
        where t.organization_id = c.organization_id and t.case_id = c.id and t.state = 'open')`.as('open_tasks'),
      sql<number>`(select count(*) from runs r
        where r.organization_id = c.organization_id and r.case_id = c.id
          and r.state in ('queued', 'sent', 'running', 'waiting'))`.as('active_runs'),
    ])
    .executeTakeFirst()
  if (!row) return null
  return {
    ...caseRowOf(row),
    description: row.description,
    resolution: row.resolution,
    recipients: await recipientsOf(tx, id),
    techniques: row.techniques,
    openedBy: row.opened_by,
    rule: row.rule,
    mergedInto: row.merged_into === null ? null : { id: row.merged_into, number: row.merged_number },
    openTasks: row.open_tasks,
    activeRuns: row.active_runs,
  }
}

/** Holds a case against other changes until the transaction ends. @returns whether there is one for these eyes */
export async function lockCase(tx: TenantTx, id: string): Promise<boolean> {
  const row = await tx.db
    .selectFrom('cases')
    .select('id')
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** The next number of the organization; openings of one organization wait for each other here. */
async function nextNumber(tx: TenantTx): Promise<number> {
  const { value } = await tx.db
    .insertInto('counters')
    .values({ organization_id: tx.organizationId, name: 'case', value: 1 })
    .onConflict((conflict) =>
      conflict.columns(['organization_id', 'name']).doUpdateSet({ value: sql<number>`counters.value + 1` }),
    )
    .returning('value')
    .executeTakeFirstOrThrow()
  return value
}

/** @returns its number within the organization */
export async function insertCase(tx: TenantTx, draft: NewCase): Promise<number> {
  const number = await nextNumber(tx)
  await tx.db
    .insertInto('cases')
    .values({
      organization_id: tx.organizationId,
      id: draft.id,
      number,
      title: draft.title,
      description: draft.description,
      severity: draft.severity,
      tlp: draft.tlp,
      audience: 'organization',
      phase: 'detection',
      opened_at: draft.openedAt,
      opened_by: draft.openedBy,
      updated_at: draft.openedAt,
      due_at: draft.dueAt,
      techniques: [...draft.techniques],
      rule: draft.rule,
    })
    .execute()
  return number
}

/** Changes the version that was read, and no other. @throws AppError stale */
export async function updateCase(
  tx: TenantTx,
  of: { readonly id: string; readonly version: number; readonly updatedAt: Date },
  change: CaseChange,
  now: Date,
): Promise<void> {
  const { numUpdatedRows } = await tx.db
    .updateTable('cases')
    .set({ ...change, version: of.version + 1, updated_at: now })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', of.id)
    .where('version', '=', of.version)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw staleSince(of.updatedAt)
}

/** Notes that something arrived at a case without changing what people edit: their version stays good. */
export async function touchCase(
  tx: TenantTx,
  id: string,
  change: Pick<CaseChange, 'alert_count' | 'breached_at'>,
  now: Date,
): Promise<void> {
  await tx.db
    .updateTable('cases')
    .set({ ...change, updated_at: now })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .execute()
}

export function staleSince(changedAt: Date): AppError {
  return new AppError(
    'stale',
    `Somebody changed this case at ${changedAt.toISOString()}: read it again; your text is not lost.`,
  )
}
