import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GuardedRequest, guardedRequest, type Resolve } from './guarded-request.ts'

describe('a guarded request', () => {
  let server: Server
  let port = 0
  let hits = 0
  beforeAll(async () => {
    server = createServer((request, response) => {
      hits++
      if (request.url === '/large') response.end(Buffer.alloc(2 * 1024 * 1024))
      else if (request.url === '/slow') return
      else response.end(`to ${request.headers.host}`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const ask = (url: string, more: Partial<GuardedRequest> = {}) => {
    const target = new URL(url)
    const host = target.hostname.replace(/^\[|\]$/g, '')
    return guardedRequest({
      method: 'GET',
      url: target,
      headers: {},
      body: undefined,
      timeoutMs: 5000,
      egress: [{ host, port: Number(target.port), allowPrivate: true }],
      resolve: async () => ['127.0.0.1'],
      ...more,
    })
  }
  const privateForbidden = (host: string) => ({ egress: [{ host, port, allowPrivate: false }] })

  it('goes to the address its own look-up gave', async () => {
    const answer = await ask(`http://target.invalid:${port}/`)
    expect([answer.status, answer.body.toString()]).toEqual([200, `to target.invalid:${port}`])
  })

  it('asks for the name once: an answer that changes afterwards is never seen (DNS rebinding)', async () => {
    const answers = [['192.0.2.1'], ['127.0.0.1']]
    let asked = 0
    const rebinding: Resolve = async () => answers[asked++] ?? []
    const before = hits
    // The first answer is no address a plan may call; the second would be the loopback the attacker wants.
    await expect(
      ask(`http://rebind.invalid:${port}/`, { resolve: rebinding, ...privateForbidden('rebind.invalid') }),
    ).rejects.toMatchObject({ code: 'egress_address' })
    expect([asked, hits]).toEqual([1, before])

    // Judged good at first: the connection goes there, although the name now says something else.
    let late = 0
    const flipping: Resolve = async () => (late++ === 0 ? ['127.0.0.1'] : ['169.254.169.254'])
    expect((await ask(`http://flip.invalid:${port}/`, { resolve: flipping })).status).toBe(200)
    expect(late).toBe(1)
  })

  it('refuses a name as a whole when one of its addresses is not allowed', async () => {
    const mixed: Resolve = async () => ['93.184.215.14', '10.0.0.1']
    const before = hits
    await expect(
      ask(`http://mixed.invalid:${port}/`, { resolve: mixed, ...privateForbidden('mixed.invalid') }),
    ).rejects.toMatchObject({ code: 'egress_address', sent: false })
    expect(hits).toBe(before)
  })

  it.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['192.168.0.1'],
    ['169.254.1.1'],
    ['100.64.0.1'],
    ['::1'],
    ['fd12::1'],
    ['fe80::1'],
    ['::ffff:8.8.8.8'],
  ])('refuses %s without allowPrivate, as a literal and as the address of a name', async (address) => {
    const host = address.includes(':') ? `[${address}]` : address
    const literal = new URL(`http://${host}:${port}/`)
    const bare = literal.hostname.replace(/^\[|\]$/g, '')
    await expect(ask(literal.href, privateForbidden(bare))).rejects.toMatchObject({ code: 'egress_address' })
    await expect(
      ask(`http://name.invalid:${port}/`, { resolve: async () => [address], ...privateForbidden('name.invalid') }),
    ).rejects.toMatchObject({ code: 'egress_address' })
  })

  it.each([
    ['169.254.169.254'],
    ['fd00:ec2::254'],
    ['100.100.100.200'],
    ['0.0.0.0'],
    ['224.0.0.1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
  ])('refuses %s even with allowPrivate', async (address) => {
    await expect(ask(`http://name.invalid:${port}/`, { resolve: async () => [address] })).rejects.toMatchObject({
      code: 'egress_address',
    })
  })

  it.each([['0x7f.1'], ['2130706433'], ['127.1'], ['0177.0.0.1']])(
    'knows %s for the loopback address that it is',
    async (spelling) => {
      const url = new URL(`http://${spelling}:${port}/`)
      expect(url.hostname).toBe('127.0.0.1')
      await expect(ask(url.href, privateForbidden('127.0.0.1'))).rejects.toMatchObject({ code: 'egress_address' })
    },
  )

  it('refuses a host or port that is not listed, and everything but http and https', async () => {
    for (const egress of [
      [],
      [{ host: 'target.invalid', port: port + 1, allowPrivate: true }],
      [{ host: 'get.target.invalid', port, allowPrivate: true }],
      [{ host: 'invalid', port, allowPrivate: true }],
    ]) {
      await expect(ask(`http://target.invalid:${port}/`, { egress })).rejects.toMatchObject({
        code: 'egress_not_listed',
      })
    }
    await expect(ask('file:///etc/passwd')).rejects.toThrow('https://')
    await expect(ask(`http://user:secret@target.invalid:${port}/`)).rejects.toThrow('user name')
  })

  it('ends a response that is too large and one that does not come', async () => {
    await expect(ask(`http://target.invalid:${port}/large`)).rejects.toMatchObject({
      code: 'response_too_large',
      sent: true,
    })
    await expect(ask(`http://target.invalid:${port}/slow`, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'timeout',
      sent: true,
    })
  })

  it('does not wait for a look-up that hangs', async () => {
    const hanging: Resolve = () => new Promise(() => {})
    await expect(ask(`http://target.invalid:${port}/`, { resolve: hanging, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'timeout',
      sent: false,
    })
  })

  it('knows that nothing was sent where nothing listens, and trusts no TLS it cannot verify', async () => {
    await expect(ask('http://target.invalid:9/')).rejects.toMatchObject({ code: 'connection', sent: false })
    const plain = createTcpServer((socket) => socket.end('not TLS'))
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const { port: tlsPort } = plain.address() as AddressInfo
    await expect(ask(`https://target.invalid:${tlsPort}/`)).rejects.toMatchObject({ code: 'connection' })
    plain.close()
  })

  it('uses no proxy of the surroundings', async () => {
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:9'
    process.env['http_proxy'] = 'http://127.0.0.1:9'
    try {
      expect((await ask(`http://target.invalid:${port}/`)).status).toBe(200)
    } finally {
      delete process.env['HTTP_PROXY']
      delete process.env['http_proxy']
    }
  })
})
