import type { Tlp } from '@redoubt/contract'
import { sql } from 'kysely'
import { AppError } from '../../platform/app-error.ts'
import type { TenantTx } from '../../platform/tenant-tx.ts'

export type PlaybookRow = {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly tlp: Tlp
  readonly version: number
  readonly stepCount: number
  readonly needsApproval: boolean
  readonly archived: boolean
  readonly updatedAt: Date
  readonly updatedBy: string
}
export type VersionRow = { readonly yaml: string; readonly sha256: string }

/** Who left the organization keeps what they did, but their name is no longer ours to show. */
export const formerMember = 'A former member'

const listMax = 1000

function playbookRows(tx: TenantTx) {
  return tx.db
    .selectFrom('playbooks as p')
    .leftJoin('users as u', 'u.id', 'p.updated_by')
    .where('p.organization_id', '=', tx.organizationId)
    .select([
      'p.id',
      'p.name',
      'p.description',
      'p.tlp',
      'p.version',
      'p.step_count as stepCount',
      'p.needs_approval as needsApproval',
      'p.archived',
      'p.updated_at as updatedAt',
      'u.name as updatedBy',
    ])
}

type Selected = Awaited<ReturnType<ReturnType<typeof playbookRows>['execute']>>[number]

const rowOf = (row: Selected): PlaybookRow => ({
  ...row,
  tlp: row.tlp as Tlp,
  updatedBy: row.updatedBy ?? formerMember,
})

/** By name; an organization has tens of them. */
export async function listPlaybooks(tx: TenantTx, archived: boolean): Promise<PlaybookRow[]> {
  const query = playbookRows(tx)
    .where('p.archived', '=', archived)
    .orderBy(sql`lower(p.name)`)
    .orderBy('p.id')
    .limit(listMax)
  return (await query.execute()).map(rowOf)
}

/** @throws AppError not_found */
export async function readPlaybook(tx: TenantTx, id: string): Promise<PlaybookRow & VersionRow> {
  const row = await playbookRows(tx)
    .innerJoin('playbook_versions as v', (join) =>
      join
        .onRef('v.organization_id', '=', 'p.organization_id')
        .onRef('v.playbook_id', '=', 'p.id')
        .onRef('v.version', '=', 'p.version'),
    )
    .select(['v.yaml', 'v.sha256'])
    .where('p.id', '=', id)
    .executeTakeFirst()
  if (!row) throw noPlaybook()
  return { ...rowOf(row), yaml: row.yaml, sha256: row.sha256 }
}

/** Holds a playbook against other changes until the transaction ends. @throws AppError not_found */
export async function lockPlaybook(tx: TenantTx, id: string): Promise<{ version: number; archived: boolean }> {
  const row = await tx.db
    .selectFrom('playbooks')
    .select(['version', 'archived'])
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw noPlaybook()
  return row
}

export async function readVersion(tx: TenantTx, playbookId: string, version: number): Promise<VersionRow> {
  return tx.db
    .selectFrom('playbook_versions')
    .select(['yaml', 'sha256'])
    .where('organization_id', '=', tx.organizationId)
    .where('playbook_id', '=', playbookId)
    .where('version', '=', version)
    .executeTakeFirstOrThrow()
}

export type Draft = VersionRow & {
  readonly id: string
  readonly version: number
  readonly name: string
  readonly description: string
  readonly tlp: Tlp
  readonly stepCount: number
  readonly needsApproval: boolean
  readonly at: Date
  readonly by: string
}

/** @throws AppError conflict when another playbook has the name */
export async function insertPlaybook(tx: TenantTx, draft: Draft): Promise<void> {
  const columns = { organization_id: tx.organizationId, id: draft.id, ...columnsOf(draft) }
  await unlessTaken(draft.name, tx.db.insertInto('playbooks').values(columns).execute())
  await insertVersion(tx, draft)
}

/** Makes the draft the present version. @throws AppError conflict when another playbook has the name */
export async function replacePlaybook(tx: TenantTx, draft: Draft): Promise<void> {
  const query = tx.db
    .updateTable('playbooks')
    .set(columnsOf(draft))
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', draft.id)
  await unlessTaken(draft.name, query.execute())
  await insertVersion(tx, draft)
}

/** @throws AppError conflict when a playbook comes back and another has taken its name meanwhile */
export async function setArchived(
  tx: TenantTx,
  id: string,
  change: { archived: boolean; at: Date; by: string },
): Promise<void> {
  const query = tx.db
    .updateTable('playbooks')
    .set({ archived: change.archived, updated_at: change.at, updated_by: change.by })
    .where('organization_id', '=', tx.organizationId)
    .where('id', '=', id)
  await unlessTaken('this name', query.execute())
}

const columnsOf = (draft: Draft) => ({
  name: draft.name,
  description: draft.description,
  tlp: draft.tlp,
  version: draft.version,
  step_count: draft.stepCount,
  needs_approval: draft.needsApproval,
  updated_at: draft.at,
  updated_by: draft.by,
})

async function insertVersion(tx: TenantTx, { id, version, yaml, sha256, at }: Draft): Promise<void> {
  const { organizationId: organization_id } = tx
  const row = { organization_id, playbook_id: id, version, yaml, sha256, created_at: at }
  await tx.db.insertInto('playbook_versions').values(row).execute()
}

async function unlessTaken(name: string, write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (cause) {
    if ((cause as { constraint?: string }).constraint !== 'playbooks_name') throw cause
    const called = name === 'this name' ? name : `the name "${name}"`
    throw new AppError('conflict', `Another playbook has ${called}: choose another, or put that one away first.`, {
      cause,
    })
  }
}

const noPlaybook = () => new AppError('not_found', 'There is no such playbook.')
