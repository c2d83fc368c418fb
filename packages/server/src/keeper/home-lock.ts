import { closeSync, openSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { KeeperError } from './keeper-error.ts'

const retryMs = 100
const busy = 5

/**
 * Holds the keeper's files of a home for this process alone: a second one would write from what it read before the first
 * one's changes, and undo them. The lock is the operating system's (through SQLite), so a killed process leaves nothing.
 * @returns lets go
 * @throws KeeperError `store_conflict` when another process holds it for `waitMs`
 */
export async function holdHome(home: string, waitMs: number): Promise<() => void> {
  const folder = join(home, 'keys')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const lock = open(join(folder, 'keeper.lock'))
  for (let waitedMs = 0; !tryToLock(lock); waitedMs += retryMs) {
    if (waitedMs >= waitMs) {
      lock.close()
      throw new KeeperError(
        'store_conflict',
        `Redoubt runs already on ${home}: stop it first, or set REDOUBT_HOME to another folder.`,
      )
    }
    await sleep(retryMs)
  }
  return () => lock.close()
}

function open(path: string): DatabaseSync {
  try {
    closeSync(openSync(path, 'a', 0o600))
    return new DatabaseSync(path)
  } catch (cause) {
    throw new KeeperError('store_unavailable', `${path} cannot be opened: mend its owner and mode.`, { cause })
  }
}

function tryToLock(lock: DatabaseSync): boolean {
  try {
    // Nothing is ever written: without a journal the folder holds no more than the lock.
    lock.exec('pragma journal_mode = memory; begin exclusive')
    return true
  } catch (error) {
    if ((error as { errcode?: number }).errcode === busy) return false
    throw error
  }
}
