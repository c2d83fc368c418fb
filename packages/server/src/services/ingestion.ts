import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import {
  type Batch,
  ByteBudget,
  type DoorSource,
  deliveryOf,
  Gate,
  readBatch,
  SourceDoor,
  takeBatch,
} from '../modules/alerts/index.ts'
import { AppError } from '../platform/app-error.ts'
import type { Database } from '../platform/database.ts'
import { createServer, describe } from '../platform/http.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { addressUnit, RateLimit } from '../platform/rate-limit.ts'
import { credentialsOf } from '../platform/rest.ts'

const MAX_SENT = 10 * 1_048_576
const MAX_UNPACKED = 50 * 1_048_576
const MAX_HELD = 128 * 1_048_576
/** Of these, what may be held for senders whose signature is still to be verified: whoever has a token keeps the rest. */
const MAX_UNPROVEN = 64 * 1_048_576
const MAX_FIELDS = 20

const unpack = promisify(gunzip)

/** Takes alerts from outside sources (SVC-1, ALERT-1): `POST /ingest/{source}`. Committed before it answers. */
export async function startIngestion(kernel: Kernel, database: Database): Promise<{ url: string; stop: Stop }> {
  const server = createServer(kernel, 'ingestion', async () => (await database.pool.query('select 1')).rowCount === 1)
  const door = new SourceDoor(kernel, database)
  const gate = new Gate({ atOnce: 8, mayWait: 64 })
  const held = new ByteBudget(MAX_HELD)
  const unproven = new ByteBudget(MAX_UNPROVEN)
  const { clock, config, log } = kernel
  const perSource = new RateLimit({ limit: config.limits.ingestRequestsPerSecond, windowMs: 1000, clock })
  const refusals = new RateLimit({ limit: config.limits.anonymousPerSecond, windowMs: 1000, clock })

  // Bodies are read below, after the token is known and within a budget; no parser may touch them first.
  server.app.removeAllContentTypeParsers()
  server.app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  server.mount('source: its token, or the signature of its webhook secret', {
    method: 'POST',
    url: '/ingest/:source',
    handler: async (request, reply) => {
      try {
        return reply.code(202).send(await ingest(request))
      } catch (error) {
        // What is left of a refused body is not read: the connection ends with the answer.
        if (!request.raw.complete) reply.header('connection', 'close')
        throw error
      }
    },
  })
  return server.listen(config.ports.ingestion)

  async function ingest(request: FastifyRequest) {
    const name = (request.params as { source: string }).source
    const credentials = credentialsOf(request)
    const token = credentials.kind === 'bearer' ? credentials.token : null
    // Where there is no signature to verify either, the body is not worth reading.
    const isSigned = token === null && request.headers['webhook-signature'] !== undefined
    const source = isSigned ? null : await admit(request, () => door.byToken(name, token ?? ''))
    let heldBytes = 0
    let unprovenBytes = 0
    const proven = () => {
      unproven.give(unprovenBytes)
      unprovenBytes = 0
    }
    try {
      const sent = await readSent(request.raw, request.headers['content-length'], (bytes) => {
        held.take(bytes)
        heldBytes += bytes
        if (source) return
        unproven.take(bytes)
        unprovenBytes += bytes
      })
      const known = source ?? (await admit(request, () => door.bySignature(name, request.headers, sent)))
      proven()
      return await gate.run(() => take(request, known, sent))
    } finally {
      proven()
      held.give(heldBytes)
    }
  }

  /** Knocks. Who comes too often, or is refused again and again, is told to wait. */
  async function admit(request: FastifyRequest, knock: () => Promise<DoorSource>): Promise<DoorSource> {
    try {
      const source = await knock()
      perSource.take(source.id, 'requests a second for one source')
      return source
    } catch (error) {
      if (error instanceof AppError && error.code === 'unauthenticated') {
        kernel.metrics.denied.inc({ code: error.code })
        refusals.take(addressUnit(request.ip), 'refused requests a second')
      }
      throw error
    }
  }

  async function take(request: FastifyRequest, source: DoorSource, sent: Buffer) {
    const body = await unpackBody(sent, request.headers['content-encoding'])
    const batch = await readBatch(body, source, {
      receivedAt: clock.now(),
      declaredLines: /^application\/(?:x-)?(?:ndjson|jsonl(?:ines)?)\b/i.test(request.headers['content-type'] ?? ''),
      pause: () => new Promise((turn) => setImmediate(turn)),
      onDefect: (error) =>
        log.error({ requestId: request.id, sourceId: source.id, err: describe(error) }, 'an event broke its adapter'),
    })
    refuseAllBad(batch)
    return takeBatch({ kernel, database, requestId: request.id }, source, deliveryOf(request.headers, body), batch)
  }
}

/** @throws AppError too_large, before more than the limit is in memory */
async function readSent(
  stream: FastifyRequest['raw'],
  declared: string | undefined,
  take: (bytes: number) => void,
): Promise<Buffer> {
  const refuse = () => new AppError('too_large', `Send at most ${MAX_SENT} bytes in one request; gzip counts as sent.`)
  if (Number(declared ?? 0) > MAX_SENT) throw refuse()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_SENT) throw refuse()
    take(chunk.length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

/** @throws AppError too_large as soon as a compression bomb passes the limit, bad_request for damaged data */
async function unpackBody(sent: Buffer, encoding: string | undefined): Promise<Buffer> {
  switch (encoding?.trim().toLowerCase() ?? 'identity') {
    case 'identity':
      return sent
    case 'gzip':
    case 'x-gzip':
      try {
        return await unpack(sent, { maxOutputLength: MAX_UNPACKED })
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
          throw new AppError('too_large', `Send at most ${MAX_UNPACKED} bytes in one request, unpacked.`, { cause })
        }
        throw new AppError('bad_request', 'The body says gzip and is damaged or cut off.', { cause })
      }
    default:
      throw new AppError('unsupported_media_type', 'Send the body as it is or with Content-Encoding: gzip.')
  }
}

/** A sender that looks at the status alone must not take a batch of rubbish for delivered. */
function refuseAllBad({ accepted, rejected }: Batch): void {
  if (rejected.length === 0 || accepted > 0) return
  const fields = rejected.slice(0, MAX_FIELDS).map(({ index, reason }) => ({ path: String(index), message: reason }))
  throw new AppError('unprocessable', 'No event of this request can be read; `errors` says why.', { fields })
}
