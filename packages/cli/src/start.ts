import { join } from 'node:path'
import { type Config, type Platform, readConfig, startPlatform } from '@redoubt/server'
import { startRunnerProcess } from './runner-process.ts'

/** `redoubt start`: the platform in this process, the runner in a second one, until SIGTERM or Ctrl-C. */
export async function start(): Promise<void> {
  const config = readConfig()
  const signal = stopSignal()
  const began = performance.now()
  const say = (line: string) => process.stdout.write(`  ✓ ${line}\n`)
  process.stdout.write(`Redoubt starts in ${config.home}\n`)
  const running = await startAll(config, say)
  process.stdout.write(
    `\nReady after ${((performance.now() - began) / 1000).toFixed(1)} s. The console is at ${config.publicUrl}\n`,
  )
  if (running.platform.setUpLink) {
    process.stdout.write(`\nSet it up within 15 minutes, once, at\n  ${running.platform.setUpLink}\n`)
  }
  process.stdout.write('\nStop with Ctrl-C.\n')
  await signal
  await stopAndExit(running.stop)
}

/** Platform and runner; whatever started is stopped again when a later part does not. */
export async function startAll(
  config: Config,
  say: (line: string) => void,
): Promise<{ platform: Platform; stop: () => Promise<void> }> {
  const platform = await startPlatform(config, { onStep: say })
  try {
    const runner = await startRunnerProcess({
      home: join(config.home, 'runner'),
      port: config.ports.runner,
      quiet: true,
    })
    say(`runner at ${runner.url} (process of its own${runner.enrolled ? '' : ', waits for the first organization'})`)
    const stopEnrolling = runner.enrolled
      ? () => undefined
      : platform.onLocalRunner((token) => runner.enrol(platform.urls.api, token))
    return {
      platform,
      stop: async () => {
        stopEnrolling()
        await runner.stop()
        await platform.stop()
      },
    }
  } catch (error) {
    await platform.stop()
    throw error
  }
}

/** Resolves at SIGTERM or SIGINT. Asked for before the start, so that a signal during it is kept, not deadly half-way. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve())
  })
}

/** Stops what runs and ends the process; further signals change nothing. */
export async function stopAndExit(stop: () => Promise<void>): Promise<void> {
  process.stdout.write('\nStopping: requests and jobs in hand finish first.\n')
  await stop()
  process.stdout.write('Stopped.\n')
  process.exit(0)
}
