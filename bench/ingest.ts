import { Agent, request } from 'node:http'
import { createOpaqueToken, hashToken } from '@redoubt/trust'
import type pg from 'pg'
import { startChild } from './child.ts'
import type { Cluster } from './cluster.ts'
import type { IngestionReady } from './ingestion-process.ts'
import type { Figure } from './report.ts'
import { median, p99 } from './sample.ts'
import { suricataBatches } from './suricata-lines.ts'
import type { Undoing } from './undo.ts'

const rounds = 5
const batches = 40
const linesPerBatch = 500
const connections = 4

type Round = { readonly perSecond: number; readonly copyPerSecond: number; readonly ackMs: readonly number[] }

/**
 * Events a second that the ingestion service commits and acknowledges, against rows a second of COPY of the rows that
 * came of them, into a table with the same columns, indexes and constraints. One round of each in turn.
 */
export async function measureIngest(
  undoing: Undoing,
  cluster: Cluster,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const { admin, home, address } = cluster
  const source = await createSource(admin)
  await createCopyTarget(admin)
  const child = await startChild<IngestionReady>(undoing, 'ingestion-process.ts', { home, address })
  const url = `${child.ready.url}/ingest/${source.slug}`
  const measured: Round[] = []
  // Round 0 warms both up and is not counted.
  for (let round = 0; round <= rounds; round++) {
    const { bodies, lines, distinct } = suricataBatches({ seed: round + 1, batches, linesPerBatch })
    const after = await newestAlert(admin, source.organizationId)
    const { ms, ackMs } = await send(url, source.token, bodies)
    const rows = await exportRows(admin, source.organizationId, after)
    if (rows !== distinct) throw new Error(`${distinct} different alerts were acknowledged and ${rows} are stored`)
    const copyMs = await copyRows(admin)
    const result = { perSecond: (lines / ms) * 1000, copyPerSecond: (rows / copyMs) * 1000, ackMs }
    if (round === 0) continue
    measured.push(result)
    progress(
      `ingest round ${round} of ${rounds}: ${Math.round(result.perSecond)} events/s, COPY ${Math.round(result.copyPerSecond)} rows/s`,
    )
  }
  await child.stop()
  // What waits for enrichment belongs to this part; the worker of a later one must not find it.
  await admin.query('truncate graphile_worker._private_jobs')
  return figuresOf(measured)
}

function figuresOf(measured: readonly Round[]): Figure[] {
  const perSecond = median(measured.map((round) => round.perSecond))
  const ratio = median(measured.map((round) => round.perSecond / round.copyPerSecond))
  const copy = { what: 'COPY of the rows', value: median(measured.map((round) => round.copyPerSecond)) }
  return [
    {
      what: `ingest, ${linesPerBatch} lines a batch, ${connections} connections`,
      unit: 'events/s',
      value: perSecond,
      reference: copy,
      ratio,
      target: { of: 'ratio', atLeast: 0.25 },
      keys: { ingestRatio: ratio, ingestPerSecond: perSecond },
    },
    {
      what: 'acknowledgement of a batch, p99',
      unit: 'ms',
      value: p99(measured.flatMap((round) => round.ackMs)),
      keys: { ingestAckP99Ms: p99(measured.flatMap((round) => round.ackMs)) },
    },
  ]
}

async function createSource(admin: pg.Pool): Promise<{ organizationId: string; slug: string; token: string }> {
  const token = createOpaqueToken('src')
  const slug = 'bench-suricata'
  const { rows } = await admin.query<{ id: string }>(
    `insert into organizations (name, slug, created_at) values ('Ingest bench', 'ingest-bench', now()) returning id`,
  )
  const organizationId = (rows[0] as { id: string }).id
  await admin.query(
    `insert into sources (organization_id, name, slug, type, tlp, token_hash, webhook_secret, created_at)
     values ($1, 'Suricata', $2, 'suricata', 'AMBER', $3, '', now())`,
    [organizationId, slug, hashToken(token)],
  )
  return { organizationId, slug, token }
}

/** `like … including all` copies columns, defaults, checks, keys and indexes; foreign keys must be said again. */
async function createCopyTarget(admin: pg.Pool): Promise<void> {
  await admin.query(`
    create schema if not exists bench;
    create table bench.alerts (like redoubt.alerts including all);
    do $$ declare definition text; begin
      for definition in select pg_get_constraintdef(oid) from pg_constraint
                        where conrelid = 'redoubt.alerts'::regclass and contype = 'f' loop
        execute 'alter table bench.alerts add ' || definition;
      end loop;
    end $$`)
}

async function newestAlert(admin: pg.Pool, organizationId: string): Promise<string> {
  const { rows } = await admin.query<{ id: string }>(
    'select id from alerts where organization_id = $1 order by id desc limit 1',
    [organizationId],
  )
  return rows[0]?.id ?? '00000000-0000-0000-0000-000000000000'
}

/** Sends every batch over a few kept connections, each as soon as one is free. */
async function send(url: string, token: string, bodies: readonly Buffer[]): Promise<{ ms: number; ackMs: number[] }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const waiting = [...bodies]
  const ackMs: number[] = []
  const began = performance.now()
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let body = waiting.shift(); body; body = waiting.shift()) {
        const sent = performance.now()
        await post(agent, url, token, body)
        ackMs.push(performance.now() - sent)
      }
    }),
  )
  const ms = performance.now() - began
  agent.destroy()
  return { ms, ackMs }
}

function post(agent: Agent, url: string, token: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/x-ndjson',
      'content-length': body.length,
    }
    const sending = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8')
      })
      response.once('end', () => {
        if (response.statusCode === 202) resolve()
        else reject(new Error(`a batch was answered ${response.statusCode}: ${text.slice(0, 300)}`))
      })
      response.once('error', reject)
    })
    sending.once('error', reject)
    sending.end(body)
  })
}

const file = `current_setting('data_directory') || '/bench-rows'`

/** Writes the alerts that came after `after` where the server can COPY them from. @returns how many they are */
async function exportRows(admin: pg.Pool, organizationId: string, after: string): Promise<number> {
  const { rows } = await admin.query<{ path: string }>(`select ${file} as path`)
  const { rowCount } = await admin.query(
    `copy (select * from redoubt.alerts where organization_id = '${organizationId}' and id > '${after}')
     to '${(rows[0] as { path: string }).path}'`,
  )
  return rowCount ?? 0
}

/** @returns milliseconds that COPY took, commit included */
async function copyRows(admin: pg.Pool): Promise<number> {
  const { rows } = await admin.query<{ path: string }>(`select ${file} as path`)
  const began = performance.now()
  await admin.query(`copy bench.alerts from '${(rows[0] as { path: string }).path}'`)
  return performance.now() - began
}
