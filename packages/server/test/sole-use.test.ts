import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Timers } from '@redoubt/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../src/platform/log.ts'
import { type PostgresServer, startPostgres } from '../src/platform/postgres-server.ts'
import { holdAlone, isAlone } from '../src/platform/sole-use.ts'

// A cluster of its own: this test kills it.
let home: string
let server: PostgresServer
const password = randomUUID()
const log = createLog({ logLevel: 'silent' })
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-sole-'))
  server = await startPostgres(home, password)
})
afterAll(async () => {
  await server?.stop()
  await rm(home, { recursive: true, force: true })
})

test('a platform keeps its database to itself, also after the database was killed and is back', async () => {
  const login = { host: server.host, port: server.port, database: 'postgres', user: 'postgres', password }
  const second = () => holdAlone(login, home, log)
  const stop = await holdAlone(login, home, log)
  await expect(second()).rejects.toThrow(`Redoubt runs already on ${home}`)

  process.kill(Number((await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8')).split('\n', 1)[0]), 'SIGKILL')
  // Until the lock is back this asks for it too, and gives it back at once.
  await expect
    .poll(() => second().then((end) => end(), String), { timeout: 30_000, interval: 400 })
    .toContain('Redoubt runs already on')
  expect(await isAlone(login)).toBe(false)

  await stop()
  await expect.poll(() => isAlone(login)).toBe(true)
})

test('a platform that was refused looks after the other’s database no longer, so that it does not come back after its end', async () => {
  const looks = new Set<() => void>()
  const timers: Timers = {
    after(_ms, run) {
      looks.add(run)
      return () => looks.delete(run)
    },
  }
  const second = await startPostgres(home, password, log, timers)
  expect(looks.size).toBe(1)
  await second.letGo()
  expect(looks.size).toBe(0)
})
