import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import {
  acceptedVersions,
  type CertificateHolder,
  followCertificate,
  internalServerOptions,
  type NonceStore,
  parseServiceKeyId,
  peerIdentity,
  Secret,
  type ServiceRequest,
  signServiceAnswer,
  TrustError,
  verifyServiceRequest,
} from '@redoubt/trust'
import { StartError } from '../platform/app-error.ts'
import type { Clock } from '../platform/clock.ts'
import {
  type KeeperRequest,
  keeperProtocol,
  type ServiceIdentity,
  serviceIdentities,
} from '../platform/keeper-protocol.ts'
import type { Stop } from '../platform/kernel.ts'
import type { Keeper, Refusal } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'

const bodyLimitBytes = 256 * 1024
const mostConnections = 256
/** From one address: seven services on one machine hold fewer, and no stranger holds all. */
const mostOfOneAddress = 128
/** The one request that a service may make before it has a certificate; its signature proves who asks. */
const withoutCertificate: ReadonlySet<KeeperRequest> = new Set(['identity.certify', 'identity.trust'])

const statusOf: Readonly<Record<string, number>> = {
  invalid: 400,
  not_allowed: 403,
  not_found: 404,
  store_conflict: 409,
  sealed: 503,
  master_unavailable: 503,
  store_unavailable: 503,
}

export type WireParts = {
  readonly keeper: Keeper
  readonly holder: CertificateHolder
  readonly nonces: NonceStore
  readonly clock: Clock
  /** What was refused before the keeper was asked: who could not prove itself. */
  readonly onRefused: (refusal: Omit<Refusal, 'service'> & { readonly service: ServiceIdentity | null }) => void
}

/**
 * The keeper's door for services that run apart (SVC-3, SVC-4): TLS 1.3 with certificates on both sides, a signature over
 * every request and every answer, then the keeper's own policy. A request that does not prove its sender is answered
 * without a signature and without a reason that would help a stranger.
 * @throws StartError when the port cannot be had
 */
export async function startWire(
  parts: WireParts,
  at: { host: string; port: number; authority: string },
): Promise<{ port: number; stop: Stop }> {
  const { holder } = parts
  const server = createServer(
    { ...internalServerOptions(holder), maxHeaderSize: 16 * 1024, requestTimeout: 30_000 },
    (request, response) => {
      answer(parts, () => authorityOf(at.authority, server.address()), request, response).catch(() =>
        response.destroy(),
      )
    },
  )
  server.maxConnections = mostConnections
  limitEachAddress(server)
  const unfollow = followCertificate(server, holder)
  await new Promise<void>((done, fail) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is taken' : `cannot be opened (${cause.code})`
      fail(new StartError(`Port ${at.port}, where the keeper listens, ${why}: set REDOUBT_KEEPER_PORT.`, { cause }))
    })
    server.listen(at.port, at.host, done)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : at.port,
    stop: async () => {
      unfollow()
      const closed = new Promise<void>((done) => server.close(() => done()))
      server.closeIdleConnections()
      setTimeout(() => server.closeAllConnections(), 2000).unref()
      await closed
    },
  }
}

function limitEachAddress(server: Server): void {
  const open = new Map<string, number>()
  // Before TLS: an open socket costs a stranger nothing, and each one takes a place.
  server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    if (count > mostOfOneAddress) return void socket.destroy()
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

/** The name this keeper answers to, never what the message says; port 0 is known only once it listens. */
function authorityOf(configured: string, address: ReturnType<ReturnType<typeof createServer>['address']>): string {
  return configured.endsWith(':0') && typeof address === 'object' && address
    ? configured.replace(/:0$/, `:${address.port}`)
    : configured
}

async function answer(
  parts: WireParts,
  authority: () => string,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { keeper, holder, clock } = parts
  const url = incoming.url ?? '/'
  const at = url.indexOf('?')
  const body = await read(incoming)
  const request: ServiceRequest = {
    method: incoming.method ?? '',
    authority: authority(),
    path: at < 0 ? url : url.slice(0, at),
    query: at < 0 ? '' : url.slice(at),
    headers: incoming.headers,
    body: body ?? Buffer.alloc(0),
  }
  const name = request.path.startsWith('/v1/') ? request.path.slice(4) : ''
  const isKnown = Object.hasOwn(keeperProtocol, name)
  const peer = peerIdentity(incoming.socket as TLSSocket, holder.rules())
  const certified = peer?.spiffeId.kind === 'service' ? peer.spiffeId.name : null
  const keys = new Map<string, Secret<Uint8Array>>()
  let caller: ServiceIdentity
  try {
    if (body === null) throw new TrustError('http_signature_malformed', 'the body is too long')
    const proven = await verifyServiceRequest(request, {
      keys: async (keyid) => {
        const key = await keyOf(parts, keyid)
        if (key) keys.set(keyid, key)
        return key
      },
      nonces: parts.nonces,
      now: clock.now(),
    })
    caller = proven.service as ServiceIdentity
    // The certificate alone is not enough, nor is the signature: both must be of the same service.
    if (certified !== caller && !(peer === null && isKnown && withoutCertificate.has(name as KeeperRequest)))
      throw new TrustError('certificate_id', 'the certificate is not the signer’s')
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    const service = serviceIdentities.find((each) => each === certified) ?? null
    // A stranger's own words have no place in a log that is kept for ever.
    parts.onRefused({ service, request: isKnown ? name : 'unknown', code: error.code })
    response.writeHead(401, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ code: error.code }))
    return
  }
  const keyid = [...keys.keys()][0] as string
  const { status, content } = await handled(keeper, caller, name, isKnown, request.body)
  const bytes = Buffer.from(JSON.stringify(content))
  const signed = signServiceAnswer(request, {
    status,
    body: bytes,
    key: { keyid, secret: keys.get(keyid) as Secret<Uint8Array> },
    now: clock.now(),
  })
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...signed })
  response.end(bytes)
}

async function handled(
  keeper: Keeper,
  caller: ServiceIdentity,
  name: string,
  isKnown: boolean,
  body: Uint8Array,
): Promise<{ status: number; content: unknown }> {
  try {
    if (!isKnown) throw new KeeperError('not_found', 'The keeper knows no such request.')
    return { status: 200, content: await keeper.handle(caller, name as KeeperRequest, json(body)) }
  } catch (error) {
    if (!(error instanceof KeeperError)) return { status: 500, content: { code: 'internal', detail: 'It failed.' } }
    return { status: statusOf[error.code] ?? 500, content: { code: error.code, detail: error.message } }
  }
}

/** The key of an id, as long as it counts: pending, active or retiring. */
async function keyOf({ keeper, clock }: WireParts, keyid: string): Promise<Secret<Uint8Array> | undefined> {
  const { service, version } = parseServiceKeyId(keyid)
  const known = serviceIdentities.find((each) => each === service)
  if (!known) return undefined
  const line = acceptedVersions(await keeper.serviceKeys(known), clock.now())
  const held = line.find((each) => each.version === version)
  return held && new Secret<Uint8Array>(Buffer.from(held.material, 'base64'))
}

async function read(incoming: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length
    if (size > bodyLimitBytes) return null
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

function json(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    throw new KeeperError('invalid', 'The body is no JSON.')
  }
}
