import { sql } from 'kysely'
import type { TenantTx } from '../../platform/tenant-tx.ts'

/*
 * What the operator sees of all organizations' data keys: never what they wrap. Row security lets these rows through for
 * an admin of the organization that runs the installation, and for nobody else.
 */

export type DataKeyRow = {
  readonly organizationId: string
  readonly organizationName: string | null
  readonly dataClass: string
  readonly versions: number
  readonly newestVersion: number
  readonly oldestAt: Date
  readonly newestAt: Date
  readonly uses: number
}
export type DataKeyPlace = Pick<DataKeyRow, 'organizationId' | 'dataClass'>

/** Lines of data keys by organization and class, after the given one. */
export async function listDataKeys(
  tx: TenantTx,
  after: DataKeyPlace | undefined,
  limit: number,
): Promise<DataKeyRow[]> {
  let query = tx.db
    .selectFrom('data_keys as k')
    .leftJoin('organizations as o', 'o.id', 'k.organization_id')
    .select(({ fn }) => [
      'k.organization_id as organizationId',
      'o.name as organizationName',
      'k.data_class as dataClass',
      fn.countAll<number>().as('versions'),
      fn.max('k.version').as('newestVersion'),
      fn.min('k.created_at').as('oldestAt'),
      fn.max('k.created_at').as('newestAt'),
      sql<number>`(array_agg(k.uses order by k.version desc))[1]`.as('uses'),
    ])
    .groupBy(['k.organization_id', 'o.name', 'k.data_class'])
  if (after)
    query = query.where(
      sql<boolean>`(k.organization_id, k.data_class) > (${after.organizationId}::uuid, ${after.dataClass})`,
    )
  return query.orderBy('k.organization_id').orderBy('k.data_class').limit(limit).execute()
}

/** Jobs on keys: those that run, then the latest that ended. */
export function listKeyJobs(tx: TenantTx) {
  return tx.db
    .selectFrom('key_jobs as j')
    .leftJoin('organizations as o', 'o.id', 'j.organization_id')
    .select([
      'j.id',
      'j.kind',
      'j.organization_id as organizationId',
      'o.name as organizationName',
      'j.data_class as dataClass',
      'j.version',
      'j.done',
      'j.total',
      'j.damaged',
      'j.state',
      'j.started_at as startedAt',
      'j.ended_at as endedAt',
    ])
    .orderBy(sql`j.state = 'running'`, 'desc')
    .orderBy('j.started_at', 'desc')
    .orderBy('j.id')
    .limit(50)
    .execute()
}
