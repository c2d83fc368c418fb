import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hmacSha256, Secret, utf8 } from '@redoubt/trust'
import { runMigrations } from 'graphile-worker'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startJobs, type TaskHandlers } from '../src/platform/jobs.ts'
import type { Kernel, Stop } from '../src/platform/kernel.ts'
import { createLog } from '../src/platform/log.ts'
import { createMetrics } from '../src/platform/metrics.ts'
import { type PostgresServer, startPostgres } from '../src/platform/postgres-server.ts'
import { withClient } from '../src/platform/prepare-database.ts'

// A cluster of its own: these tests kill it.
let home: string
let server: PostgresServer
const contextKey = new Secret(randomBytes(32))
const password = randomUUID()
const login = () => ({
  host: server.host,
  port: server.port,
  database: 'postgres',
  user: 'postgres',
  password,
  contextKey,
})
const kernel = { log: createLog({ logLevel: 'silent' }), metrics: createMetrics() } as unknown as Kernel

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-jobs-'))
  server = await startPostgres(home, password)
  const pgPool = new pg.Pool({ ...login(), max: 1 })
  pgPool.on('error', () => undefined)
  pgPool.on('connect', (client) => client.on('error', () => undefined))
  await runMigrations({ pgPool })
  await pgPool.end()
})
afterAll(async () => {
  await server?.stop()
  await rm(home, { recursive: true, force: true })
})

let stop: Stop | null = null
afterEach(async () => {
  await stop?.()
  stop = null
})
const start = async (handlers: TaskHandlers) => {
  stop = await startJobs(kernel, login(), handlers, { concurrency: 4 })
}

/** Puts a job on the queue as `redoubt.enqueue` does. */
async function enqueue(runId: string): Promise<void> {
  const body = `runs.check|${JSON.stringify({ runId })}`
  const key = hmacSha256(contextKey.reveal(), utf8('redoubt.job'))
  const mac = Buffer.from(hmacSha256(key, utf8(body))).toString('hex')
  await withClient(login(), (client) =>
    client.query(`select graphile_worker.add_job('runs.check', $1)`, [JSON.stringify({ body, mac })]),
  )
}
const left = () =>
  withClient(
    login(),
    async (client) => (await client.query('select from graphile_worker._private_jobs')).rowCount,
  ).catch(() => null)

/** The postmaster without a word; resolves when its backends have gone too, so that nothing can be noted any more. */
async function killPostgres(): Promise<void> {
  const witness = new pg.Client(login())
  witness.on('error', () => undefined)
  await witness.connect()
  const gone = new Promise((resolve) => witness.once('end', resolve))
  process.kill(Number((await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8')).split('\n', 1)[0]), 'SIGKILL')
  await gone
}

describe('a database that is killed in the middle of a job', () => {
  for (const [what, end] of [
    ['fails', () => Promise.reject(new Error('no database'))],
    ['is done', () => Promise.resolve()],
  ] as const) {
    it(`that then ${what}: nothing is left unhandled, and the job is run again and done when the database is back`, async () => {
      const attempts: string[] = []
      await start({
        'runs.check': async ({ runId }) => {
          attempts.push(runId)
          if (attempts.length > 1) return
          await killPostgres()
          await end()
        },
      })
      await enqueue('r1')
      await expect.poll(left, { timeout: 30_000 }).toBe(0)
      expect(attempts).toEqual(['r1', 'r1'])

      // And it goes on working.
      await enqueue('r2')
      await expect.poll(left, { timeout: 30_000 }).toBe(0)
      expect(attempts).toEqual(['r1', 'r1', 'r2'])
    })
  }

  it('does not keep the service from stopping', async () => {
    let began = () => {}
    const inHand = new Promise<void>((resolve) => {
      began = resolve
    })
    await start({
      'runs.check': async () => {
        await killPostgres()
        began()
        throw new Error('no database')
      },
    })
    await enqueue('r3')
    await inHand
    await stop?.()
    stop = null
  })
})
