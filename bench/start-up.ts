import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { startPostgres } from '../packages/server/src/platform/postgres-server.ts'
import { end, startChild } from './child.ts'
import { temporaryHome } from './cluster.ts'
import { freePorts } from './ports.ts'
import type { Figure } from './report.ts'
import { median } from './sample.ts'
import type { Undoing } from './undo.ts'

const rounds = 3
type Round = { readonly cold: number; readonly warm: number; readonly bareCold: number; readonly bareWarm: number }

const cli = join(import.meta.dirname, '..', 'packages', 'cli', 'src', 'main.ts')

/**
 * `redoubt start` on an empty home and once more on the same one, from the spawn to the line that says it is ready;
 * against PostgreSQL and a bare HTTP server, set up and started in the same two ways.
 */
export async function measureStartUp(undoing: Undoing, progress: (line: string) => void): Promise<Figure[]> {
  const measured: Round[] = []
  for (let round = 1; round <= rounds; round++) {
    const bareHome = await temporaryHome(undoing)
    const password = randomBytes(24).toString('base64url')
    const bareCold = await startBare(undoing, bareHome, password)
    const bareWarm = await startBare(undoing, bareHome, password)
    const home = await temporaryHome(undoing)
    const cold = await start(undoing, home)
    const warm = await start(undoing, home)
    measured.push({ cold, warm, bareCold, bareWarm })
    progress(`start ${round} of ${rounds}: ${seconds(cold)} s on an empty home, ${seconds(warm)} s on the same`)
  }
  const middle = (of: (round: Round) => number) => median(measured.map(of))
  const cold = middle((round) => round.cold)
  const warm = middle((round) => round.warm)
  return [
    {
      what: 'first start, to readiness',
      unit: 'ms',
      value: cold,
      reference: { what: 'initdb, PostgreSQL, bare HTTP server', value: middle((round) => round.bareCold) },
      target: { of: 'value', atMost: 12_000 },
      keys: { coldStartMs: cold },
    },
    {
      what: 'later start, to readiness',
      unit: 'ms',
      value: warm,
      reference: { what: 'PostgreSQL, bare HTTP server', value: middle((round) => round.bareWarm) },
      target: { of: 'value', atMost: 5000 },
      keys: { warmStartMs: warm },
    },
  ]
}

/** @returns milliseconds until it said that it is ready; by then it is stopped again */
async function start(undoing: Undoing, home: string): Promise<number> {
  const [web, api, ingestion, runner, runners] = await freePorts(5)
  const began = performance.now()
  const child = spawn(process.execPath, [cli, 'start'], {
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
    },
  })
  undoing.push(() => end(child))
  const ms = await new Promise<number>((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
      if (said.includes('Ready after')) resolve(performance.now() - began)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    child.once('exit', () => reject(new Error(`redoubt start ended: ${said.trim().slice(-1000)}`)))
  })
  await end(child)
  return ms
}

/** What nobody can save: the database, and a process with an HTTP server. @returns milliseconds until both answer */
async function startBare(undoing: Undoing, home: string, password: string): Promise<number> {
  const began = performance.now()
  const server = await startPostgres(home, password)
  const node = await startChild(undoing, 'bare-process.ts', {})
  const ms = performance.now() - began
  await node.stop()
  await server.stop()
  return ms
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1)
