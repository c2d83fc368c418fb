import { Readable } from 'node:stream'
import { OrganizationId } from '@redoubt/contract'
import { AUDIT_FORMAT, type AuditFileHeader, type AuditFileLine, encodeBase64 } from '@redoubt/trust'
import { z } from 'zod'
import { AppError } from '../../platform/app-error.ts'
import type { Dispatch, Operation } from '../../platform/dispatch.ts'
import type { Server } from '../../platform/http.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { TenantCtx } from '../../platform/operation.ts'
import { accessText, apiPrefix, callOf } from '../../platform/rest.ts'
import { headOf } from './log-keys.ts'
import { logOrigin, standingBody } from './rules.ts'
import { batchSize } from './sequencer.ts'
import { newestCheckpoint, readLog } from './store.ts'

const access = { permission: 'audit:export' } as const
const Begun = z.object({ organizationId: OrganizationId, size: z.int(), note: z.string() })
const Range = z.object({ from: z.int(), to: z.int() })

/** Fixes how far the export goes and leaves its evidence before the first byte, so an aborted one is recorded too. */
const begin = {
  name: 'audit.export',
  spec: {
    kind: 'write',
    access,
    summary: 'Begin an export of the audit log.',
    input: z.object({}),
    output: Begun,
    limit: 'expensive',
  },
  async run({ tx, organizationId, record }: TenantCtx): Promise<z.input<typeof Begun>> {
    const head = await newestCheckpoint(tx)
    if (!head) throw new AppError('conflict', 'Nothing is sealed yet: ask again in a second.', { retryAfter: 1 })
    record({ action: 'audit.exported', target: { kind: 'audit-log', id: organizationId }, facts: { size: head.size } })
    return { organizationId, size: head.size, note: head.note }
  },
} satisfies Operation

/** One batch of lines: its events and the newest checkpoint among them. */
const readBatch = {
  name: 'audit.exportBatch',
  spec: { kind: 'read', access, summary: 'Read a part of an export.', input: Range, output: z.array(z.string()) },
  async run({ tx, organizationId }: TenantCtx, { from, to }: z.output<typeof Range>): Promise<string[]> {
    const events = await readLog(tx, from, to)
    const checkpoint = await newestCheckpoint(tx, { above: from, upTo: to })
    const lines: AuditFileLine[] = events.map((row) => ({
      kind: 'event',
      seq: row.seq,
      leaf: encodeBase64(row.leaf),
      body: standingBody(organizationId, row),
    }))
    if (checkpoint) lines.push({ kind: 'checkpoint', note: checkpoint.note })
    return lines.map((line) => JSON.stringify(line))
  },
} satisfies Operation

/**
 * Serves `GET /api/v1/audit/export`: the organization's log as a file of the format redoubt.audit/v1, which
 * `redoubt audit verify` reads without a server. A damaged log is written as it is, for the verifier to name the damage.
 * Every batch passes dispatch with the caller's credentials again: a revoked session or a removed member loses the
 * stream within one batch, and an export ends with the access token's life at the latest.
 */
export function mountAuditExport(server: Server, kernel: Kernel, dispatch: Dispatch): void {
  server.mount(accessText(access), {
    method: 'GET',
    url: `${apiPrefix}/audit/export`,
    // HEAD would record an export that carried nothing out.
    exposeHeadRoute: false,
    async handler(request, reply) {
      const call = { ...callOf(request), input: {} }
      const { organizationId, size, note } = Begun.parse(await dispatch(begin, call))
      const { verifier, successions } = await headOf(organizationId, note, kernel.signing.checkpoint)
      const header: AuditFileHeader = {
        format: AUDIT_FORMAT,
        organizationId,
        origin: logOrigin(organizationId),
        verifier,
        ...(successions.length > 0 ? { successions } : {}),
        exportedAt: kernel.clock.now().toISOString(),
      }
      async function* chunks(): AsyncGenerator<string> {
        yield `${JSON.stringify(header)}\n`
        for (let from = 0; from < size; from += batchSize) {
          const input = { from, to: Math.min(from + batchSize, size) }
          const lines = z.array(z.string()).parse(await dispatch(readBatch, { ...call, input }))
          yield lines.map((line) => `${line}\n`).join('')
        }
      }
      // Read from only as fast as the client takes it; an error cuts the connection, so a cut file is not taken for whole.
      return reply
        .type('application/x-ndjson')
        .header('content-disposition', `attachment; filename="audit-${organizationId}-${size}.ndjson"`)
        .send(Readable.from(chunks(), { objectMode: false, highWaterMark: 65_536 }))
    },
  })
}
