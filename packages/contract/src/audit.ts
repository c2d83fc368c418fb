import { z } from 'zod'
import { line, Nothing, Page, pageOf, Timestamp } from './fields.ts'
import type { OpGroup } from './operation.ts'

export const AuditEvent = z.object({
  id: z.uuid(),
  /** Place in the organization's log; null for the moment until it is sealed. */
  seq: z.int().nullable(),
  at: Timestamp,
  actor: z.object({ kind: z.enum(['person', 'service', 'runner', 'anonymous']), id: z.string(), name: z.string() }),
  action: z.string(),
  target: z.object({ kind: z.string(), id: z.string() }).nullable(),
  outcome: z.enum(['allowed', 'denied', 'failed']),
  facts: z.record(z.string(), z.unknown()),
  requestId: z.string().nullable(),
})
export type AuditEvent = z.output<typeof AuditEvent>

const base64 = z.string().max(100)
/** The statements by which the log's first key leads to the one that signed, oldest first. */
const successions = z.array(z.string())
const treeSize = z.union([
  z.int().min(0),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
])

export const audit = {
  list: {
    kind: 'read',
    access: { permission: 'audit:read' },
    summary: 'Audit events, newest first.',
    input: Page.extend({ action: line(80).optional(), actorId: line(80).optional(), targetId: line(80).optional() }),
    output: pageOf(AuditEvent),
    rest: { method: 'GET', path: '/audit/events' },
  },
  checkpoint: {
    kind: 'read',
    access: { permission: 'audit:read' },
    summary: 'The newest signed checkpoint of the log (C2SP tlog-checkpoint).',
    input: Nothing,
    output: z.object({
      note: z.string().nullable(),
      /** The verifier key (C2SP vkey) of the key that signed this note. */
      verifier: z.string(),
      successions,
      origin: z.string(),
      size: z.int(),
      at: Timestamp.nullable(),
    }),
    rest: { method: 'GET', path: '/audit/checkpoint' },
  },
  inclusion: {
    kind: 'read',
    access: { permission: 'audit:read' },
    summary: 'Proof that one event is in the log (RFC 6962 §2.1.1), against the newest checkpoint.',
    input: z.object({ id: z.uuid() }),
    output: z.object({
      seq: z.int(),
      size: z.int(),
      /** The canonical JSON that was hashed, byte for byte. */
      body: z.string(),
      leaf: base64,
      proof: z.array(base64).max(64),
      note: z.string(),
      verifier: z.string(),
      successions,
    }),
    rest: { method: 'GET', path: '/audit/events/{id}/proof' },
  },
  consistency: {
    kind: 'read',
    access: { permission: 'audit:read' },
    summary: 'Proof that a later log extends an earlier one (RFC 6962 §2.1.2).',
    input: z.object({ from: treeSize, to: treeSize }),
    output: z.object({ from: z.int(), to: z.int(), proof: z.array(base64).max(128) }),
    rest: { method: 'GET', path: '/audit/consistency' },
  },
} as const satisfies OpGroup
