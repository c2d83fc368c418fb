import { createServer as createPlainServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import {
  type CertificateHolder,
  internalConnector,
  internalServerOptions,
  MemoryNonces,
  type NonceStore,
  peerIdentity,
  systemTimers,
} from '@redoubt/trust'
import { Agent, request } from 'undici'
import { DatabaseNonces } from '../packages/server/src/keeper/database-nonces.ts'
import { directClient } from '../packages/server/src/keeper/direct-client.ts'
import type { Keeper } from '../packages/server/src/keeper/keeper.ts'
import { openKeeper } from '../packages/server/src/keeper/open-keeper.ts'
import { startWire } from '../packages/server/src/keeper/wire-server.ts'
import { systemClock } from '../packages/server/src/platform/clock.ts'
import type { ServiceIdentityFile } from '../packages/server/src/platform/identity-file.ts'
import { keeperProtocol } from '../packages/server/src/platform/keeper-protocol.ts'
import { createLog } from '../packages/server/src/platform/log.ts'
import { createMetrics } from '../packages/server/src/platform/metrics.ts'
import { remoteKeeper } from '../packages/server/src/platform/remote-keeper.ts'
import { keepIdentity, newCredentials } from '../packages/server/src/platform/service-identity.ts'
import { equip } from '../packages/server/src/services/kernel.ts'
import { benchConfig, type Cluster } from './cluster.ts'
import type { Figure, FigureKey } from './report.ts'
import { median } from './sample.ts'
import type { Undoing } from './undo.ts'

const rounds = 21
const callsPerRound = 200
const service = 'worker'
const path = `database/${service}/password`
type Call = () => Promise<unknown>
type Parts = { readonly keeper: Keeper; readonly keepers: CertificateHolder; readonly own: CertificateHolder }

/**
 * One call of a service to the keeper, over one kept connection, one after the other: over plain HTTP, over mutual TLS,
 * and signed both ways as well, with nonces in memory and in the database. The same question, handler and connection
 * pool; both ends are in this process, so that what either spends is in the figure.
 */
export async function measureInternalCall(
  undoing: Undoing,
  cluster: Cluster,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const config = benchConfig(cluster.home, { web: 0, api: 0, ingestion: 0, runner: 0 })
  const { keeper } = await openKeeper(config, systemClock)
  undoing.push(() => keeper.close())
  const log = createLog(config)
  const ground = { config, clock: systemClock, log, metrics: createMetrics(), address: cluster.address }
  const parts = await equip(ground, directClient(keeper, 'keeper'), { role: 'redoubt_keeper' })
  undoing.push(parts.stop)
  const credentials = newCredentials(service, config.trustDomain, await keeper.desk.rootsPem(), systemClock)
  const line = directClient(keeper, service)
  undoing.push(await keepIdentity({ keeper: line, credentials, clock: systemClock, log, version: 'bench' }))
  const ends = { keeper, keepers: parts.kernel.certificate, own: credentials.holder }
  const variants = {
    plain: await overPlain(undoing, ends),
    tls: await overTls(undoing, ends),
    signed: await overWire(undoing, ends, new MemoryNonces(1_000_000)),
    stored: await overWire(undoing, ends, new DatabaseNonces(parts.database)),
  }
  const { plain, tls, signed, stored } = await inTurns(variants)
  progress(
    `internal call: plain ${micros(plain)}, mTLS ${micros(tls)}, signed ${micros(signed)}, nonces in the database ${micros(stored)}`,
  )
  return [
    figure('internal call over mutual TLS', 'internalTlsAddedUs', tls, plain),
    figure('… signed both ways', 'internalSignedAddedUs', signed, plain),
    figure('… with nonces in the database', 'internalCallAddedUs', stored, plain, 'internalCallRatio'),
  ]
}

/** What the keeper's port does, without proof of anybody. */
const handling =
  (keeper: Keeper, isKnown: (incoming: IncomingMessage) => boolean): RequestListener =>
  async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    if (!isKnown(incoming)) return response.writeHead(401).end()
    const answer = await keeper.handle(service, 'secret.read', JSON.parse(Buffer.concat(chunks).toString('utf8')))
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(answer))
  }

/** What `remoteKeeper` does, without proof. */
function calling(undoing: Undoing, url: string, agent: Agent): Call {
  undoing.push(() => agent.destroy())
  return async () => {
    const { statusCode, body } = await request(new URL('/v1/secret.read', url), {
      method: 'POST',
      body: Buffer.from(JSON.stringify({ path })),
      headers: { 'content-type': 'application/json' },
      dispatcher: agent,
      signal: AbortSignal.timeout(10_000),
    })
    if (statusCode !== 200) throw new Error(`the call was answered ${statusCode}`)
    return keeperProtocol['secret.read'].output.parse(await body.json())
  }
}

const pool = { connections: 4, pipelining: 1 } as const

async function overPlain(undoing: Undoing, { keeper }: Parts): Promise<Call> {
  const server = createPlainServer(handling(keeper, () => true))
  return calling(undoing, `http://127.0.0.1:${await listening(undoing, server)}`, new Agent(pool))
}

async function overTls(undoing: Undoing, { keeper, keepers, own }: Parts): Promise<Call> {
  const isKnown = ({ socket }: IncomingMessage) => peerIdentity(socket as TLSSocket, keepers.rules()) !== null
  const server = createServer(internalServerOptions(keepers), handling(keeper, isKnown))
  const expected = keepers.spiffeId
  const connector = internalConnector({ connect, holder: own, expected, timers: systemTimers })
  const agent = new Agent({ ...pool, connect: connector as never })
  return calling(undoing, `https://127.0.0.1:${await listening(undoing, server)}`, agent)
}

/** The product itself, from end to end. */
async function overWire(undoing: Undoing, { keeper, keepers, own }: Parts, nonces: NonceStore): Promise<Call> {
  const onRefused = () => undefined
  const wire = await startWire(
    { keeper, holder: keepers, nonces, clock: systemClock, onRefused },
    { host: '127.0.0.1', port: 0, authority: '127.0.0.1:0' },
  )
  undoing.push(wire.stop)
  const line = await keeper.serviceKeys(service)
  const identity: ServiceIdentityFile = {
    format: 'redoubt.service-identity/v1',
    service,
    trustDomain: keeper.desk.trustDomain,
    rootsPem: await keeper.desk.rootsPem(),
    keys: line.map(({ version, activeAt, endsAt, material }) => ({ version, activeAt, endsAt, key: material })),
  }
  const url = `https://127.0.0.1:${wire.port}`
  const client = remoteKeeper({ url, holder: own, identity: () => identity, clock: systemClock })
  undoing.push(() => client.close())
  return () => client.call('secret.read', { path })
}

async function listening(undoing: Undoing, server: ReturnType<typeof createPlainServer>): Promise<number> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  undoing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Microseconds a call of each round, by turns; who goes first changes. The first round only warms up. */
async function inTurns<const V extends string>(variants: Readonly<Record<V, Call>>): Promise<Record<V, number[]>> {
  const names = Object.keys(variants) as V[]
  const measured = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<V, number[]>
  for (let round = 0; round <= rounds; round++) {
    for (const at of names.keys()) {
      const name = names[(at + round) % names.length] as V
      const began = performance.now()
      for (let call = 0; call < callsPerRound; call++) await variants[name]()
      if (round > 0) measured[name].push(((performance.now() - began) * 1000) / callsPerRound)
    }
  }
  return measured
}

const paired = (of: readonly number[], to: readonly number[], by: (of: number, to: number) => number): number =>
  median(of.map((value, at) => by(value, to[at] as number)))

function figure(
  what: string,
  key: FigureKey,
  measured: readonly number[],
  plain: readonly number[],
  ratioKey?: FigureKey,
): Figure {
  const added = paired(measured, plain, (one, other) => one - other)
  const ratio = paired(measured, plain, (one, other) => one / other)
  return {
    what,
    unit: 'µs',
    value: median(measured),
    reference: { what: 'plain HTTP, kept connection', value: median(plain) },
    ratio,
    keys: { [key]: added, ...(ratioKey ? { [ratioKey]: ratio } : {}) },
  }
}

const micros = (values: readonly number[]): string => `${Math.round(median(values))} µs`
