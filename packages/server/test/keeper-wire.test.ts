import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { connect } from 'node:tls'
import {
  createServiceNonce,
  internalConnector,
  internalServerOptions,
  MemoryNonces,
  Secret,
  signServiceAnswer,
  signServiceRequest,
  systemTimers,
} from '@redoubt/trust'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DatabaseNonces } from '../src/keeper/database-nonces.ts'
import { directClient } from '../src/keeper/direct-client.ts'
import { startWire } from '../src/keeper/wire-server.ts'
import type { ServiceIdentityFile } from '../src/platform/identity-file.ts'
import { KeeperRefusal, type ServiceIdentity } from '../src/platform/keeper-protocol.ts'
import { remoteKeeper } from '../src/platform/remote-keeper.ts'
import { keepIdentity, newCredentials } from '../src/platform/service-identity.ts'
import { keeperTrail } from '../src/services/keeper-trail.ts'
import { FakeClock, startTestPlatform, type TestOrganization, type TestPlatform } from './harness.ts'

let t: TestPlatform
let operator: TestOrganization
let url: string
/** Of signatures and their keys. Certificates stay with the real time: TLS itself looks at their dates. */
const clock = new FakeClock()
let trail: ReturnType<typeof keeperTrail>
const stops: (() => unknown)[] = []

beforeAll(async () => {
  t = await startTestPlatform()
  operator = await t.organization()
  const { keeper } = t
  trail = keeperTrail(t.kernel, t.databases.redoubt_keeper)
  stops.push(keeper.onRefusal(trail.refused))
  const holder = t.parts.redoubt_keeper.kernel.certificate
  const nonces = new DatabaseNonces(t.databases.redoubt_keeper)
  const wire = await startWire(
    { keeper, holder, nonces, clock, onRefused: trail.refused },
    { host: '127.0.0.1', port: 0, authority: '127.0.0.1:0' },
  )
  url = `https://127.0.0.1:${wire.port}`
  stops.push(wire.stop)
})
afterAll(async () => {
  for (const stop of stops.reverse()) await stop()
  await t.stop()
})

async function identityOf(service: ServiceIdentity): Promise<ServiceIdentityFile> {
  const line = await t.keeper.serviceKeys(service)
  return {
    format: 'redoubt.service-identity/v1',
    service,
    trustDomain: 'redoubt.internal',
    rootsPem: await t.keeper.desk.rootsPem(),
    keys: line.map(({ version, activeAt, endsAt, material }) => ({ version, activeAt, endsAt, key: material })),
  }
}

/** A service with its line to the keeper, certified unless told otherwise. */
async function lineOf(
  service: ServiceIdentity,
  { certified = true, identity = undefined as ServiceIdentityFile | undefined } = {},
) {
  const file = identity ?? (await identityOf(service))
  const credentials = newCredentials(service, file.trustDomain, file.rootsPem, t.clock)
  const keeper = remoteKeeper({ url, holder: credentials.holder, identity: () => file, clock })
  if (certified) {
    const stop = await keepIdentity({ keeper, credentials, clock: t.clock, log: t.kernel.log, version: 'test' })
    stops.push(stop)
  }
  stops.push(() => keeper.close())
  return { keeper, holder: credentials.holder }
}

/** Events of the operator's log about refused services, newest first. */
async function refusals() {
  await trail.settled()
  const { rows } = await t.admin.query<{ target_id: string; facts: { code?: string; request?: string } }>(
    `select target_id, facts from audit_events where action = 'service.refused' and organization_id = $1 order by id desc`,
    [operator.id],
  )
  return rows
}

const code = (work: Promise<unknown>) =>
  work.then(
    () => 'allowed',
    (error: unknown) =>
      error instanceof KeeperRefusal ? error.code : `${(error as Error).name}: ${(error as Error).message}`,
  )

describe('a service that runs apart', () => {
  it('gets its certificate by its key alone, and everything else by both', async () => {
    const { keeper } = await lineOf('worker')
    const [version] = await keeper.call('signing.line', { use: 'checkpoint' })
    expect(version?.privateJwk).not.toBeNull()
    const status = (await t.keeper.desk.list()).find(({ service }) => service === 'worker')
    expect(status?.version).toBe('test')
    expect(status?.certificate?.serial).toMatch(/^[0-9a-f]+$/)
  })

  it('without a certificate is told nothing else, and the refusal is in the audit log', async () => {
    const { keeper } = await lineOf('worker', { certified: false })
    expect(await code(keeper.call('signing.line', { use: 'checkpoint' }))).toBe('certificate_id')
    expect((await refusals())[0]).toMatchObject({ facts: { code: 'certificate_id', request: 'signing.line' } })
  })

  it('cannot speak for another: its certificate with another’s key, or its key under another’s certificate', async () => {
    const worker = await lineOf('worker')
    const ingestion = await identityOf('ingestion')
    const mixed = remoteKeeper({ url, holder: worker.holder, identity: () => ingestion, clock })
    stops.push(() => mixed.close())
    expect(await code(mixed.call('secret.read', { path: 'database/ingestion/password' }))).toBe('certificate_id')
    expect((await refusals())[0]).toMatchObject({ target_id: 'worker', facts: { code: 'certificate_id' } })
  })

  it('may not ask for what its policy does not name, and the refusal is in the audit log', async () => {
    const { keeper } = await lineOf('ingestion')
    expect(await code(keeper.call('secret.read', { path: 'database/ingestion/password' }))).toBe('allowed')
    expect(await code(keeper.call('secret.read', { path: 'database/web/password' }))).toBe('not_allowed')
    expect((await refusals())[0]).toMatchObject({
      target_id: 'ingestion',
      facts: { code: 'not_allowed', path: 'database/web/password' },
    })
    expect(await code(keeper.call('keys.rotate', { key: 'kek' }))).toBe('not_allowed')
    expect((await keeper.call('signing.line', { use: 'plan' }))[0]?.privateJwk).toBeNull()
  })

  it('is refused with a key that has ended, and accepted with the next one', async () => {
    const old = await identityOf('misp-processor')
    const before = await lineOf('misp-processor', { identity: old })
    expect(await code(before.keeper.call('identity.trust', {}))).toBe('allowed')
    await t.keeper.rotate('services')
    clock.advance(30 * 60_000)
    // In the window both count: nobody has to hurry.
    expect(await code(before.keeper.call('identity.trust', {}))).toBe('allowed')
    clock.advance(60 * 60_000)
    expect(await code(before.keeper.call('identity.trust', {}))).toBe('http_signature_key_unknown')
    expect((await refusals())[0]).toMatchObject({
      target_id: 'misp-processor',
      facts: { code: 'http_signature_key_unknown' },
    })
    const after = await lineOf('misp-processor')
    expect(await code(after.keeper.call('identity.trust', {}))).toBe('allowed')
  })

  it('on the deny-list is refused on the connection it has', async () => {
    const { keeper } = await lineOf('search-sync')
    expect(await code(keeper.call('identity.trust', {}))).toBe('allowed')
    await t.keeper.desk.deny('spiffe://redoubt.internal/service/search-sync', 'taken over')
    const verdict = await code(keeper.call('secret.read', { path: 'database/search-sync/password' }))
    expect(verdict).not.toBe('allowed')
    await t.keeper.desk.deny('spiffe://redoubt.internal/service/search-sync', null)
    expect(await code(keeper.call('secret.read', { path: 'database/search-sync/password' }))).toBe('allowed')
  })

  it('learns of a change without asking again and again', async () => {
    const { keeper } = await lineOf('api')
    const changed = new Promise<string>((done) => {
      stops.push(keeper.onChange((what) => what === 'signing:access' && done(what)))
    })
    // The first answer only says where the log stands.
    await new Promise((next) => setTimeout(next, 200))
    await t.keeper.rotate('access')
    expect(await changed).toBe('signing:access')
  })
})

describe('a service that was taken over', () => {
  it('cannot have the keeper disbelieved, and fills the deny-list with nothing that names nobody', async () => {
    const { keeper } = await lineOf('api')
    const deny = (subject: string) => code(keeper.call('services.deny', { subject, reason: 'x' }))
    const own = (await t.keeper.desk.list()).find(({ service }) => service === 'keeper')
    expect(await deny('spiffe://redoubt.internal/service/keeper')).toBe('invalid')
    expect(await deny(own?.certificate?.serial as string)).toBe('invalid')
    for (const subject of [
      'x'.repeat(2048),
      'spiffe://elsewhere.test/service/api',
      'spiffe://redoubt.internal/service/A',
    ])
      expect(await deny(subject), subject).toBe('invalid')
    expect(await t.keeper.desk.denials()).toEqual([])
  })

  it('cannot rotate a key without end: a line that is full rotates no more', async () => {
    const { keeper } = await lineOf('web')
    const rotate = () => code(keeper.call('keys.rotate', { key: 'checkpoint' }))
    expect(await rotate()).toBe('allowed')
    expect(await rotate()).toBe('invalid')
    // The operator of the machine need not wait.
    await t.keeper.rotate('checkpoint')
  })

  it('hides no refusal behind another that the log does not take', async () => {
    const { keeper } = await lineOf('search-sync')
    const told: object[] = []
    const off = t.keeper.onRefusal((refusal) => told.push(refusal))
    // PostgreSQL's JSON has no such letter, and a row of the log has an end.
    for (const path of ['\u0000', 'X'.repeat(200)]) await code(keeper.call('secret.read', { path }))
    off()
    expect(told).toEqual(Array(2).fill({ service: 'search-sync', request: 'secret.read', code: 'not_allowed' }))
    trail.acted({ action: 'key.rotated', facts: { text: '\u0000' } })
    trail.acted({ action: 'key.rotated', facts: { by: 'operator of the machine' } })
    await trail.settled()
    const { rows } = await t.admin.query(`select facts from audit_events where action = 'key.rotated'`)
    expect(rows).toEqual([{ facts: { by: 'operator of the machine' } }])
  })
})

describe('strangers who reach the port', () => {
  const port = () => Number(new URL(url).port)

  it('cannot fill the log: a flood of refusals is counted, and no word of theirs is kept', async () => {
    const before = (await refusals()).length
    const agent = new Agent({ connect: { rejectUnauthorized: false } })
    stops.push(() => agent.destroy())
    await request(new URL(`/v1/${'a'.repeat(4000)}`, url), { method: 'POST', body: '{}', dispatcher: agent })
    expect((await refusals())[0]).toMatchObject({ target_id: 'unknown', facts: { request: 'unknown' } })
    for (let at = 0; at < 150; at++)
      trail.refused({ service: null, request: 'unknown', code: 'http_signature_malformed' })
    // With the next event of any kind.
    trail.refused({ service: 'web', request: 'keys.rotate', code: 'not_allowed' })
    const events = await refusals()
    expect(events.length - before).toBeLessThan(110)
    expect(JSON.stringify(events)).not.toContain('aaaa')
    expect(events.some(({ facts }) => Number((facts as { more?: number }).more) >= 50)).toBe(true)
  })

  it('cannot hold all of its places from one address', async () => {
    const sockets = Array.from({ length: 200 }, () => connectTcp(port(), '127.0.0.1'))
    const closed = await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<boolean>((done) => {
            socket.on('error', () => undefined)
            socket.once('close', () => done(true))
            setTimeout(() => done(false), 1000)
          }),
      ),
    )
    for (const socket of sockets) socket.destroy()
    expect(closed.filter((each) => !each).length).toBeLessThanOrEqual(128)
    await expect.poll(async () => code((await lineOf('web')).keeper.call('identity.trust', {}))).toBe('allowed')
  })
})

describe('a captured request', () => {
  async function raw(holderOf: ServiceIdentity) {
    const { holder } = await lineOf(holderOf)
    const identity = await identityOf(holderOf)
    const { version, key } = identity.keys.at(-1) as ServiceIdentityFile['keys'][number]
    const expected = { trustDomain: 'redoubt.internal', kind: 'service', name: 'keeper' } as const
    const agent = new Agent({
      connect: internalConnector({ connect, holder, expected, timers: systemTimers }) as never,
    })
    stops.push(() => agent.destroy())
    const secret = new Secret<Uint8Array>(Buffer.from(key, 'base64'))
    const target = { method: 'POST', authority: new URL(url).host, path: '/v1/secret.read', query: '' }
    const body = Buffer.from(JSON.stringify({ path: `database/${holderOf}/password` }))
    const signed = () =>
      signServiceRequest({
        ...target,
        body,
        key: { keyid: `${holderOf}/${version}`, secret },
        now: clock.now(),
        nonce: createServiceNonce(),
      })
    const send = async (headers: object, sent: Buffer = body, path = target.path) => {
      const answer = await request(new URL(path, url), {
        method: 'POST',
        body: sent,
        headers: { ...headers },
        dispatcher: agent,
      })
      return { status: answer.statusCode, body: await answer.body.text(), headers: answer.headers }
    }
    return { signed, send }
  }

  it('is worthless a second time, on the same keeper and on a replica of it', async () => {
    const { signed, send } = await raw('web')
    const headers = signed()
    expect((await send(headers)).status).toBe(200)
    const again = await send(headers)
    expect(again.status).toBe(401)
    expect(again.body).toContain('http_signature_replay')
    expect(again.headers['signature']).toBeUndefined()
    const replica = new DatabaseNonces(t.databases.redoubt_keeper)
    const nonce = /nonce="([^"]+)"/.exec(headers['signature-input'])?.[1] as string
    const keyid = /keyid="([^"]+)"/.exec(headers['signature-input'])?.[1] as string
    expect(await replica.take(keyid, nonce, new Date(clock.now().getTime() + 60_000), clock.now())).toBe('seen')
    // Another one whose clock is ahead forgets nothing for those whose is right.
    await replica.take(
      keyid,
      'another',
      new Date(clock.now().getTime() + 300_000),
      new Date(clock.now().getTime() + 120_000),
    )
    expect(await replica.take(keyid, nonce, new Date(clock.now().getTime() + 60_000), clock.now())).toBe('seen')
  })

  it('does not pass with another body, to another path, or after its minute', async () => {
    const { signed, send } = await raw('web')
    const other = Buffer.from(JSON.stringify({ path: 'database/api/password' }))
    expect((await send(signed(), other)).body).toContain('http_signature_digest')
    expect((await send(signed(), undefined, '/v1/keys.status')).body).toContain('http_signature_mac')
    const old = signed()
    clock.advance(66_000)
    expect((await send(old)).body).toContain('http_signature_window')
  })

  it('is refused while the nonces cannot be remembered', async () => {
    const full = new MemoryNonces(1)
    await full.take('web/1', 'taken', new Date(clock.now().getTime() + 60_000), clock.now())
    const { keeper } = t
    const holder = t.parts.redoubt_keeper.kernel.certificate
    const wire = await startWire(
      { keeper, holder, nonces: full, clock, onRefused: () => undefined },
      { host: '127.0.0.1', port: 0, authority: '127.0.0.1:0' },
    )
    const identity = await identityOf('web')
    const { holder: mine } = await lineOf('web')
    const line = remoteKeeper({ url: `https://127.0.0.1:${wire.port}`, holder: mine, identity: () => identity, clock })
    expect(await code(line.call('identity.trust', {}))).toBe('http_signature_nonces_full')
    await line.close()
    await wire.stop()
  })
})

describe('an answer', () => {
  /** What holds the keeper's certificate, or passes for it, and knows no service's key. */
  async function impostor(answerOf: (request: IncomingMessage) => { body: string; headers: Record<string, string> }) {
    const server = createServer(
      internalServerOptions(t.parts.redoubt_keeper.kernel.certificate),
      (incoming, outgoing) => {
        const { body, headers } = answerOf(incoming)
        outgoing.writeHead(200, headers).end(body)
      },
    )
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    stops.push(() => server.close())
    const { holder } = await lineOf('web')
    const identity = await identityOf('web')
    const { port } = server.address() as { port: number }
    const line = remoteKeeper({ url: `https://127.0.0.1:${port}`, holder, identity: () => identity, clock })
    stops.push(() => line.close())
    return line
  }
  const body = JSON.stringify({ version: 1, value: 'planted' })

  it('without a signature is not taken, whoever’s certificate it came under', async () => {
    const line = await impostor(() => ({ body, headers: { 'content-type': 'application/json' } }))
    expect(await code(line.call('secret.read', { path: 'database/web/password' }))).toMatch(/TrustError/)
  })

  it('signed for another request is not taken for this one', async () => {
    const [{ version, material }] = (await t.keeper.serviceKeys('web')).slice(-1) as unknown as [
      { version: number; material: string },
    ]
    const key = { keyid: `web/${version}`, secret: new Secret<Uint8Array>(Buffer.from(material, 'base64')) }
    let earlier: Record<string, string> | null = null
    const line = await impostor((incoming) => {
      const authority = incoming.headers.host as string
      const request = { method: 'POST', authority, path: incoming.url as string, query: '', headers: incoming.headers }
      earlier ??= { ...signServiceAnswer(request, { status: 200, body: Buffer.from(body), key, now: clock.now() }) }
      return { body, headers: earlier }
    })
    const read = () => code(line.call('secret.read', { path: 'database/web/password' }))
    expect(await read()).toBe('allowed')
    expect(await read()).toMatch(/TrustError/)
  })
})

it('one service that floods the nonces shuts out itself alone', async () => {
  await t.admin.query(
    `insert into service_nonces (key_id, nonce, expires_at) select 'worker/7', 'n' || n, $1 from generate_series(1, 20000) n`,
    [new Date(clock.now().getTime() + 60_000)],
  )
  const nonces = new DatabaseNonces(t.databases.redoubt_keeper)
  const soon = new Date(clock.now().getTime() + 60_000)
  expect(await nonces.take('worker/7', 'one-more', soon, clock.now())).toBe('full')
  expect(await nonces.take('web/7', 'one-more', soon, clock.now())).toBe('fresh')
})

it('a service in the keeper’s own process is bound by the same policy', async () => {
  const ingestion = directClient(t.keeper, 'ingestion')
  expect(await code(ingestion.call('secret.read', { path: 'database/ingestion/password' }))).toBe('allowed')
  expect(await code(ingestion.call('secret.read', { path: 'iam/access-key' }))).toBe('not_allowed')
  expect((await refusals())[0]).toMatchObject({ target_id: 'ingestion', facts: { path: 'iam/access-key' } })
})
