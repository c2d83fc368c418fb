import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { OrganizationId } from '@redoubt/contract'
import type { AdminHandlers } from '../keeper/admin-socket.ts'
import { holdHome } from '../keeper/home-lock.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { KeeperError } from '../keeper/keeper-error.ts'
import type { MasterKey } from '../keeper/master-key.ts'
import { openKeeper } from '../keeper/open-keeper.ts'
import type { Seal } from '../keeper/open-master.ts'
import { operatorHandlers } from '../keeper/operator-handlers.ts'
import { operatorOrganization } from '../modules/identity/index.ts'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { Database } from '../platform/database.ts'
import type { DatabaseAddress } from '../platform/database-url.ts'
import { inSystem } from '../platform/tenant-tx.ts'
import { type AuditRecord, work } from '../platform/work.ts'
import { Backups } from './backups.ts'
import { makeHome } from './ground.ts'
import { databaseAddress, inspectDatabase } from './inspection.ts'

type Means = {
  readonly keeper: Keeper
  readonly config: Config
  readonly clock: Clock
  readonly backups: Backups
  readonly address: DatabaseAddress
  acted(event: AuditRecord): void
  rotateData(): Promise<void>
}

/** All that the operator of this machine may ask for by the command line. */
export function operatorDesk({ keeper, config, backups, address, ...means }: Means) {
  return {
    ...operatorHandlers(keeper, config, means),
    ...backups.handlers(),
    'doctor.database': () => inspectDatabase(address, keeper),
  } satisfies AdminHandlers
}
export type OperatorDesk = ReturnType<typeof operatorDesk>

/** As it arrives over the socket. */
type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer E)[]
    ? Wire<E>[]
    : T extends object
      ? { [K in keyof T]: Wire<T[K]> }
      : T
/** What is answered to each request, as JSON. */
export type OperatorAnswers = { [N in keyof OperatorDesk]: Wire<Awaited<ReturnType<OperatorDesk[N]>>> }

/** Has the worker rotate every data key, as the operator's organization. */
export function rotateDataThrough(database: Database, clock: Clock): () => Promise<void> {
  return async () => {
    const organizationId = (await inSystem(database, 'authenticate', operatorOrganization)) as OrganizationId | null
    if (organizationId === null)
      throw new KeeperError('invalid', 'There are no data keys before the platform is set up.')
    const actor = { kind: 'service', id: 'keeper', name: 'keeper' } as const
    await work(database, { organizationId, actor, clock, requestId: null }, (unit) =>
      unit.enqueue('keys.rotate-data', {}, { key: 'keys.rotate-data' }),
    )
  }
}

/**
 * The same desk while nothing runs: this process is the keeper then, and alone. Nothing is rotated that was not asked for.
 * @param mayMake whether the keys of a new home may be made
 * @throws KeeperError `store_conflict` when another process has the home, `not_found` when there are no keys
 */
export async function openOperatorDesk(
  config: Config,
  clock: Clock,
  mayMake: boolean,
  unseal: (seal: Seal) => Promise<MasterKey>,
): Promise<{ readonly desk: OperatorDesk; close(): Promise<void> }> {
  const { home } = config
  // A database without its keys: new ones would lock it away for good.
  const makes = mayMake && !existsSync(join(home, 'postgres.ready'))
  if (!makes && !existsSync(join(home, 'keys')))
    throw new KeeperError('not_found', `There are no keys in ${home}: start the platform once, or set REDOUBT_HOME.`)
  await makeHome(home)
  const letGo = await holdHome(home, 0)
  try {
    const { keeper } = await openKeeper(config, clock, unseal, makes ? 'keep' : 'look')
    const acted = () => undefined
    const address = databaseAddress(config)
    const backups = new Backups({
      config,
      keeper,
      address: config.databaseUrl === undefined ? null : address,
      clock,
      acted,
    })
    const desk = operatorDesk({ keeper, config, clock, backups, address, acted, rotateData: refuseAlone })
    return {
      desk,
      async close() {
        await keeper.close()
        letGo()
      },
    }
  } catch (error) {
    letGo()
    throw error
  }
}

async function refuseAlone(): Promise<never> {
  throw new KeeperError('invalid', 'Data keys are rotated by the running platform: start it, then try again.')
}
