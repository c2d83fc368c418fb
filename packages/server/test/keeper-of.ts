import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { databaseSecrets } from '../src/keeper/database-secrets.ts'
import { directClient } from '../src/keeper/direct-client.ts'
import { type KeeperConfig, openKeeper } from '../src/keeper/open-keeper.ts'
import { type Clock, systemClock } from '../src/platform/clock.ts'
import { type DatabaseSecrets, type ServiceRole, serviceOfRole, serviceRoles } from '../src/platform/database-roles.ts'
import type { Stop } from '../src/platform/kernel.ts'
import { equip, type Ground, type ServiceParts } from '../src/services/kernel.ts'

/** The embedded defaults, for a home. */
export const keeperConfig = (home: string): KeeperConfig => ({
  home,
  trustDomain: 'redoubt.internal',
  masterKey: { kind: 'file' },
  secretStore: { kind: 'embedded' },
})

/** A keeper of its own over a copy of a home's keys: what it rotates, no other test sees. */
export async function keeperOf(home: string, from: string, clock: Clock) {
  await cp(join(from, 'keys'), join(home, 'keys'), { recursive: true })
  const { keeper } = await openKeeper(keeperConfig(home), clock)
  return { keeper, secrets: await databaseSecrets(keeper.store) }
}

/** Every service with its own line to the keeper, its own keys, role and pool, as in production. */
export async function equipAll(
  ground: Ground,
  keeper: Parameters<typeof directClient>[0],
  connections: number,
): Promise<{ parts: Record<ServiceRole, ServiceParts>; stop: Stop }> {
  const parts = {} as Record<ServiceRole, ServiceParts>
  for (const role of serviceRoles)
    parts[role] = await equip(ground, directClient(keeper, serviceOfRole[role]), { role, connections })
  return { parts, stop: async () => void (await Promise.all(serviceRoles.map((role) => parts[role].stop()))) }
}

/** What prepares the database of a home; its keys are made when there are none. */
export async function secretsOf(home: string): Promise<DatabaseSecrets> {
  const { keeper } = await openKeeper(keeperConfig(home), systemClock)
  const secrets = await databaseSecrets(keeper.store)
  await keeper.close()
  return secrets
}
