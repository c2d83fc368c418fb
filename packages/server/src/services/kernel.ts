import { Secret } from '@redoubt/trust'
import { rotationRules } from '../keeper/rotation-rules.ts'
import { type Database, openDatabase } from '../platform/database.ts'
import { type ServiceRole, serviceOfRole } from '../platform/database-roles.ts'
import type { DatabaseAddress } from '../platform/database-url.ts'
import { Fields } from '../platform/fields.ts'
import type { KeeperClient } from '../platform/keeper-protocol.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { LiveFeed } from '../platform/live.ts'
import type { ServiceLogin } from '../platform/prepare-database.ts'
import { type Credentials, keepIdentity, newCredentials } from '../platform/service-identity.ts'
import { showSigningKey } from '../platform/signing-key-display.ts'
import { SigningKeys } from '../platform/signing-keys.ts'
import { productVersion } from '../platform/version.ts'

/** What every service of a process shares; nothing of it is a key. */
export type Ground = Pick<Kernel, 'config' | 'clock' | 'log' | 'metrics'> & { readonly address: DatabaseAddress }

/** A service's own means: its line to the keeper, its keys, its database role and pool. */
export type ServiceParts = {
  readonly kernel: Kernel
  readonly database: Database
  /** For the job queue, which opens connections of its own. */
  readonly login: ServiceLogin
  /** Follows what changes; ends with the service. */
  follow(): Promise<LiveFeed>
  readonly stop: Stop
}

/**
 * Fetches what a service needs from the keeper, once, and opens its pool.
 * @param known its credentials, where the line to the keeper needs them already
 * @throws KeeperRefusal, StartError
 */
export async function equip(
  ground: Ground,
  keeper: KeeperClient,
  { role, connections }: { readonly role: ServiceRole; readonly connections?: number },
  known?: Credentials,
): Promise<ServiceParts> {
  const { address, ...shared } = ground
  const service = serviceOfRole[role]
  const { trustDomain } = ground.config
  const credentials =
    known ?? newCredentials(service, trustDomain, (await keeper.call('identity.trust', {})).rootsPem, ground.clock)
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const { clock, log } = ground
    // First: apart, the keeper tells nothing else to a service without its certificate.
    stops.push(await keepIdentity({ keeper, credentials, clock, log, version: productVersion }))
    const read = async (name: string) =>
      (await keeper.call('secret.read', { path: `database/${service}/${name}` })).value
    const password = new Secret(await read('password'))
    const contextKey = new Secret(Buffer.from(await read('context-key'), 'base64'))
    const open = async (size?: number) => {
      const options = size === undefined ? {} : { connections: size }
      const database = await openDatabase(address, role, password, contextKey, options)
      stops.push(() => database.close())
      return database
    }
    const database = await open(connections)
    const fields = new Fields(keeper, await open(1), ground.clock)
    stops.push(async () => fields.close())
    const line = async (use: Parameters<typeof SigningKeys.fetch>[1]) => {
      const { keyMaxAgeMs } = ground.config
      const maxAgeMs = use === 'checkpoint' ? rotationRules.checkpoint.periodMs + keyMaxAgeMs : keyMaxAgeMs
      const keys = await SigningKeys.fetch(keeper, use, { clock, maxAgeMs })
      stops.push(async () => keys.close())
      showSigningKey(ground, service, keys)
      return keys
    }
    const signing = { access: await line('access'), plan: await line('plan'), checkpoint: await line('checkpoint') }
    return {
      kernel: { ...shared, keeper, signing, fields, certificate: credentials.holder },
      database,
      follow: async () => {
        const live = new LiveFeed(database, ground.log)
        await live.start()
        stops.push(async () => live.stop())
        return live
      },
      login: { ...address, user: role, password: password.reveal(), contextKey },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
