import { randomBytes } from 'node:crypto'
import { Secret } from '@redoubt/trust'
import { type DatabaseSecrets, serviceOfRole, serviceRoles } from '../platform/database-roles.ts'
import { KeeperError } from './keeper-error.ts'
import type { SecretPath, SecretStore } from './secret-store.ts'

const password = () => randomBytes(24).toString('base64url')
const key = () => randomBytes(32).toString('base64')

/** What prepares the database: every role's password and context key, made on the first start. */
export async function databaseSecrets(store: SecretStore): Promise<DatabaseSecrets> {
  const perRole = async <T>(name: string, make: () => string, read: (text: string) => T) =>
    Object.fromEntries(
      await inOrder(serviceRoles, async (role) => {
        const value = await ensure(store, `database/${serviceOfRole[role]}/${name}`, make)
        return [role, new Secret(read(value.reveal()))] as const
      }),
    ) as Record<(typeof serviceRoles)[number], Secret<T>>
  return {
    superuserPassword: await ensure(store, 'database/embedded/superuser', password),
    ownerPassword: await ensure(store, 'database/embedded/owner', password),
    rolePasswords: await perRole('password', password, (text) => text),
    contextKeys: await perRole('context-key', key, (text) => Buffer.from(text, 'base64')),
  }
}

/** Of the role that reads every row for backups. */
export const backupPassword = (store: SecretStore): Promise<Secret<string>> =>
  ensure(store, 'database/backup/password', password)

/** The secret at a path, made when there is none; of two that make it at once, the first one's counts. */
export async function ensure(store: SecretStore, path: SecretPath, make: () => string): Promise<Secret<string>> {
  const stored = await store.read(path)
  if (stored) return stored.value
  const made = new Secret(make())
  try {
    await store.write(path, made, 0)
    return made
  } catch (error) {
    if (!(error instanceof KeeperError) || error.code !== 'store_conflict') throw error
    return ensure(store, path, make)
  }
}

async function inOrder<T, R>(items: readonly T[], use: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await use(item))
  return results
}
