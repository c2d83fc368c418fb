import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, createClient } from '@redoubt/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callConsole } from '../src/demo/console-call.ts'
import { environmentOf, redoubt, type Started } from './start-process.ts'

const BATCHES = 12
const ALERTS = 25
const KILLS = 2

let home: string
let environment: Record<string, string>
let platform: Started
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-loss-'))
  environment = await environmentOf(home)
  platform = redoubt(['start'], environment)
  await platform.until(/\/setup\?token=\w+\s/)
})
afterAll(async () => {
  platform.child.kill('SIGKILL')
  // Whatever the test left running must not outlive it.
  const pid = await postmaster().catch(() => null)
  if (pid !== null) process.kill(pid, 'SIGQUIT')
  await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

const port = (of: 'WEB' | 'API' | 'INGESTION') => `http://127.0.0.1:${environment[`REDOUBT_${of}_PORT`]}`
const postmaster = async () =>
  Number((await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
const readiness = () =>
  Promise.all((['WEB', 'API', 'INGESTION'] as const).map(async (of) => (await fetch(`${port(of)}/readyz`)).status))

test('PostgreSQL killed in the middle of running jobs: it is started again, the platform serves, every job is done, and SIGTERM ends it with 0', async () => {
  const client = await setUp()
  const { source, credentials } = await client.sources.create({ name: 'Doors', slug: 'doors', type: 'generic' })
  const send = async (batch: number) => {
    const events = Array.from({ length: ALERTS }, (_, at) => {
      const n = batch * ALERTS + at
      return JSON.stringify({
        alert_id: `a${n}`,
        title: `Alert ${n}`,
        src_ip: `198.51.${Math.floor(n / 200)}.${(n % 200) + 1}`,
      })
    })
    const response = await fetch(`${port('INGESTION')}/ingest/${source.id}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${credentials.token}`,
        'content-type': 'application/x-ndjson',
        'idempotency-key': `batch-${batch}`,
      },
      body: events.join('\n'),
    })
    return response.status
  }
  const jobsDone = async () =>
    Number(/redoubt_jobs_total\{task="alerts.enrich",result="done"\} (\d+)/.exec(await metrics())?.[1] ?? 0)
  const metrics = async () => (await fetch(`${port('API')}/metrics`)).text()

  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = await jobsDone()
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const number = kill * BATCHES + batch
      await expect.poll(() => send(number), { timeout: 30_000 }).toBe(202)
    }
    await expect.poll(jobsDone, { interval: 5 }).toBeGreaterThan(before)
    const pid = await postmaster()
    process.kill(pid, 'SIGKILL')
    expect(await jobsDone()).toBeLessThan(before + BATCHES)
    await expect.poll(postmaster, { timeout: 60_000 }).not.toBe(pid)
    await expect.poll(readiness, { timeout: 60_000 }).toEqual([200, 200, 200])
  }

  await expect
    .poll(() => enriched(client), { timeout: 60_000, interval: 250 })
    .toEqual({ alerts: KILLS * BATCHES * ALERTS, enriched: KILLS * BATCHES * ALERTS })

  platform.child.kill('SIGTERM')
  expect(await platform.ended()).toBe(0)
  expect(platform.output()).toContain('Stopped.')
  expect(platform.output()).toContain('the embedded PostgreSQL has ended and is started again')
  expect(platform.output()).not.toMatch(/unhandled/i)
  await expect(postmaster()).rejects.toThrow('ENOENT')
}, 180_000)

async function setUp(): Promise<Client> {
  const link = new URL(/http:\S+setup\S+/.exec(platform.output())?.[0] as string)
  const account = { email: 'first@example.org', password: 'three unrelated words' }
  await callConsole(port('WEB'), 'auth.setUp', {
    token: link.searchParams.get('token'),
    organization: 'Operator',
    name: 'First',
    ...account,
  })
  return createClient({ url: port('API'), credentials: account })
}

/** How many alerts there are, and how many of them the worker has looked into. */
async function enriched(client: Client): Promise<{ alerts: number; enriched: number }> {
  const entities: number[] = []
  let cursor: string | undefined
  do {
    const page = await client.alerts.list({ limit: 200, ...(cursor === undefined ? {} : { cursor }) })
    entities.push(...page.items.map((alert) => alert.entities.length))
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  return { alerts: entities.length, enriched: entities.filter((count) => count > 0).length }
}
