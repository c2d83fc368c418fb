import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { socketDirectory } from '../packages/server/src/platform/postgres-server.ts'

export type Undo = () => unknown

/** What was started and must be gone at the end, whether the bench finished, failed or was interrupted. */
export class Undoing {
  readonly #undos: Undo[] = []
  #running: Promise<void> | undefined

  push(undo: Undo): void {
    this.#undos.push(undo)
  }

  /**
   * Undoes everything, the latest first, and what is started meanwhile; a second caller waits for the first. One that
   * fails does not keep the rest.
   */
  run(): Promise<void> {
    this.#running ??= (async () => {
      for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) await Promise.try(undo).catch(() => undefined)
      this.#running = undefined
    })()
    return this.#running
  }
}

/** Stops the PostgreSQL of a home, if one still runs there, and removes the home. */
export async function removeHome(home: string): Promise<void> {
  const [line] = (await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const pid = Number(line)
  if (pid > 0 && isAlive(pid)) {
    // Fast shutdown: sessions are ended, nothing is waited for.
    process.kill(pid, 'SIGINT')
    for (let waitedMs = 0; waitedMs < 30_000 && isAlive(pid); waitedMs += 50) await pause(50)
  }
  // An initdb that was interrupted may still write for a moment; without its folder it gives up.
  const persistently = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }
  await rm(home, persistently)
  await rm(socketDirectory(home), persistently)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
