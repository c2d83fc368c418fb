import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Login } from '../src/platform/database-url.ts'
import { type PostgresServer, startPostgres } from '../src/platform/postgres-server.ts'
import { createOwner, prepareDatabase, withClient } from '../src/platform/prepare-database.ts'
import { event } from './ingestion-fixture.ts'
import { secretsOf } from './keeper-of.ts'

const BATCHES = 120
const EVENTS = 100
const SENDERS = 4
const KILLS = 6

let home: string
let server: PostgresServer
let superuser: Login
const token = createOpaqueToken('src')
let sourceId: string
const children = new Set<ChildProcess>()
const lost = new Set<number>()

// A cluster of its own with fsync on: this test kills the database server too.
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-crash-'))
  await startCluster()
  const secrets = await secretsOf(home)
  const owner = await createOwner({ host: server.host, port: server.port, database: 'redoubt' }, secrets)
  await prepareDatabase(owner, secrets)
  superuser = { ...owner, user: 'postgres', password: secrets.superuserPassword.reveal() }
  await withClient(superuser, async (client) => {
    await client.query(`insert into redoubt.organizations (name, slug, created_at) values ('crash', 'crash', now())`)
    const { rows } = await client.query(
      `insert into redoubt.sources (organization_id, name, slug, type, tlp, token_hash, webhook_secret, created_at)
       select id, 'crash', 'crash', 'generic', 'AMBER', $1, '', now() from redoubt.organizations returning id`,
      [hashToken(token)],
    )
    sourceId = rows[0].id
  })
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await server?.stop()
  if (home) await rm(home, { recursive: true, force: true })
  if (server) await rm(server.host, { recursive: true, force: true })
})

test('kill -9 of ingestion and of PostgreSQL in the middle: after the retries every event is counted exactly once', async () => {
  // Nine in ten alerts are new, one in ten was sent before: so both inserting and folding are cut off.
  const batches = Array.from({ length: BATCHES }, (_, batch) =>
    Array.from({ length: EVENTS }, (_, at) =>
      event(at % 10 === 9 ? `shared-${at}` : `b${batch}-${at}`, { batch }),
    ).join('\n'),
  )
  const unanswered = new Set(batches.keys())

  // Several kills, each after a few answers: some strike before a commit, some between a commit and its answer.
  for (let kills = 0; kills < KILLS; kills += 1) {
    const doomed = await startIngestionProcess()
    let answers = 0
    await sendAll(doomed.url, batches, unanswered, () => {
      answers += 1
      if (answers === 8) doomed.child.kill('SIGKILL')
    })
  }
  const first = await stored()
  const answered = BATCHES - unanswered.size
  expect(answered).toBeGreaterThan(KILLS)
  expect(unanswered.size).toBeGreaterThan(0)
  expect(first.events).toBeGreaterThanOrEqual(answered * EVENTS)

  let ingestion = await startIngestionProcess()
  let more = 0
  await sendAll(ingestion.url, batches, unanswered, () => {
    more += 1
    if (more === 20) void killPostgres()
  })
  ingestion.child.kill('SIGKILL')
  // It is started again by itself.
  await expect.poll(() => withClient(superuser, async () => true).catch(() => false), { timeout: 60_000 }).toBe(true)
  const second = await stored()
  expect(second.events).toBeGreaterThanOrEqual((BATCHES - unanswered.size) * EVENTS)

  ingestion = await startIngestionProcess()
  for (let rounds = 0; unanswered.size > 0 && rounds < 20; rounds += 1)
    await sendAll(ingestion.url, batches, unanswered, () => undefined)
  const last = await stored()
  console.log(
    [
      `sent ${BATCHES * EVENTS} events in ${BATCHES} batches`,
      `ingestion killed ${KILLS} times: ${answered * EVENTS} acknowledged, ${first.events} stored`,
      `PostgreSQL killed: ${(BATCHES - second.unanswered) * EVENTS} acknowledged, ${second.events} stored`,
      `all retried:       ${last.events} stored in ${last.alerts} alerts, ${last.jobs} of them in enrichment jobs`,
    ].join('\n'),
  )
  expect(unanswered.size).toBe(0)
  expect(last).toMatchObject({
    events: BATCHES * EVENTS,
    alerts: BATCHES * 90 + 10,
    jobs: BATCHES * 90 + 10,
    audited: BATCHES * EVENTS,
  })

  async function stored() {
    return withClient(superuser, async (client) => {
      const { rows } = await client.query<{ events: number; alerts: number; jobs: number; audited: number }>(
        `select (select coalesce(sum(count), 0)::int from redoubt.alerts) as events,
                (select count(*)::int from redoubt.alerts) as alerts,
                (select coalesce(sum(json_array_length(substr(payload->>'body', strpos(payload->>'body', '|') + 1)::json->'alertIds')), 0)::int from graphile_worker._private_jobs) as jobs,
                (select coalesce(sum((facts->>'accepted')::int), 0)::int from redoubt.audit_events) as audited`,
      )
      return {
        ...(rows[0] as { events: number; alerts: number; jobs: number; audited: number }),
        unanswered: unanswered.size,
      }
    })
  }
})

/** Sends what is unanswered, several at a time, and gives up a batch at the first failure: what a shipper does. */
async function sendAll(
  url: string,
  batches: readonly string[],
  unanswered: Set<number>,
  onAnswer: () => void,
): Promise<void> {
  const left = [...unanswered]
  const one = async () => {
    for (let at = left.shift(); at !== undefined; at = left.shift()) {
      try {
        const response = await fetch(`${url}/ingest/${sourceId}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/x-ndjson',
            'idempotency-key': `batch-${at}`,
          },
          body: batches[at] ?? '',
        })
        if (response.status !== 202) continue
        await response.json()
        onAnswer()
        // An answer that is lost on the way, as if the kill had struck between commit and answer.
        if (at % 5 === 0 && !lost.has(at)) lost.add(at)
        else unanswered.delete(at)
      } catch {
        // The service was killed; the batch stays unanswered.
      }
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, one))
}

async function startIngestionProcess(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'ingestion-process.ts'), home, server.host, 'redoubt'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  children.add(child)
  const [line] = (await once(child.stdout as NonNullable<typeof child.stdout>, 'data')) as [Buffer]
  return { child, url: line.toString('utf8').trim() }
}

async function startCluster(): Promise<void> {
  const secrets = await secretsOf(home)
  server = await startPostgres(home, secrets.superuserPassword.reveal())
}

/** The postmaster without a word; its backends notice and go. */
async function killPostgres(): Promise<void> {
  const pid = Number((await readFile(join(home, 'postgres', 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
  process.kill(pid, 'SIGKILL')
}
