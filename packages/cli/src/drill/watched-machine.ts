import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { bodyOf, Door } from './http.ts'
import { cookieOf, newSecret } from './organization.ts'
import type { StolenHome } from './stolen-home.ts'

const main = join(import.meta.dirname, '..', 'main.ts')
const patienceMs = 60_000

/** What another user of the machine, or whoever reads its logs, gets to see of an installation that was really used. */
export type Watched = {
  /** All that it wrote to its terminal, with the log at its most talkative. */
  readonly said: string
  /** Command line and environment of each of its processes; null where the machine does not show them as files. */
  readonly processes: readonly string[] | null
  /** Its secrets, and what people typed or were given. */
  readonly secrets: readonly string[]
}
type Environment = Readonly<Record<string, string>>

/** Starts `redoubt start` as everybody does, in a process of its own. */
export class WatchedMachine {
  readonly #thief: StolenHome
  #watched: Promise<Watched> | undefined

  constructor(thief: StolenHome) {
    this.#thief = thief
  }

  /** Starts with this environment and nothing else; what starts after all is ended. @returns what it said at its end */
  async start(environment: Environment): Promise<{ started: boolean; said: string }> {
    const home = await this.#thief.folder()
    const { child, said, ready } = await launch(home, environment)
    const started = await ready
    await end(child)
    return { started, said: said() }
  }

  watched(): Promise<Watched> {
    this.#watched ??= this.#watch()
    return this.#watched
  }

  async #watch(): Promise<Watched> {
    const home = await this.#thief.folder()
    const { child, said, ready, ports } = await launch(home, { REDOUBT_LOG_LEVEL: 'debug' })
    try {
      if (!(await ready)) throw new Error(`redoubt start ended: ${said().slice(-400)}`)
      const typed = await use(ports, said())
      const processes = existsSync('/proc') ? await processesBelow(child.pid ?? 0) : null
      await end(child)
      return { said: said(), processes, secrets: [...typed, ...(await this.#thief.secrets(home))] }
    } finally {
      await end(child)
    }
  }
}

type Ports = { readonly web: number; readonly api: number }

async function launch(home: string, environment: Environment) {
  const [web, api, ingestion, runner, runners] = (await freePorts(5)) as [number, number, number, number, number]
  const child = spawn(process.execPath, [main, 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: {
      PATH: process.env['PATH'],
      REDOUBT_HOME: home,
      REDOUBT_WEB_PORT: String(web),
      REDOUBT_API_PORT: String(api),
      REDOUBT_INGESTION_PORT: String(ingestion),
      REDOUBT_RUNNER_PORT: String(runner),
      REDOUBT_RUNNER_API_PORT: String(runners),
      ...environment,
    },
  })
  let text = ''
  const ready = new Promise<boolean>((answer) => {
    const timer = setTimeout(() => answer(false), patienceMs)
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
        if (text.includes('Stop with Ctrl-C')) answer(true)
      })
    child.once('exit', () => answer(false))
    child.once('exit', () => clearTimeout(timer))
  })
  return { child, said: () => text, ready, ports: { web, api } }
}

/** Sets the platform up and signs in, rightly and wrongly. @returns what was typed, and what was given for it */
async function use({ web, api }: Ports, said: string): Promise<string[]> {
  const doors = { web: new Door(`http://127.0.0.1:${web}`), api: new Door(`http://127.0.0.1:${api}`) }
  const token = /[?&]token=([\w-]+)/.exec(said)?.[1]
  const account = { email: `${newSecret('operator')}@people.example`, password: newSecret('pass') }
  const wrong = newSecret('wrong')
  bodyOf(await doors.web.call('auth.setUp', { token, organization: 'Watched', name: 'Operator', ...account }))
  const entered = await doors.web.call('auth.signIn', account)
  const tokens = bodyOf<{ accessToken: string; refreshToken: string }>(
    await doors.api.post('/api/v1/auth/login', account),
  )
  await doors.api.post('/api/v1/auth/login', { ...account, password: wrong })
  await doors.api.get('/api/v1/cases', { authorization: `Bearer ${tokens.accessToken}x` })
  const cookie = cookieOf(entered.headers['set-cookie']).split('=')[1] ?? ''
  return [account.email, account.password, wrong, tokens.accessToken, tokens.refreshToken, cookie]
}

/** A process and all it started: what `ps` and a debugger show of them. */
async function processesBelow(root: number): Promise<string[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    parents.set(Number(name), Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0))
  }
  const isBelow = (pid: number): boolean => pid === root || (parents.has(pid) && isBelow(parents.get(pid) ?? 0))
  const shown = [...parents.keys()].filter(isBelow).map(async (pid) => {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')
    return `${await read('cmdline')}\n${await read('environ')}`
  })
  return Promise.all(shown)
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done()
    child.once('exit', () => done())
    child.kill('SIGTERM')
  })
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>((ready) => server.listen(0, '127.0.0.1', () => ready(server)))
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}
