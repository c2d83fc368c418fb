import { createHash } from 'node:crypto'
import { AppError } from '../../../platform/app-error.ts'

/** How a retry of one request is recognized. */
export type Delivery = {
  /** SHA-256 over the sender's id for the delivery, or over the body. */
  readonly key: Buffer
  /** SHA-256 of the decompressed body, hexadecimal: an id used again for something else must not swallow it. */
  readonly body: string
  /** How long the same key means the same delivery. */
  readonly rememberedMs: number
}

/** Receipts are kept this long; senders do not retry for longer. */
export const RECEIPT_MS = 24 * 3_600_000
/** Without an id, the same bytes again are a retry for this long; later they are news. */
const SAME_BODY_MS = 10 * 60_000

/**
 * The delivery of a request: by `webhook-id`, else by `Idempotency-Key`, else by the body itself.
 * @throws AppError bad_request
 */
export function deliveryOf(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body: Uint8Array,
): Delivery {
  const digest = createHash('sha256').update(body).digest()
  const text = digest.toString('hex')
  for (const name of ['webhook-id', 'idempotency-key']) {
    const id = headers[name]
    if (id === undefined) continue
    if (typeof id !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(id)) {
      throw new AppError('bad_request', `The header ${name} must be sent once, with 1 to 256 printable characters.`)
    }
    return { key: createHash('sha256').update(`${name}|${id}`).digest(), body: text, rememberedMs: RECEIPT_MS }
  }
  return { key: createHash('sha256').update('body|').update(digest).digest(), body: text, rememberedMs: SAME_BODY_MS }
}
