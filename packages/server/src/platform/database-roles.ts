import type { Secret } from '@redoubt/trust'
import type { ServiceIdentity } from './keeper-protocol.ts'

/** The login role of each service (SVC-2); none owns a table or bypasses row security. */
export const serviceOfRole = {
  redoubt_web: 'web',
  redoubt_api: 'api',
  redoubt_ingestion: 'ingestion',
  redoubt_worker: 'worker',
  redoubt_workflow: 'workflow-processor',
  redoubt_misp: 'misp-processor',
  redoubt_search: 'search-sync',
  redoubt_keeper: 'keeper',
} as const satisfies Record<string, ServiceIdentity>
export type ServiceRole = keyof typeof serviceOfRole
export const serviceRoles = Object.keys(serviceOfRole) as readonly ServiceRole[]

/** What prepares a database. Each service learns its own password and context key alone. */
export type DatabaseSecrets = {
  /** Of the embedded cluster. */
  readonly superuserPassword: Secret<string>
  readonly ownerPassword: Secret<string>
  readonly rolePasswords: Readonly<Record<ServiceRole, Secret<string>>>
  /** 32 bytes per role: seals the tenant context (TEN-2). */
  readonly contextKeys: Readonly<Record<ServiceRole, Secret<Buffer>>>
}
