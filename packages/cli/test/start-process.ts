import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

export type Started = {
  readonly child: ChildProcess
  readonly output: () => string
  /** Resolves with what the pattern matched in the output. @throws when the process ends first */
  until(pattern: RegExp): Promise<RegExpExecArray>
  /** @returns exit code, or the signal's name */
  ended(): Promise<number | string>
}

/** A real `redoubt` process with nothing of this one's environment but the path. */
export function redoubt(args: readonly string[], environment: Readonly<Record<string, string>>): Started {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      for (const listener of listeners) listener()
    })
  }
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? (signal as string))),
  )
  return {
    child,
    output: () => output,
    ended: () => ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(output)
          if (!match) return
          listeners.delete(look)
          resolve(match)
        }
        listeners.add(look)
        look()
        void ended.then((code) => reject(new Error(`ended with ${code} before it said ${pattern}:\n${output}`)))
      }),
  }
}

/** Environment of an installation on ports that are free at this moment. */
export async function environmentOf(home: string): Promise<Record<string, string>> {
  const [web, api, ingestion, runner, runners] = await Promise.all([1, 2, 3, 4, 5].map(freePort))
  return {
    REDOUBT_HOME: home,
    REDOUBT_WEB_PORT: String(web),
    REDOUBT_API_PORT: String(api),
    REDOUBT_INGESTION_PORT: String(ingestion),
    REDOUBT_RUNNER_PORT: String(runner),
    REDOUBT_RUNNER_API_PORT: String(runners),
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
