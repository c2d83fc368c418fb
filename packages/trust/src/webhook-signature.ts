import { type Bytes, concatBytes, decodeBase64, encodeBase64, utf8 } from './bytes.ts'
import { hmacSha256, verifyHmacSha256 } from './mac.ts'
import { TrustError } from './trust-error.ts'

/*
 * Standard Webhooks (https://www.standardwebhooks.com), symmetric signatures `v1`.
 */

const SECRET_PREFIX = 'whsec_'
const TOLERANCE_SECONDS = 5 * 60
const MAX_SIGNATURES = 16

export type WebhookHeaders = {
  readonly 'webhook-id': string
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/** Signs one delivery with a `whsec_…` secret. Throws `webhook_secret` or `webhook_malformed`. */
export function signWebhook(message: { id: string; now: Date; body: Uint8Array }, secret: string): WebhookHeaders {
  const timestamp = String(Math.floor(message.now.getTime() / 1000))
  const mac = hmacSha256(webhookKey(secret), signedContent(message.id, timestamp, message.body))
  return {
    'webhook-id': message.id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${encodeBase64(mac)}`,
  }
}

/**
 * Verifies one delivery against any of the secrets (two during a rotation). The caller still refuses a `webhook-id` it
 * has seen. Throws `webhook_malformed`, `webhook_timestamp` (more than 5 minutes away), `webhook_signature` or
 * `webhook_secret`.
 */
export function verifyWebhook(
  headers: { readonly [name: string]: string | readonly string[] | undefined },
  body: Uint8Array,
  { secrets, now }: { readonly secrets: readonly string[]; readonly now: Date },
): { readonly id: string; readonly timestamp: Date } {
  const id = single(headers, 'webhook-id')
  const timestamp = single(headers, 'webhook-timestamp')
  const content = signedContent(id, timestamp, body)
  const sent = Number(timestamp)
  // Without a window, one captured delivery could be repeated for ever.
  if (!(Math.abs(now.getTime() / 1000 - sent) <= TOLERANCE_SECONDS))
    throw new TrustError('webhook_timestamp', `webhook-timestamp is more than ${TOLERANCE_SECONDS} seconds away`)
  const tags = signatures(single(headers, 'webhook-signature'))
  const keys = secrets.map(webhookKey)
  if (!keys.some((key) => tags.some((tag) => verifyHmacSha256(key, content, tag))))
    throw new TrustError('webhook_signature', 'no signature in webhook-signature belongs to this delivery')
  return { id, timestamp: new Date(sent * 1000) }
}

/** The `whsec_…` text of a key of 24 to 64 bytes. */
export const formatWebhookSecret = (key: Uint8Array): string => {
  const secret = `${SECRET_PREFIX}${encodeBase64(key)}`
  webhookKey(secret)
  return secret
}

function webhookKey(secret: string): Bytes {
  if (!secret.startsWith(SECRET_PREFIX)) throw new TrustError('webhook_secret', 'a webhook secret begins with whsec_')
  let key: Bytes
  try {
    key = decodeBase64(secret.slice(SECRET_PREFIX.length))
  } catch (cause) {
    throw new TrustError('webhook_secret', 'a webhook secret is whsec_ and base64', { cause })
  }
  if (key.length < 24 || key.length > 64) throw new TrustError('webhook_secret', 'a webhook secret has 24 to 64 bytes')
  return key
}

/** `id.timestamp.body`. The id holds no dot and the timestamp only digits, so the division cannot be moved. */
function signedContent(id: string, timestamp: string, body: Uint8Array): Bytes {
  if (!/^[\x21-\x2d\x2f-\x7e]{1,256}$/.test(id))
    throw new TrustError('webhook_malformed', 'webhook-id has 1 to 256 printable characters and no dot')
  if (!/^[1-9][0-9]{0,11}$/.test(timestamp))
    throw new TrustError('webhook_malformed', 'webhook-timestamp is a whole number of seconds')
  return concatBytes(utf8(`${id}.${timestamp}.`), body)
}

/** The `v1` tags of a space-separated list; other versions are for other verifiers and are passed over. */
function signatures(list: string): Bytes[] {
  const entries = list.split(' ')
  if (entries.length > MAX_SIGNATURES)
    throw new TrustError('webhook_malformed', `webhook-signature has at most ${MAX_SIGNATURES} entries`)
  return entries.flatMap((entry) => {
    const [, encoded] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(entry) ?? []
    return encoded === undefined ? [] : [new Uint8Array(Buffer.from(encoded, 'base64'))]
  })
}

/** A header that arrives twice is refused: two readers could each believe another one. */
function single(headers: { readonly [name: string]: string | readonly string[] | undefined }, name: string): string {
  const value = headers[name]
  if (typeof value !== 'string') throw new TrustError('webhook_malformed', `the header ${name} must be sent once`)
  return value
}
