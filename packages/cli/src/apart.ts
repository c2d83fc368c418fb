import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Config, StartError, serviceIdentities } from '@redoubt/server'

type AllApart = {
  readonly platform: {
    readonly urls: { readonly web: string; readonly api: string; readonly ingestion: string }
    readonly setUpLink: string | null
  }
  readonly stop: () => Promise<void>
}

/**
 * Every service in a process of its own (`redoubt start --service`), the keeper first: what production does with
 * containers, on one machine.
 * @throws StartError with the sentence of the service that does not start; the others are stopped again
 */
export async function startAllApart(config: Config, say: (line: string) => void): Promise<AllApart> {
  const children: ChildProcess[] = []
  const stop = async () => {
    // The keeper last: it holds the database.
    const [keeper, ...others] = children.splice(0)
    await Promise.all(others.map(ended))
    if (keeper) await ended(keeper)
  }
  try {
    const start = async (service: string) => {
      const { child, ready } = launch(service, environmentOf(config))
      children.push(child)
      const output = await ready
      say(`${service}, process ${child.pid}`)
      return output
    }
    await start('keeper')
    const others = serviceIdentities.filter((service) => service !== 'keeper')
    const outputs = new Map(
      await Promise.all(others.map(async (service) => [service as string, await start(service)] as const)),
    )
    const at = (service: string) => /Ready: \S+ at (\S+)/.exec(outputs.get(service) ?? '')?.[1] as string
    return {
      platform: {
        urls: { web: at('web'), api: at('api'), ingestion: at('ingestion') },
        setUpLink: /https?:\S+token=\S+/.exec(outputs.get('web') ?? '')?.[0] ?? null,
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function launch(service: string, environment: NodeJS.ProcessEnv): { child: ChildProcess; ready: Promise<string> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), 'start', '--service', service], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
    // Ctrl-C is for whoever started all of them.
    detached: true,
  })
  const ready = new Promise<string>((resolve, reject) => {
    let output = ''
    let errors = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (/^Ready: .*$/m.test(output)) resolve(output)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2000)
    })
    child.once('error', reject)
    child.once('exit', () => reject(new StartError(`${service} did not start: ${errors.trim() || output.trim()}`)))
  })
  return { child, ready }
}

const ended = (child: ChildProcess) =>
  new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done()
    child.once('exit', () => done())
    child.kill('SIGTERM')
  })

function environmentOf({ home, ports, publicUrl, keeper, runnerApiPort, logLevel }: Config): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    REDOUBT_HOME: home,
    REDOUBT_WEB_PORT: String(ports.web),
    REDOUBT_API_PORT: String(ports.api),
    REDOUBT_INGESTION_PORT: String(ports.ingestion),
    REDOUBT_KEEPER_PORT: String(keeper.port),
    REDOUBT_RUNNER_API_PORT: String(runnerApiPort),
    REDOUBT_PUBLIC_URL: publicUrl,
    REDOUBT_LOG_LEVEL: logLevel,
  }
}
