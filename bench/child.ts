import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Undoing } from './undo.ts'

/** A process of the bench's own, which runs a part of the product away from the load generator. */
export type Child<Ready> = {
  readonly ready: Ready
  /** Resident memory in bytes. */
  residentBytes(): Promise<number>
  stop(): Promise<void>
}

/**
 * Starts `file` of this folder and waits until it says that it is ready.
 * Throws with the child's last words when it ends before that.
 */
export async function startChild<Ready>(undoing: Undoing, file: string, settings: object): Promise<Child<Ready>> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    // A group of its own: Ctrl-C reaches the bench alone, which then stops its children in order.
    detached: true,
  })
  undoing.push(() => end(child))
  let lastWords = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString('utf8')).slice(-2000)
  })
  const next = <T>(): Promise<T> =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`${file} ended: ${lastWords.trim() || 'it said nothing'}`))
      child.once('exit', ended)
      child.once('message', (message) => {
        child.off('exit', ended)
        resolve(message as T)
      })
    })
  const ready = await next<Ready>()
  return {
    ready,
    residentBytes() {
      const answer = next<number>()
      child.send('residentBytes')
      return answer
    },
    stop: () => end(child),
  }
}

/** SIGTERM, and after half a minute SIGKILL. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise<void>((done) => child.once('exit', () => done()))
  child.kill('SIGTERM')
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await exited
  clearTimeout(tooLong)
}

/** The child's side: tells that it is ready, answers, and ends with the bench or at its word. */
export function serveParent(ready: unknown, stop: () => Promise<unknown>): void {
  const finish = () => stop().finally(() => process.exit(0))
  process.once('SIGTERM', finish)
  process.once('disconnect', finish)
  process.on('message', () => process.send?.(process.memoryUsage.rss()))
  process.send?.(ready)
}

/** The child's side: what the bench told it. */
export const settingsOf = <T>(): T => JSON.parse(process.argv[2] as string) as T
