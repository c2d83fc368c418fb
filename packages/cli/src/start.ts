import { join } from 'node:path'
import {
  type Config,
  type Platform,
  readConfig,
  StartError,
  serviceIdentities,
  startApart,
  startKeeper,
  startPlatform,
} from '@redoubt/server'
import { startRunnerProcess } from './runner-process.ts'

/** `redoubt start`: the platform in this process, the runner in a second one, until SIGTERM or Ctrl-C. */
export async function start(): Promise<void> {
  const config = readConfig()
  const signal = stopSignal()
  const began = performance.now()
  const say = (line: string) => process.stdout.write(`  ✓ ${line}\n`)
  process.stdout.write(`Redoubt starts in ${config.home}\n`)
  const given = givenUpBy(signal)
  const running = await startAll(config, say, given).catch(endIfGivenUp(given))
  process.stdout.write(
    `\nReady after ${((performance.now() - began) / 1000).toFixed(1)} s. The console is at ${config.publicUrl}\n`,
  )
  if (running.platform.setUpLink) {
    process.stdout.write(`\nSet it up within 15 minutes, once, at\n  ${running.platform.setUpLink}\n`)
  }
  process.stdout.write('\nStop with Ctrl-C.\n')
  await stayUntil(signal)
  await stopAndExit(running.stop)
}

/**
 * `redoubt start --service NAME`: one service in this process, until SIGTERM or Ctrl-C. The keeper goes first; the others
 * prove themselves to it with the identity file of their home.
 */
export async function startService(name: string): Promise<void> {
  const service = serviceIdentities.find((each) => each === name)
  if (!service) throw new StartError(`There is no service ${name}; there are ${serviceIdentities.join(', ')}.`)
  const config = readConfig()
  const signal = stopSignal()
  const onStep = (line: string) => process.stdout.write(`  ✓ ${line}\n`)
  const given = givenUpBy(signal)
  const starting =
    service === 'keeper' ? startKeeper(config, { onStep, signal: given }) : startApart(config, service, { onStep })
  const running = await starting.catch(endIfGivenUp(given))
  const link = await running.setUpLink()
  if (link) process.stdout.write(`\nSet it up within 15 minutes, once, at\n  ${link}\n`)
  process.stdout.write(`\nReady: ${service}${running.url ? ` at ${running.url}` : ''}\n`)
  await stayUntil(signal)
  await stopAndExit(running.stop)
}

/** Platform and runner; whatever started is stopped again when a later part does not. */
export async function startAll(
  config: Config,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<{ platform: Platform; stop: () => Promise<void> }> {
  const platform = await startPlatform(config, { onStep: say, ...(signal ? { signal } : {}) })
  try {
    const runner = await startRunnerProcess({
      home: join(config.home, 'runner'),
      port: config.ports.runner,
      quiet: true,
    })
    say(`runner at ${runner.url} (process of its own${runner.enrolled ? '' : ', waits for the first organization'})`)
    const stopEnrolling = runner.enrolled
      ? () => undefined
      : platform.onLocalRunner((token) => runner.enrol(platform.urls.runners, token))
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

/** Sealed keys may wait for people for days: a signal ends that wait, where it otherwise lets a start come to its end. */
function givenUpBy(signal: Promise<void>): AbortSignal {
  const given = new AbortController()
  void signal.then(() => given.abort())
  return given.signal
}

/** A start that was given up is no failure for whoever asked it to end. */
function endIfGivenUp(given: AbortSignal): (error: unknown) => never {
  return (error) => {
    if (!given.aborted || !(error instanceof StartError)) throw error
    process.stdout.write(`\n${error.message}\n`)
    process.exit(0)
  }
}

/** Keeps the process until the signal: a service that stands by may have nothing else that would. */
async function stayUntil(signal: Promise<void>): Promise<void> {
  const alive = setInterval(() => undefined, 2 ** 30)
  await signal
  clearInterval(alive)
}

/** Stops what runs and ends the process; further signals change nothing. */
export async function stopAndExit(stop: () => Promise<void>): Promise<void> {
  process.stdout.write('\nStopping: requests and jobs in hand finish first.\n')
  await stop()
  process.stdout.write('Stopped.\n')
  process.exit(0)
}
