import type { OrganizationId } from '@redoubt/contract'
import { importVerifyingKey } from '@redoubt/trust'
import { databaseSecrets } from '../keeper/database-secrets.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { inspectLog, type LogState } from '../modules/audit/index.ts'
import { listRunners } from '../modules/playbooks/index.ts'
import { listOrganizations } from '../modules/tenancy/index.ts'
import { StartError } from '../platform/app-error.ts'
import type { Config } from '../platform/config.ts'
import { type Database, openDatabase } from '../platform/database.ts'
import { type ServiceRole, serviceRoles } from '../platform/database-roles.ts'
import { addressOf, type DatabaseAddress } from '../platform/database-url.ts'
import { embeddedAddress } from '../platform/postgres-server.ts'
import { inSystem, inTenant } from '../platform/tenant-tx.ts'

/** What the doctor learns from the database, each fact under the role of the service that owns it. */
export type DatabaseInspection = {
  /** Of PostgreSQL, such as `18.4`. */
  readonly version: string
  /** The database's clock minus this machine's, in milliseconds. */
  readonly clockSkewMs: number
  /** Roles that the boot check refuses, each with its sentence (TEN-1). */
  readonly unsafe: readonly { readonly role: ServiceRole; readonly problem: string }[]
  /** Empty when a role that is needed to look is unsafe. */
  readonly organizations: readonly {
    readonly slug: string
    readonly log: LogState
    /** Those that are not revoked. */
    readonly runners: readonly { readonly name: string; readonly lastSeenAt: Date | null }[]
  }[]
}

/** Where the database of a configuration is: `DATABASE_URL`, or the embedded cluster of the home. */
export function databaseAddress(config: Config): DatabaseAddress {
  if (config.databaseUrl === undefined) return { ...embeddedAddress(config.home), database: 'redoubt' }
  const { user: _user, ...address } = addressOf(config.databaseUrl)
  return address
}

/**
 * Looks at the database as each service would, and changes nothing.
 * @throws StartError when it cannot be reached
 */
export async function inspectDatabase(address: DatabaseAddress, keeper: Keeper): Promise<DatabaseInspection> {
  // Looking would otherwise make the passwords that the first start makes.
  if (!(await keeper.store.read('database/api/password')))
    throw new StartError(`The database ${address.database} was never prepared: start the platform once.`)
  const { rolePasswords, contextKeys } = await databaseSecrets(keeper.store)
  const checkpointKeys = (await keeper.line('checkpoint')).map(({ material }) => ({
    verifying: importVerifyingKey(material),
    succession: material.succession ?? null,
  }))
  const open = new Map<ServiceRole, Database>()
  const unsafe: DatabaseInspection['unsafe'][number][] = []
  try {
    for (const role of serviceRoles) {
      try {
        open.set(role, await openDatabase(address, role, rolePasswords[role], contextKeys[role], { connections: 1 }))
      } catch (error) {
        if (!(error instanceof StartError)) throw unreachable(address, error)
        unsafe.push({ role, problem: error.message })
      }
    }
    const [any] = open.values()
    const facts = any === undefined ? { version: 'unknown', clockSkewMs: 0 } : await serverFacts(any)
    // Each as the service whose grants cover it.
    const [api, worker, workflow] = [open.get('redoubt_api'), open.get('redoubt_worker'), open.get('redoubt_workflow')]
    if (!api || !worker || !workflow) return { ...facts, unsafe, organizations: [] }
    const organizations: DatabaseInspection['organizations'][number][] = []
    for (const { id, slug } of await inSystem(api, 'sweep', listOrganizations)) {
      const organizationId = id as OrganizationId
      const look = { service: 'doctor' }
      const log = await inTenant(worker, organizationId, look, (tx) => inspectLog(tx, checkpointKeys), 'read')
      const runners = await inTenant(workflow, organizationId, look, listRunners, 'read')
      organizations.push({ slug, log, runners: runners.filter(({ revokedAt }) => revokedAt === null) })
    }
    return { ...facts, unsafe, organizations }
  } finally {
    await Promise.all([...open.values()].map((database) => database.close()))
  }
}

async function serverFacts({ pool }: Database): Promise<{ version: string; clockSkewMs: number }> {
  const asked = Date.now()
  const { rows } = await pool.query<{ version: string; now: Date }>(
    `select current_setting('server_version') as version, clock_timestamp() as now`,
  )
  const [row] = rows
  if (!row) throw new StartError('The database does not tell its version.')
  // Halfway between question and answer is the best guess of when it looked at its clock.
  return { version: row.version, clockSkewMs: Math.round(row.now.getTime() - (asked + Date.now()) / 2) }
}

function unreachable({ database, host, port }: DatabaseAddress, cause: unknown): StartError {
  const { code, message } = cause as { code?: string; message?: string }
  const why = code === '28P01' ? 'it refuses the passwords of this home' : (code ?? message)
  return new StartError(`The database ${database} at ${host}:${port} cannot be reached: ${why}.`, { cause })
}
