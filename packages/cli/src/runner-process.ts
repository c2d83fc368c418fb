import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { StartError } from '@redoubt/server'

export type RunnerProcess = {
  readonly url: string
  /** True once the runner has its identity; before that it waits for an enrolment. */
  readonly enrolled: boolean
  /** Hands over a one-time enrolment token; the runner picks it up within a second. */
  enrol(controlPlane: string, token: string): void
  stop(): Promise<void>
}

/**
 * Starts the runner as a process of its own. When this process dies the runner loses its line to it and ends after the
 * step in hand, so that a killed platform leaves no stray runner on the port.
 * @throws StartError with the runner's own sentence when it does not start
 */
export async function startRunnerProcess(options: {
  home: string
  port: number
  quiet: boolean
}): Promise<RunnerProcess> {
  mkdirSync(options.home, { recursive: true, mode: 0o700 })
  const main = createRequire(import.meta.url).resolve('@redoubt/runner/main')
  const child = spawn(process.execPath, [main], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      REDOUBT_RUNNER_HOME: options.home,
      REDOUBT_RUNNER_PORT: String(options.port),
      REDOUBT_RUNNER_LOG: options.quiet ? 'warn' : 'info',
    },
    // Ctrl-C is for the platform, which then asks the runner to finish.
    detached: true,
  })
  const url = await firstLine(child)
  return {
    url,
    enrolled: existsSync(join(options.home, 'identity.json')),
    enrol(controlPlane, token) {
      writeFileSync(join(options.home, 'enrolment.json'), JSON.stringify({ controlPlane, token }), { mode: 0o600 })
    },
    stop: () =>
      new Promise((done) => {
        if (child.exitCode !== null || child.signalCode !== null) return done()
        child.once('exit', () => done())
        child.kill('SIGTERM')
      }),
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = ''
    let errors = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8')
      const url = /runner listening on (\S+)/.exec(out)?.[1]
      if (url) resolve(url)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2000)
    })
    child.once('error', (cause) =>
      reject(new StartError(`The runner could not be started: ${cause.message}.`, { cause })),
    )
    child.once('exit', () => reject(new StartError(`The runner did not start: ${errors.trim() || 'it said nothing'}`)))
  })
}
