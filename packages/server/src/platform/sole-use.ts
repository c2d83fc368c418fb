import { systemTimers, type Timers } from '@redoubt/trust'
import pg from 'pg'
import { StartError } from './app-error.ts'
import type { Login } from './database-url.ts'
import type { Stop } from './kernel.ts'
import type { Log } from './log.ts'
import { withClient } from './prepare-database.ts'

const lockKey = 'redoubt.platform'
const take = 'select pg_try_advisory_lock(hashtext($1)) as held'

/**
 * One platform per database: a lock of a session of its own, so that a killed process leaves nothing to clean up. When the
 * database ends in between the lock is gone with it; it is taken again as soon as the database is back.
 * @param where for the sentence: the home or the database that is in use
 * @throws StartError when another platform holds it
 */
export async function holdAlone(owner: Login, where: string, log: Log, timers: Timers = systemTimers): Promise<Stop> {
  // Says in one sentence why the database cannot be reached.
  await withClient(owner, async () => undefined)
  let stopped = false
  let told = false
  let cancel = () => {}
  let client: pg.Client | null = null

  /** @returns whether the lock is ours now */
  async function hold(): Promise<boolean> {
    const next = new pg.Client({
      ...owner,
      application_name: 'redoubt.lock',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    next.on('error', () => undefined)
    await next.connect()
    const { rows } = await next.query<{ held: boolean }>(take, [lockKey]).catch(async (error) => {
      await next.end()
      throw error
    })
    if (!rows[0]?.held || stopped) {
      await next.end()
      return false
    }
    client = next
    next.once('end', () => {
      client = null
      if (!stopped) again(250)
    })
    return true
  }

  function again(ms: number): void {
    cancel = timers.after(ms, async () => {
      const held = await hold().catch(() => null)
      if (held || stopped) return
      if (held === false && !told) {
        told = true
        log.error({ where }, 'another Redoubt has begun on this database while it was away: stop one of both')
      }
      again(Math.min(ms * 2, 5000))
    })
  }

  if (!(await hold()))
    throw new StartError(`Redoubt runs already on ${where}: stop it first, or set REDOUBT_HOME to another folder.`)
  return async () => {
    stopped = true
    cancel()
    await client?.end()
  }
}

/** Whether no platform holds the database: only then may the embedded one be stopped. */
export async function isAlone(owner: Login): Promise<boolean> {
  return withClient(owner, async (client) => {
    const { rows } = await client.query<{ held: boolean }>(take, [lockKey])
    return rows[0]?.held === true
  }).catch(() => false)
}
