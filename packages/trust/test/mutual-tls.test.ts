import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket, type TlsOptions } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type Authority,
  CertificateHolder,
  followCertificate,
  formatSpiffeId,
  internalClientOptions,
  internalConnector,
  internalServerOptions,
  peerIdentity,
  readCertificate,
  type Secret,
  type SpiffeId,
  systemTimers,
  type Timers,
  TLS_CIPHERS,
  TLS_GROUPS,
  type TrustErrorCode,
  verifySvid,
} from '../src/index.ts'
import { DAY_MS, forge, newAuthority, newHolder, newSvid, runner, service } from './certificate-fixture.ts'

// OpenSSL looks at the system's clock, so these certificates are of today; moments are moved with a clock of our own.
const today = new Date()
const clock = { now: () => today }
const api = service('api')
const keeper = service('keeper')
const uri = formatSpiffeId(api)
const refusal = (code: TrustErrorCode) => expect.objectContaining({ name: 'TrustError', code })

type Shown = { readonly certificatePem: string; readonly privateKeyPem: Secret<string> }
let authority: Authority
let stranger: Authority
let client: CertificateHolder
let server: CertificateHolder
beforeAll(async () => {
  ;[authority, stranger] = [await newAuthority(today), await newAuthority(today)]
})

const open: { destroy(): void }[] = []
const keep = <T extends { destroy(): void }>(each: T): T => {
  open.push(each)
  return each
}
afterEach(() => {
  for (const each of open.splice(0)) each.destroy()
})

/** An https server that answers each request with who it takes the client for, or does what `handle` says. */
async function listen(
  options: TlsOptions,
  rules: () => Parameters<typeof peerIdentity>[1],
  handle?: Parameters<Server['on']>[1],
) {
  const https = createServer(options, (request, response) => {
    if (handle) return handle(request, response)
    const peer = peerIdentity(request.socket as TLSSocket, rules())
    response.end(peer === null ? 'nobody' : `${formatSpiffeId(peer.spiffeId)} ${peer.serial}`)
  })
  https.on('tlsClientError', () => {})
  https.listen(0, '127.0.0.1')
  await once(https, 'listening')
  keep({
    destroy() {
      https.close()
      https.closeAllConnections()
    },
  })
  return { https, port: (https.address() as AddressInfo).port }
}

/** Opens a connection, or rejects with what the handshake failed with. */
async function dial(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = keep(connect({ ...options, host: '127.0.0.1', port }))
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return socket
}

/** One request on an open connection that is kept: the body of its answer. */
async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: internal\r\n\r\n')
  let text = ''
  for (;;) {
    text += String((await once(socket, 'data'))[0])
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
    const body = text.split('\r\n\r\n')[1]
    if (body !== undefined && body.length >= length) return body
  }
}

const shows = ({ certificatePem, privateKeyPem }: Shown): ConnectionOptions => ({
  cert: certificatePem,
  key: privateKeyPem.reveal(),
})

beforeAll(async () => {
  client = await newHolder(authority, api, clock)
  server = await newHolder(authority, keeper, clock)
})

describe('a server', () => {
  const seenAs = async (shown: ConnectionOptions, rules = () => server.rules()) => {
    const { port } = await listen(internalServerOptions(server), rules)
    const socket = await dial(port, { ...internalClientOptions(client, keeper), ...shown })
    return ask(socket)
  }

  test('knows a client by its certificate (control of the refusals below)', async () => {
    expect(await seenAs({})).toBe(`${uri} ${client.held?.serial}`)
    const made = await newSvid(authority, runner, today)
    expect(await seenAs(shows(made))).toBe(`${formatSpiffeId(runner)} ${made.serial}`)
    expect(await seenAs(shows(await forge({ now: today, issuer: authority })))).toContain(uri)
  })

  test.each([
    ['certified by another authority', () => forge({ now: today, issuer: stranger })],
    ['that certified itself', () => forge({ now: today })],
    [
      'certified by the leaf of a service',
      async () => forge({ now: today, issuer: await newSvid(authority, api, today) }),
    ],
    [
      'of another trust domain',
      () => forge({ now: today, issuer: authority, uris: ['spiffe://other.test/service/api'] }),
    ],
    ['with two identities', () => forge({ now: today, issuer: authority, uris: [uri, formatSpiffeId(keeper)] })],
    ['with none', () => forge({ now: today, issuer: authority, uris: [] })],
    ['whose certificate has ended', () => forge({ now: today, issuer: authority, beginsInMs: -2 * DAY_MS })],
    ['whose certificate has not begun', () => forge({ now: today, issuer: authority, beginsInMs: DAY_MS / 2 })],
    ['that is an authority', () => forge({ now: today, issuer: authority, authority: true })],
  ])('takes a client %s for nobody', async (_who, make) => {
    expect(await seenAs(shows(await make()))).toBe('nobody')
  })

  test('takes a client without a certificate for nobody, and does speak with it', async () => {
    const { cert: _cert, key: _key, ...options } = internalClientOptions(client, keeper)
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    expect(await ask(await dial(port, options))).toBe('nobody')
  })

  test('cannot be shown the certificate of another without its key', async () => {
    const victim = await newSvid(authority, runner, today)
    const { certificatePem } = victim
    const stolen = { certificatePem, privateKeyPem: (await newSvid(authority, api, today)).privateKeyPem }
    await expect(seenAs(shows(stolen))).rejects.toThrow(/key values mismatch/)
    expect(await seenAs(shows(victim))).toContain('/runner/')
  })

  test('takes for nobody whom TLS refuses, also where its own clock would not', async () => {
    const past = new Date(today.getTime() - 2 * DAY_MS)
    const old = await newAuthority(past)
    const made = await newSvid(old, api, past)
    const own = await newHolder(old, keeper, clock)
    expect(verifySvid(readCertificate(made.certificatePem), { ...own.rules(), now: past }).spiffeId).toEqual(api)
    const { port } = await listen(internalServerOptions(own), () => ({ ...own.rules(), now: past }))
    const options = { ...internalClientOptions(await newHolder(old, api, clock), keeper), ...shows(made) }
    expect(await ask(await dial(port, options))).toBe('nobody')
  })

  test('looks at the time and the deny-list at each request of a kept connection', async () => {
    let now = today
    const denied = new Set<string>()
    const { port } = await listen(internalServerOptions(server), () => ({
      ...server.rules(),
      now,
      denied: (serial, name) => denied.has(serial) || denied.has(name),
    }))
    const socket = await dial(port, internalClientOptions(client, keeper))
    const me = `${uri} ${client.held?.serial}`
    expect(await ask(socket)).toBe(me)
    denied.add(client.held!.serial)
    expect(await ask(socket)).toBe('nobody')
    denied.clear()
    expect(await ask(socket)).toBe(me)
    denied.add(uri)
    expect(await ask(socket)).toBe('nobody')
    denied.clear()
    now = client.held!.notAfter
    expect(await ask(socket)).toBe('nobody')
  })

  test('forgets the clients of a root it no longer trusts, on open connections too', async () => {
    const own = await newHolder(authority, keeper, clock)
    const { port } = await listen(internalServerOptions(own), () => own.rules())
    const socket = await dial(port, internalClientOptions(client, keeper))
    expect(await ask(socket)).toContain(uri)
    own.replaceRoots([authority.certificatePem, stranger.certificatePem])
    expect(await ask(socket)).toContain(uri)
    own.replaceRoots([stranger.certificatePem])
    expect(await ask(socket)).toBe('nobody')
  })

  test('has no options before it has a certificate', () => {
    const rootsPem = [authority.certificatePem]
    const empty = new CertificateHolder({ spiffeId: keeper, rootsPem, clock, denied: () => false })
    expect(() => internalServerOptions(empty)).toThrow(refusal('certificate_missing'))
    expect(internalClientOptions(empty, api)).not.toHaveProperty('cert')
  })
})

describe('a client', () => {
  const serverShowing = async (shown: Shown) => {
    const { cert: _cert, key: _key, ...options } = internalServerOptions(server)
    const { certificatePem: cert, privateKeyPem } = shown
    return listen({ ...options, cert, key: privateKeyPem.reveal() }, () => server.rules())
  }

  test('speaks with the service it means (control of the refusals below)', async () => {
    const { port } = await serverShowing(await forge({ now: today, issuer: authority }))
    expect(await ask(await dial(port, internalClientOptions(client, api)))).toContain(uri)
  })

  test.each([
    ['another service', /service\/keeper, not .*service\/api/, () => newSvid(authority, keeper, today)],
    ['a runner', /runner\/.*, not .*service\/api/, () => newSvid(authority, runner, today)],
    [
      'a service of another trust domain',
      /permitted subtree violation/,
      () => forge({ now: today, issuer: authority, uris: ['spiffe://other.test/service/api'] }),
    ],
    ['one that has two identities', /2 URIs/, () => forge({ now: today, issuer: authority, uris: [uri, uri] })],
    ['one that has none', /0 URIs/, () => forge({ now: today, issuer: authority, uris: [] })],
    ['one certified by another authority', /unable to|signature/, () => forge({ now: today, issuer: stranger })],
    ['one that certified itself', /self-signed/, () => forge({ now: today })],
    ['one that has ended', /expired/, () => forge({ now: today, issuer: authority, beginsInMs: -2 * DAY_MS })],
    ['one that has not begun', /not yet valid/, () => forge({ now: today, issuer: authority, beginsInMs: DAY_MS / 2 })],
    ['one that is an authority', /authority/, () => forge({ now: today, issuer: authority, authority: true })],
    [
      'one certified by the leaf of a service',
      /unable to|invalid CA/,
      async () => forge({ now: today, issuer: await newSvid(authority, api, today) }),
    ],
  ])('does not speak with %s', async (_who, why, make) => {
    const { port } = await serverShowing(await make())
    await expect(dial(port, internalClientOptions(client, api))).rejects.toThrow(why)
  })

  test('does not speak with a service on the deny-list, nor with one whose time is over by its own clock', async () => {
    const { port } = await serverShowing(await newSvid(authority, api, today))
    let now = today
    let denied = false
    const holder = await newHolder(authority, api, { now: () => now }, () => denied)
    await expect(dial(port, internalClientOptions(holder, api))).resolves.toBeTruthy()
    denied = true
    await expect(dial(port, internalClientOptions(holder, api))).rejects.toEqual(refusal('certificate_denied'))
    denied = false
    now = new Date(today.getTime() + 2 * DAY_MS)
    await expect(dial(port, internalClientOptions(holder, api))).rejects.toEqual(refusal('certificate_expired'))
  })

  test('shows no certificate of its own that has ended, so that it can still ask for a new one', async () => {
    let now = today
    const holder = await newHolder(authority, api, { now: () => now })
    expect(internalClientOptions(holder, keeper)).toHaveProperty('cert')
    now = holder.held!.notAfter
    expect(internalClientOptions(holder, keeper)).not.toHaveProperty('cert')
  })
})

describe('TLS between services', () => {
  test('is 1.3: a client or server of 1.2 is refused', async () => {
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    const modern = internalClientOptions(client, keeper)
    expect((await dial(port, modern)).getProtocol()).toBe('TLSv1.3')
    // Also were it given suites of 1.2.
    const ciphers = `${TLS_CIPHERS}:ECDHE-ECDSA-AES128-GCM-SHA256`
    const older = { ciphers, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const
    const lenient = await listen({ ...internalServerOptions(server), ciphers }, () => server.rules())
    for (const { port: each } of [{ port }, lenient])
      await expect(dial(each, { ...modern, ...older })).rejects.toThrow(/alert protocol version/)
    const old = await listen({ ...internalServerOptions(server), ...older }, () => server.rules())
    for (const options of [modern, { ...modern, ciphers }])
      await expect(dial(old.port, options)).rejects.toThrow(/alert protocol version|unsupported protocol/)
    expect((await dial(old.port, { ...modern, ...older })).getProtocol()).toBe('TLSv1.2')
  })

  test('takes AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305 in the order of the server, and no other', async () => {
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    const chosen = async (ciphers: string) =>
      (await dial(port, { ...internalClientOptions(client, keeper), ciphers })).getCipher().name
    const [first, second, third] = TLS_CIPHERS.split(':') as [string, string, string]
    expect(await chosen(`${third}:${second}:${first}`)).toBe('TLS_AES_128_GCM_SHA256')
    expect(await chosen(`${third}:${second}`)).toBe('TLS_AES_256_GCM_SHA384')
    expect(await chosen(third)).toBe('TLS_CHACHA20_POLY1305_SHA256')
    await expect(chosen('TLS_AES_128_CCM_SHA256')).rejects.toThrow(/handshake failure|no cipher/)
  })

  test('agrees on a key by X25519 with ML-KEM, by X25519 or by P-256, and no other', async () => {
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    const agrees = (ecdhCurve: string) => dial(port, { ...internalClientOptions(client, keeper), ecdhCurve })
    for (const group of TLS_GROUPS.split(':')) await expect(agrees(group)).resolves.toBeTruthy()
    await expect(agrees('P-384')).rejects.toThrow(/handshake failure/)
  })

  test('never resumes a session, which would skip the certificates of both ends', async () => {
    const resumed = async (options: TlsOptions) => {
      const { port } = await listen(options, () => server.rules())
      const first = await dial(port, internalClientOptions(client, keeper))
      let session: Buffer | undefined
      first.on('session', (each) => {
        session = each
      })
      await ask(first)
      await ask(first)
      if (session === undefined) return false
      const { cert: _cert, key: _key, ...bare } = internalClientOptions(client, keeper)
      const second = await dial(port, { ...bare, session })
      return { reused: second.isSessionReused(), who: await ask(second) }
    }
    // Without the option a session is resumed; the peer is still nobody, because it has shown nothing.
    const { secureOptions, ...ordinary } = internalServerOptions(server)
    expect(secureOptions).toBe(constants.SSL_OP_NO_TICKET)
    expect(await resumed(ordinary)).toEqual({ reused: true, who: 'nobody' })
    expect([false, { reused: false, who: 'nobody' }]).toContainEqual(await resumed(internalServerOptions(server)))
  })
})

describe('a renewal', () => {
  test('drops no connection: a stream goes on, and new connections show the new certificates of both ends', async () => {
    const [mine, theirs] = [await newHolder(authority, api, clock), await newHolder(authority, keeper, clock)]
    const before = { mine: mine.held!.serial, theirs: theirs.held!.serial }
    const streams: { write(text: string): void; end(): void }[] = []
    const { https, port } = await listen(
      internalServerOptions(theirs),
      () => theirs.rules(),
      (request, response) => {
        const peer = peerIdentity(request.socket, theirs.rules())
        response.write(`${peer?.serial}\n`)
        streams.push(response)
      },
    )
    const stop = followCertificate(https, theirs)
    const start = async () => {
      const socket = await dial(port, internalClientOptions(mine, keeper))
      socket.write('GET / HTTP/1.1\r\nhost: internal\r\n\r\n')
      let text = ''
      socket.on('data', (each) => {
        text += String(each)
      })
      const reads = async (what: string) => {
        while (!text.includes(what)) await once(socket, 'data')
      }
      return { socket, reads, sees: socket.getPeerX509Certificate()?.serialNumber.toLowerCase() }
    }

    const old = await start()
    await old.reads(before.mine)
    expect(old.sees).toBe(before.theirs)

    mine.replace(await newSvid(authority, api, today))
    theirs.replace(await newSvid(authority, keeper, today))
    expect(mine.held!.serial).not.toBe(before.mine)

    const fresh = await start()
    await fresh.reads(mine.held!.serial)
    expect(fresh.sees).toBe(theirs.held!.serial)
    expect(fresh.socket.getProtocol()).toBe('TLSv1.3')
    expect(fresh.socket.getCipher().name).toBe('TLS_AES_128_GCM_SHA256')

    streams[0]!.write('still here\n')
    streams[0]!.end()
    await old.reads('still here')
    await old.reads('0\r\n\r\n')

    stop()
    const last = theirs.held!.serial
    theirs.replace(await newSvid(authority, keeper, today))
    expect((await start()).sees).toBe(last)
  })

  test('of the authority: with both roots the old and the new certificates are good, then only the new ones', async () => {
    const [mine, theirs] = [await newHolder(authority, api, clock), await newHolder(authority, keeper, clock)]
    const { https, port } = await listen(internalServerOptions(theirs), () => theirs.rules())
    followCertificate(https, theirs)
    const speak = async () => ask(await dial(port, internalClientOptions(mine, keeper)))
    const roots = [authority, stranger]

    mine.replaceRoots(roots.map((root) => root.certificatePem))
    theirs.replaceRoots(roots.map((root) => root.certificatePem))
    expect(await speak()).toContain(mine.held!.serial)
    theirs.replace(await newSvid(stranger, keeper, today, { roots }))
    expect(await speak()).toContain(mine.held!.serial)
    mine.replace(await newSvid(stranger, api, today, { roots }))
    expect(await speak()).toContain(mine.held!.serial)

    theirs.replaceRoots([stranger.certificatePem])
    mine.replaceRoots([stranger.certificatePem])
    expect(await speak()).toContain(mine.held!.serial)
    expect(
      await ask(
        await dial(port, { ...internalClientOptions(mine, keeper), ...shows(await newSvid(authority, api, today)) }),
      ),
    ).toBe('nobody')
  })
})

describe('the connector', () => {
  const opened = (port: number, holder: CertificateHolder, expected: SpiffeId, timers: Timers, scheme = 'https:') =>
    new Promise<TLSSocket>((resolve, reject) =>
      internalConnector({ connect, holder, expected, timers })(
        { hostname: '127.0.0.1', port: String(port), protocol: scheme },
        (error, socket) => (error ? reject(error) : resolve(keep(socket!))),
      ),
    )

  test('opens connections to the service it means and to no other, and never without TLS', async () => {
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    expect(await ask(await opened(port, client, keeper, systemTimers))).toContain(uri)
    await expect(opened(port, client, service('web'), systemTimers)).rejects.toEqual(refusal('certificate_id'))
    await expect(opened(port, client, keeper, systemTimers, 'http:')).rejects.toThrow('https:')
    await expect(opened(1, client, keeper, systemTimers)).rejects.toThrow('ECONNREFUSED')
  })

  test('ends a connection when the first of its two certificates ends, and a handshake that does not come', async () => {
    const waiting = new Map<() => void, number>()
    const timers: Timers = {
      after(ms, run) {
        waiting.set(run, ms)
        return () => waiting.delete(run)
      },
    }
    const { port } = await listen(internalServerOptions(server), () => server.rules())
    const short = await newHolder(authority, api, clock)
    short.replace(await newSvid(authority, api, today, { lifetimeMs: 3_600_000 }))
    const socket = await opened(port, short, keeper, timers)
    const [[end, ms]] = [...waiting] as [[() => void, number]]
    expect(ms).toBe(short.held!.notAfter.getTime() - today.getTime())
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    end()
    await closed
    expect(socket.errored?.message).toContain('has ended')
    expect(waiting.size).toBe(0)

    const silent = createTcpServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    keep({ destroy: () => silent.close() })
    const attempt = opened((silent.address() as AddressInfo).port, client, keeper, timers)
    const [[giveUp, after]] = [...waiting] as [[() => void, number]]
    expect(after).toBe(10_000)
    giveUp()
    await expect(attempt).rejects.toThrow('did not finish the handshake in 10000 ms')
  })
})
