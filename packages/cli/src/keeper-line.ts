import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AdminLine, Config, MasterKey, OperatorAnswers, Seal, SealState } from '@redoubt/server'
import { Secret } from '@redoubt/trust'
import { CommandError } from './command-error.ts'
import { readPassword } from './prompt.ts'

type Asked = Omit<OperatorAnswers, 'status'> & {
  readonly status: SealState | { readonly state: 'open' }
  /** Of a sealed keeper alone. */
  readonly unseal: SealState
}
/** A line to the keeper of REDOUBT_HOME: through its socket while it runs, else this process is the keeper. */
export type KeeperLine = {
  readonly config: Config
  readonly isRunning: boolean
  /** @throws CommandError with the keeper's sentence */
  ask<N extends keyof Asked & string>(
    name: N,
    input?: unknown,
    onProgress?: (progress: unknown) => void,
  ): Promise<Asked[N]>
}

const patienceMs = 10_000
const retryMs = 250

/**
 * Opens the line, asking people to unseal the keys where they are sealed and nothing runs.
 * @param mayMake whether a command may make the keys of a new home
 * @throws CommandError
 */
export async function withKeeper<T>(
  use: (line: KeeperLine) => Promise<T>,
  { mayMake = false }: { readonly mayMake?: boolean } = {},
): Promise<T> {
  const { KeeperError, openOperatorDesk, readConfig, refusalOf, systemClock } = await import('@redoubt/server')
  const config = readConfig()
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    const running = await runningKeeper(config)
    if (running) return use(running)
    const opened = await openOperatorDesk(config, systemClock, mayMake, askToUnseal).catch((error: unknown) => {
      // Between its start and its socket a platform holds the home already.
      if (error instanceof KeeperError && error.code === 'store_conflict' && waitedMs < patienceMs) return null
      throw refused(refusalOf(error) ?? error)
    })
    if (!opened) {
      await sleep(retryMs)
      continue
    }
    const desk = opened.desk as Readonly<Record<string, (input: unknown, tell: (progress: unknown) => void) => unknown>>
    try {
      return await use({
        config,
        isRunning: false,
        async ask(name, input = {}, onProgress = () => undefined) {
          try {
            return JSON.parse(JSON.stringify((await desk[name]?.(input, onProgress)) ?? null))
          } catch (error) {
            throw refused(refusalOf(error) ?? error)
          }
        },
      })
    } finally {
      await opened.close()
    }
  }
}

/** The line to a keeper that runs, sealed or not; null when none does. */
export async function runningKeeper(config: Config): Promise<KeeperLine | null> {
  const { adminSocketPath } = await import('@redoubt/server')
  const path = adminSocketPath(config.home)
  const line: KeeperLine = {
    config,
    isRunning: true,
    ask: async (name, input = {}, onProgress = () => undefined) =>
      (await overSocket(path, name, input, onProgress)) as never,
  }
  try {
    await line.ask('status')
    return line
  } catch (error) {
    const { code } = (error as Error).cause as { code?: string }
    // The file of a keeper that was killed is there still.
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return null
    throw error
  }
}

async function overSocket(
  socketPath: string,
  name: string,
  input: unknown,
  onProgress: (progress: unknown) => void,
): Promise<unknown> {
  const lost = (cause?: unknown) =>
    new CommandError('The platform ended before it had answered: look at its log, then try again.', { cause })
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    const asked = request({ socketPath, method: 'POST', path: `/${name}` }, resolve)
    asked.once('error', (cause) => reject(lost(cause)))
    asked.end(JSON.stringify(input))
  })
  try {
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as AdminLine
      if ('answer' in line) return line.answer
      if ('refusal' in line) throw refused(line.refusal)
      onProgress(line.progress)
    }
  } catch (error) {
    throw error instanceof CommandError ? error : lost(error)
  }
  throw lost()
}

function refused(refusal: unknown): unknown {
  if (refusal instanceof Error) return refusal
  const { code, detail } = refusal as { code: string; detail: string }
  return new CommandError(detail, { code })
}

/** Asks for the passphrase, or for one share after the other; a typo at a terminal is told and asked for again. */
export async function askToUnseal(seal: Seal): Promise<MasterKey> {
  const { refusalOf, Unsealing } = await import('@redoubt/server')
  const unsealing = new Unsealing(seal)
  for (;;) {
    const { given, needed } = unsealing.state
    try {
      const master = await unsealing.give(
        seal.means === 'passphrase'
          ? { passphrase: new Secret(await readPassword('Passphrase of the master key: ')) }
          : { share: new Secret(await readPassword(`Share ${given + 1} of the ${needed} that are needed: `)) },
      )
      if (master) return master
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal || !process.stdin.isTTY) throw refused(refusal ?? error)
      process.stderr.write(`${refusal.detail}\n`)
    }
  }
}
