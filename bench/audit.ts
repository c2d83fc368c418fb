import { createHash } from 'node:crypto'
import type { OrganizationId } from '@redoubt/contract'
import { auditFileLines, formatVerifierKey, noteVerifierOf, verifyAuditFile } from '@redoubt/trust'
import { sealOrganization } from '../packages/server/src/modules/audit/index.ts'
import { logOrigin } from '../packages/server/src/modules/audit/rules.ts'
import { newestCheckpoint, readLog } from '../packages/server/src/modules/audit/store.ts'
import type { Database } from '../packages/server/src/platform/database.ts'
import type { Kernel } from '../packages/server/src/platform/kernel.ts'
import { inTenant } from '../packages/server/src/platform/tenant-tx.ts'
import { work } from '../packages/server/src/platform/work.ts'
import { benchConfig, benchService, type Cluster } from './cluster.ts'
import type { Figure } from './report.ts'
import { median } from './sample.ts'
import type { Undoing } from './undo.ts'

const rounds = 3
const eventsPerRound = 10_000
const eventsPerTransaction = 100
/** The most events between two checkpoints, and so in one transaction of the sequencer. */
const eventsPerCheckpoint = 1000

/**
 * Events a second that the sequencer seals, against writing the same sealed rows without a tree or a signature; and events
 * a second that a verifier of the exported file checks, against hashing and parsing the same lines.
 */
export async function measureAudit(
  undoing: Undoing,
  cluster: Cluster,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const { admin, address, home } = cluster
  const config = benchConfig(home, { web: 0, api: 0, ingestion: 0, runner: 0 })
  const { kernel, database: worker, stop } = await benchService(config, address, 'redoubt_worker')
  undoing.push(stop)
  const { rows } = await admin.query<{ id: OrganizationId }>(
    `insert into organizations (name, slug, created_at) values ('Audit bench', 'audit-bench', now()) returning id`,
  )
  const organizationId = (rows[0] as { id: OrganizationId }).id
  await admin.query(`
    create schema if not exists bench;
    create table bench.audit_log (like redoubt.audit_log including all);
    alter table bench.audit_log add foreign key (organization_id, event_id) references redoubt.audit_events`)

  const sealing: { perSecond: number; reference: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    await record(kernel, worker, organizationId)
    const perSecond = await rate(eventsPerRound, () => sealOrganization(kernel, worker, organizationId))
    const from = round * eventsPerRound
    const reference = await rate(eventsPerRound, () => insertPlainly(cluster, organizationId, from))
    if (round > 0) sealing.push({ perSecond, reference })
  }
  const count = (rounds + 1) * eventsPerRound
  const lines = await exportLines(kernel, worker, organizationId, count)
  const trustedVerifier = await verifierOf(kernel, organizationId)
  const verifying: { perSecond: number; reference: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const perSecond = await rate(count, async () => {
      const result = await verifyAuditFile(stream(lines), { trustedVerifier })
      if (!result.ok || result.events !== count) throw new Error('the audit log of the bench does not verify')
    })
    const reference = await rate(count, async () => readPlainly(lines))
    if (round > 0) verifying.push({ perSecond, reference })
  }
  const append = medians(sealing)
  const verify = medians(verifying)
  progress(`audit: ${Math.round(append.value)} events/s sealed, ${Math.round(verify.value)} events/s verified`)
  return [
    {
      what: 'audit log, sealing',
      unit: 'events/s',
      ...append,
      reference: { what: 'inserting the same rows', value: append.reference },
      keys: { auditAppendPerSecond: append.value },
    },
    {
      what: 'audit log, verifying a file',
      unit: 'events/s',
      ...verify,
      reference: { what: 'parsing and hashing its lines', value: verify.reference },
      keys: { auditVerifyPerSecond: verify.value },
    },
  ]
}

async function record(kernel: Kernel, worker: Database, organizationId: OrganizationId): Promise<void> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  for (let from = 0; from < eventsPerRound; from += eventsPerTransaction) {
    await work(worker, { organizationId, actor, clock: kernel.clock, requestId: null }, async (unit) => {
      for (let number = from; number < from + eventsPerTransaction; number++)
        unit.record({ action: 'case.opened', target: { kind: 'case', id: `case-${number}` }, facts: { number } })
    })
  }
}

/** The rows of the sealed log once more, in transactions of the same size, by the superuser. */
async function insertPlainly({ admin }: Cluster, organizationId: string, from: number): Promise<void> {
  for (let at = from; at < from + eventsPerRound; at += eventsPerCheckpoint) {
    await admin.query(
      `insert into bench.audit_log select * from redoubt.audit_log where organization_id = $1 and seq >= $2 and seq < $3`,
      [organizationId, at, at + eventsPerCheckpoint],
    )
  }
}

/** The log as `redoubt audit export` writes it. */
async function exportLines(
  kernel: Kernel,
  worker: Database,
  organizationId: OrganizationId,
  count: number,
): Promise<string[]> {
  const { log, notes } = await inTenant(worker, organizationId, { service: 'worker' }, async (tx) => {
    const notes: string[] = []
    for (let above = 0; above < count; above += eventsPerCheckpoint) {
      const checkpoint = await newestCheckpoint(tx, { above, upTo: above + eventsPerCheckpoint })
      if (checkpoint) notes.push(checkpoint.note)
    }
    return { log: await readLog(tx, 0, count), notes }
  })
  const verifier = await verifierOf(kernel, organizationId)
  const header = { organizationId, origin: logOrigin(organizationId), verifier, exportedAt: kernel.clock.now() }
  return Array.fromAsync(auditFileLines(header, log, notes))
}

const verifierOf = async ({ signing }: Kernel, organizationId: OrganizationId): Promise<string> =>
  formatVerifierKey(await noteVerifierOf(logOrigin(organizationId), signing.checkpoint.current()))

function readPlainly(lines: readonly string[]): void {
  for (const line of lines) {
    JSON.parse(line)
    createHash('sha256').update(line).digest()
  }
}

async function rate(count: number, task: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await task()
  return (count / (performance.now() - began)) * 1000
}

function medians(samples: readonly { perSecond: number; reference: number }[]) {
  return {
    value: median(samples.map((sample) => sample.perSecond)),
    reference: median(samples.map((sample) => sample.reference)),
    ratio: median(samples.map((sample) => sample.perSecond / sample.reference)),
  }
}

async function* stream<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}
