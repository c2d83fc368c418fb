import { systemTimers, type Timers } from '@redoubt/trust'
import { openAdminSocket, waitForUnseal } from '../keeper/admin-socket.ts'
import { directClient } from '../keeper/direct-client.ts'
import { holdHome } from '../keeper/home-lock.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { KeeperError } from '../keeper/keeper-error.ts'
import { openKeeper } from '../keeper/open-keeper.ts'
import { wrappedCount } from '../keeper/wrapped-count.ts'
import { StartError } from '../platform/app-error.ts'
import type { Clock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import { describe } from '../platform/http.ts'
import type { Stop } from '../platform/kernel.ts'
import { createLog, type Log } from '../platform/log.ts'
import { createMetrics } from '../platform/metrics.ts'
import { startBackupSchedule } from './backup-schedule.ts'
import { Backups } from './backups.ts'
import { layGround, makeHome } from './ground.ts'
import { keeperTrail } from './keeper-trail.ts'
import { equip, type Ground, type ServiceParts } from './kernel.ts'
import { operatorDesk, rotateDataThrough } from './operator.ts'
import { openSealedDoors } from './sealed-doors.ts'

/** The keeper over its ground: what both ways of running need, one process or many. */
export type KeeperCore = {
  readonly keeper: Keeper
  readonly ground: Ground
  /** The keeper's own role and certificate. */
  readonly parts: ServiceParts
  readonly trail: ReturnType<typeof keeperTrail>
}

/**
 * Opens the keeper, waiting for people where it is sealed, and lays the ground: database, roles, the trail of what it
 * refuses, the socket of this machine's operator.
 * @param stops what undoes it, in order
 * @param given ends the wait for people
 * @throws StartError one clear sentence
 */
export async function startKeeperCore(
  config: Config,
  clock: Clock,
  stops: Stop[],
  onStep: (line: string) => void,
  given?: AbortSignal,
): Promise<KeeperCore> {
  await makeHome(config.home)
  // A command that holds the keys for a moment, such as redoubt secret list, lets go soon.
  stops.push(await holdHome(config.home, 5000).then((letGo) => async () => letGo(), asStartError))
  const { keeper, created } = await openKeeper(config, clock, async (seal) => {
    const closeDoors = await openSealedDoors(config)
    const needed = seal.shares ? `${seal.shares.threshold} of its ${seal.shares.count} shares` : 'its passphrase'
    const say = () => onStep(`sealed: waits for ${needed} (redoubt unseal); health says sealed, nothing else is served`)
    try {
      return await waitForUnseal(config.home, seal, say, given)
    } finally {
      await closeDoors()
    }
  }).catch(asStartError)
  stops.push(() => keeper.close())
  onStep(created ? `keys made in ${config.home}/keys` : `keys opened in ${config.home}/keys`)
  const log = createLog(config)
  const address = await layGround(config, keeper, log, stops, onStep)
  const ground = { config, clock, log, metrics: createMetrics(), address }
  const parts = await equip(ground, directClient(keeper, 'keeper'), { role: 'redoubt_keeper', connections: 4 })
  stops.push(parts.stop)
  keeper.lookBeforeRetiring(wrappedCount(parts.database))
  const trail = keeperTrail(parts.kernel, parts.database)
  stops.push(() => trail.settled())
  keeper.onRefusal(trail.refused)
  const { acted } = trail
  const backups = new Backups({ config, keeper, address, clock, acted })
  const rotateData = rotateDataThrough(parts.database, clock)
  const desk = operatorDesk({ keeper, config, clock, backups, address, acted, rotateData })
  const onFailure = (error: unknown) => log.error({ err: describe(error) }, 'a command of the operator failed')
  stops.push(await openAdminSocket(config.home, desk, { onFailure }))
  stops.push(backups.stop)
  stops.push(startBackupSchedule(backups, config, clock, log))
  stops.push(tendRegularly(keeper, log))
  return { keeper, ground, parts, trail }
}

const tendEveryMs = 60_000

/** Rotates what is due and destroys what has ended, every minute until stopped. */
function tendRegularly(keeper: Keeper, log: Log, timers: Timers = systemTimers): Stop {
  let stopped = false
  let tending: Promise<void> = Promise.resolve()
  const again = (): (() => void) =>
    timers.after(tendEveryMs, () => {
      tending = keeper
        .tend()
        .catch((error) => log.error({ err: describe(error) }, 'keys could not be tended and will be tried again'))
        .then(() => {
          if (!stopped) cancel = again()
        })
    })
  let cancel = again()
  return async () => {
    stopped = true
    cancel()
    await tending
  }
}

export function asStartError(error: unknown): never {
  throw error instanceof KeeperError ? new StartError(error.message, { cause: error }) : error
}
