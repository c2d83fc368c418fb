import type { contract } from '@redoubt/contract'
import { consistencyProof, encodeBase64, inclusionProof } from '@redoubt/trust'
import { z } from 'zod'
import { AppError } from '../../platform/app-error.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { Handlers } from '../../platform/operation.ts'
import { headOf } from './log-keys.ts'
import { logOrigin, shownEvent, standingBody } from './rules.ts'
import { findEvent, listEvents, newestCheckpoint, nodesOf } from './store.ts'

/** Reading an organization's log and proving things about it. */
export function auditOperations({ signing }: Kernel): Handlers<typeof contract.audit> {
  return {
    async list({ tx }, { cursor, limit, ...filter }) {
      if (cursor !== undefined && !z.uuid().safeParse(cursor).success) {
        throw wrong('cursor', 'pass `next` of the page before, or leave it out for the first page')
      }
      const rows = await listEvents(tx, filter, cursor, limit + 1)
      const items = rows.slice(0, limit).map((row) => ({ ...shownEvent(row), seq: row.seq }))
      return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }
    },

    async checkpoint({ tx, organizationId }) {
      const head = await newestCheckpoint(tx)
      return {
        ...(await headOf(organizationId, head?.note ?? null, signing.checkpoint)),
        origin: logOrigin(organizationId),
        size: head?.size ?? 0,
        at: head?.at.toISOString() ?? null,
      }
    },

    async inclusion({ tx, organizationId }, { id }) {
      const event = await findEvent(tx, id)
      if (!event) throw new AppError('not_found', 'There is no such event.')
      const { seq, leaf, body } = event
      // An event and the checkpoint over it appear in one commit; a read between two statements may see the later one.
      const head = await newestCheckpoint(tx)
      if (seq === null || leaf === null || body === null || head === undefined) {
        throw new AppError('conflict', 'This event is not sealed yet: ask again in a second.', { retryAfter: 1 })
      }
      const proof = await inclusionProof(seq, head.size, nodesOf(tx))
      return {
        seq,
        size: head.size,
        body: standingBody(organizationId, { ...event, seq, leaf, body }),
        leaf: encodeBase64(leaf),
        proof: proof.map(encodeBase64),
        ...(await headOf(organizationId, head.note, signing.checkpoint)),
      }
    },

    async consistency({ tx }, { from, to }) {
      const size = (await newestCheckpoint(tx))?.size ?? 0
      if (to > size) throw wrong('to', `the log has ${size} sealed events`)
      if (from > to) throw wrong('from', 'must not be above `to`: a log is only ever extended')
      const proof = await consistencyProof(from, to, nodesOf(tx))
      return { from, to, proof: proof.map(encodeBase64) }
    },
  }
}

function wrong(path: string, message: string): AppError {
  return new AppError('bad_request', 'The input is not valid; `errors` says where.', { fields: [{ path, message }] })
}
