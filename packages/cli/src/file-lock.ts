import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const retryMs = 50

/**
 * Runs `use` while this process alone holds the lock file. The lock is SQLite's, which is the operating system's: it
 * ends with the process that holds it, so that a killed command leaves nothing stale to take over, and no two commands
 * can take over at once.
 * @throws Error when another process holds the lock for `waitMs`
 */
export async function withFileLock<T>(path: string, waitMs: number, use: () => Promise<T>): Promise<T> {
  closeSync(openSync(path, 'a', 0o600))
  const lock = new DatabaseSync(path)
  try {
    for (let waitedMs = 0; !tryToLock(lock); waitedMs += retryMs) {
      if (waitedMs >= waitMs) {
        throw new Error(`Another command has held ${path} for ${waitMs / 1000} s: wait for it to end, or stop it.`)
      }
      await sleep(retryMs)
    }
    return await use()
  } finally {
    lock.close()
  }
}

const busy = 5

function tryToLock(lock: DatabaseSync): boolean {
  try {
    lock.exec('begin exclusive')
    return true
  } catch (error) {
    if ((error as { errcode?: number }).errcode === busy) return false
    throw error
  }
}
