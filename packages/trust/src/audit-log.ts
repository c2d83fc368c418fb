import { z } from 'zod'
import { encodeBase64, utf8 } from './bytes.ts'
import { canonicalJson } from './canonical-json.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { leafHash } from './merkle.ts'
import { parseNote } from './signed-note.ts'
import { TrustError } from './trust-error.ts'

/*
 * An organization's audit log is an RFC 6962 tree. The leaf data of an event is the RFC 8785 text of its body; the body
 * carries its own organization and sequence number, and the sequence number is the index of the leaf: the first event
 * is 0.
 *
 * The export is NDJSON: a header, then events in order with signed checkpoints among them, each somewhere after the
 * events it covers, and at the end a checkpoint that covers all of them.
 */

export const AUDIT_FORMAT = 'redoubt.audit/v1'

/** An event as it is hashed. Further members are the caller's; all must be JSON. */
export type AuditBody = { readonly organizationId: string; readonly seq: number; readonly [member: string]: unknown }
/** `body` is the canonical text that was hashed, `leaf` its RFC 6962 leaf hash. */
export type SealedEvent = { readonly seq: number; readonly body: string; readonly leaf: Uint8Array }

/** Puts an event into its hashed form. Throws `audit_event` for a bad sequence number, `canonical_json` otherwise. */
export function sealAuditEvent(event: AuditBody): SealedEvent {
  if (!Number.isSafeInteger(event.seq) || event.seq < 0)
    throw new TrustError('audit_event', 'seq is a whole number from 0')
  if (event.organizationId === '') throw new TrustError('audit_event', 'organizationId is empty')
  const body = canonicalJson(event)
  return { seq: event.seq, body, leaf: leafHash(utf8(body)) }
}

export const AuditFileHeader = z.strictObject({
  format: z.literal(AUDIT_FORMAT),
  organizationId: z.string().min(1),
  origin: z.string().min(1),
  /** The vkey of the key that signs the last checkpoints; its name is the origin. */
  verifier: z.string().min(1),
  /** The statements that lead to it from the log's first key, oldest first; absent while there was no other. */
  successions: z.array(z.string()).min(1).optional(),
  exportedAt: z.iso.datetime({ offset: true }),
})
export type AuditFileHeader = z.output<typeof AuditFileHeader>

export const AuditFileLine = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('event'), seq: z.int().min(0), leaf: z.string(), body: z.string() }),
  z.strictObject({ kind: z.literal('checkpoint'), note: z.string() }),
])
export type AuditFileLine = z.output<typeof AuditFileLine>

type Stream<T> = AsyncIterable<T> | Iterable<T>

/**
 * The lines of an export, without newlines: each checkpoint right behind the last event it covers. Events come by
 * sequence number, checkpoint notes by size. Throws `audit_event` when the last checkpoint does not cover all events.
 */
export async function* auditFileLines(
  header: Omit<AuditFileHeader, 'format' | 'exportedAt'> & { readonly exportedAt: Date },
  events: Stream<SealedEvent>,
  notes: Stream<string>,
): AsyncGenerator<string> {
  const { exportedAt, ...log } = header
  yield JSON.stringify({ format: AUDIT_FORMAT, ...log, exportedAt: exportedAt.toISOString() })
  const waiting = iterate(notes)
  let next = await checkpointOf(waiting)
  let written = 0
  let covered: number | undefined
  const due = () => next !== undefined && next.size <= written
  for await (const { seq, leaf, body } of events) {
    for (; due(); next = await checkpointOf(waiting)) {
      covered = next?.size
      yield JSON.stringify({ kind: 'checkpoint', note: next?.note })
    }
    yield JSON.stringify({ kind: 'event', seq, leaf: encodeBase64(leaf), body })
    written += 1
  }
  for (; due(); next = await checkpointOf(waiting)) {
    covered = next?.size
    yield JSON.stringify({ kind: 'checkpoint', note: next?.note })
  }
  if (next !== undefined || covered !== written)
    throw new TrustError(
      'audit_event',
      `the last checkpoint covers ${next?.size ?? covered ?? 0} events, not ${written}`,
    )
}

type Waiting = { readonly size: number; readonly note: string }

async function* iterate<T>(source: Stream<T>): AsyncGenerator<T> {
  yield* source
}

async function checkpointOf(notes: AsyncGenerator<string>): Promise<Waiting | undefined> {
  const { done, value } = await notes.next()
  return done ? undefined : { note: value, size: parseCheckpoint(parseNote(value).text).size }
}
