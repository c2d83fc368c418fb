import { request } from 'node:http'
import { connect } from 'node:net'
import { Problem } from '@redoubt/contract'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { createServer, describe as describeError } from '../src/platform/http.ts'
import { startApi } from '../src/services/api.ts'
import { startWeb } from '../src/services/web.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let t: TestPlatform
let admin: TestPerson
let api: string
let web: string
beforeAll(async () => {
  t = await startTestPlatform()
  admin = await t.member(await t.organization())
  const startedApi = await startApi(t.kernel, t.databases.redoubt_api, t.operations, t.guards)
  const startedWeb = await startWeb(t.kernel, t.databases.redoubt_api, t.live, t.operations, t.guards)
  t.onStop(startedApi.stop)
  t.onStop(startedWeb.stop)
  api = startedApi.url.replace('localhost', '127.0.0.1')
  web = startedWeb.url.replace('localhost', '127.0.0.1')
})
afterAll(() => t.stop())

const post = (url: string, body: string, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })

describe('errors on REST', () => {
  it.each([
    ['an unknown address', () => fetch(`${api}/api/v1/nothing`), 404, 'not_found'],
    ['no credentials', () => fetch(`${api}/api/v1/cases`), 401, 'unauthenticated'],
    ['a body that is not JSON', () => post(`${api}/api/v1/auth/login`, '{"email":'), 400, 'bad_request'],
    [
      'a body nested too deep',
      () => post(`${api}/api/v1/auth/login`, '['.repeat(40) + ']'.repeat(40)),
      400,
      'bad_request',
    ],
    [
      'a body too large',
      () => post(`${api}/api/v1/auth/login`, JSON.stringify({ email: 'x'.repeat(1_100_000) })),
      413,
      'too_large',
    ],
    [
      'another content type',
      () => post(`${api}/api/v1/auth/login`, '<a/>', { 'content-type': 'text/xml' }),
      415,
      'unsupported_media_type',
    ],
    [
      'input of the wrong shape',
      () => post(`${api}/api/v1/auth/login`, '{"email":"x","password":7}'),
      400,
      'bad_request',
    ],
  ] as const)('answers %s with problem details and a request id (RFC 9457)', async (_what, ask, status, code) => {
    const response = await ask()
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json\b/)
    const problem = Problem.parse(await response.json())
    expect(problem).toMatchObject({ status, code, type: `/problems/${code}` })
    expect(response.status).toBe(status)
    expect(response.headers.get('x-request-id')).toBe(problem.requestId)
  })

  it('says where input is wrong, all at once', async () => {
    const { errors } = Problem.parse(
      await (await post(`${api}/api/v1/auth/login`, '{"email":"x","password":""}')).json(),
    )
    expect(errors?.map(({ path }) => path).sort()).toEqual(['email', 'password'])
  })

  it('tells nothing of what failed inside', async () => {
    await t.admin.query('alter table users rename to users_gone')
    const response = await post(`${api}/api/v1/auth/login`, '{"email":"x@example.org","password":"y"}')
    await t.admin.query('alter table users_gone rename to users')
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).not.toMatch(/users|relation|select/i)
  })

  it('does not take a request id from the caller', async () => {
    const response = await fetch(`${api}/healthz`, { headers: { 'x-request-id': 'mine', 'request-id': 'mine' } })
    expect(response.headers.get('x-request-id')).not.toBe('mine')
  })

  it('keeps __proto__ of a body away from every prototype', async () => {
    await post(
      `${api}/api/v1/auth/login`,
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"email":"x@example.org","password":"y"}',
    )
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

test('a log line never quotes the value that a database error quotes', async () => {
  const refused = await t.admin.query(`select 'mara@example.org'::uuid`).catch((error: Error) => error)
  expect(JSON.stringify(refused, Object.getOwnPropertyNames(refused))).toContain('mara@')
  expect(describeError(refused)).toMatchObject({ code: '22P02', message: 'a value that the database does not take' })
  expect(JSON.stringify(describeError(refused))).not.toContain('mara@')
})

describe('a route that nobody decided about', () => {
  it('stops the start', async () => {
    const server = createServer(t.kernel, 'api', async () => true)
    server.app.get('/open', async () => 'secret')
    await expect(server.listen(0)).rejects.toThrow('GET /open')
  })
  it('cannot be mounted without access', () => {
    const server = createServer(t.kernel, 'api', async () => true)
    expect(() => server.mount('', { method: 'GET', url: '/open', handler: async () => 'secret' })).toThrow(
      'does not say who may call it',
    )
  })
})

describe('the console’s API', () => {
  const call = (operation: string, input: unknown, headers: Record<string, string> = {}, method = 'POST') =>
    fetch(
      method === 'GET'
        ? `${web}/trpc/${operation}?input=${encodeURIComponent(JSON.stringify(input))}`
        : `${web}/trpc/${operation}`,
      {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...(method === 'GET' ? {} : { body: JSON.stringify(input) }),
      },
    )
  const cookie = () => ({ cookie: `__Host-redoubt=${admin.token}`, 'redoubt-organization': admin.organizationId })
  const own = () => ({ ...cookie(), 'redoubt-csrf': '1' })

  it('answers a signed-in browser', async () => {
    const response = await call('cases.list', {}, own(), 'GET')
    expect(await response.json()).toEqual({ result: { data: { items: [], next: null } } })
  })
  it('gives errors as problem details', async () => {
    const response = await call('cases.get', { id: 'x' }, own(), 'GET')
    const { error } = (await response.json()) as { error: { data: Problem } }
    expect(response.status).toBe(400)
    expect(error.data).toMatchObject({
      code: 'bad_request',
      errors: [{ path: 'id', message: expect.any(String) }],
      requestId: response.headers.get('x-request-id'),
    })
  })
  it.each([
    ['without the CSRF header', () => ({})],
    ['from another origin', () => ({ 'redoubt-csrf': '1', origin: 'https://evil.example' })],
    ['from another site', () => ({ 'redoubt-csrf': '1', 'sec-fetch-site': 'cross-site' })],
    ['from a sibling host', () => ({ 'redoubt-csrf': '1', 'sec-fetch-site': 'same-site' })],
  ])('refuses a request %s although its cookie is right', async (_what, headers) => {
    const response = await call('auth.logout', {}, { ...cookie(), ...headers() })
    expect(response.status).toBe(403)
    expect((await call('cases.list', {}, own(), 'GET')).status).toBe(200)
  })
  it('does not take a write by GET', async () => {
    expect((await call('auth.logout', {}, own(), 'GET')).status).toBeGreaterThanOrEqual(400)
    expect((await call('cases.list', {}, own(), 'GET')).status).toBe(200)
  })
  it('does not serve what is for programs and machines', async () => {
    for (const operation of ['auth.login', 'auth.refresh', 'runners.report', 'runners.enroll'])
      expect((await call(operation, {}, own())).status).toBe(404)
  })
  it('does not take a bearer token in place of the cookie, nor the cookie on REST', async () => {
    expect(
      (
        await call(
          'cases.list',
          {},
          { 'redoubt-csrf': '1', authorization: `Bearer ${admin.token}`, 'redoubt-organization': admin.organizationId },
          'GET',
        )
      ).status,
    ).toBe(401)
    expect((await fetch(`${api}/api/v1/cases`, { headers: cookie() })).status).toBe(401)
  })
  it('refuses a batch of more than twenty', async () => {
    const names = Array(21).fill('auth.me').join(',')
    expect((await fetch(`${web}/trpc/${names}?batch=1&input={}`, { headers: own() })).status).toBeGreaterThanOrEqual(
      400,
    )
  })
  it('ends the cookie at sign-out', async () => {
    const person = await t.member({ id: admin.organizationId }, 'viewer')
    const response = await call('auth.logout', {}, { cookie: `__Host-redoubt=${person.token}`, 'redoubt-csrf': '1' })
    expect(response.headers.get('set-cookie')).toMatch(
      /^__Host-redoubt=; Max-Age=0; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    )
  })
})

describe('the console’s files', () => {
  it('come under a policy without inline code', async () => {
    const response = await fetch(`${web}/o/anything/inbox`)
    expect(response.status).toBe(200)
    const policy = response.headers.get('content-security-policy') ?? ''
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ])
      expect(policy).toContain(part)
    expect(policy).not.toContain('unsafe')
    expect(await response.text()).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/)
  })
  it.each([
    '/../package.json',
    '/assets/../../package.json',
    '/..%2f..%2fpackage.json',
    '/%2e%2e/%2e%2e/package.json',
    '/assets/%00.js',
    '/%c0%ae%c0%ae/x.js',
  ])('%s leads to no file outside', async (path) => {
    const { hostname, port } = new URL(web)
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`),
      )
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    expect(answer).toMatch(/^HTTP\/1\.1 (400|404)/)
    expect(answer).not.toContain('"name"')
  })
})

describe('live events', () => {
  it('are refused without a session or membership, and end with the session', async () => {
    const other = await t.organization()
    expect((await fetch(`${web}/events?organization=${admin.organizationId}`)).status).toBe(401)
    expect(
      (await fetch(`${web}/events?organization=${other.id}`, { headers: { cookie: `__Host-redoubt=${admin.token}` } }))
        .status,
    ).toBe(403)

    const person = await t.member({ id: admin.organizationId }, 'viewer')
    const response = await fetch(`${web}/events?organization=${admin.organizationId}`, {
      headers: { cookie: `__Host-redoubt=${person.token}` },
    })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let seen = ''
    const ended = (async () => {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        seen += Buffer.from(value).toString()
      }
    })()
    await t.call(admin, 'cases.open', { title: 'Something secret', severity: 'low' })
    await expect.poll(() => seen).toContain('data: {"topic":"cases"}')
    expect(seen).not.toContain('secret')
    await t.call(admin, 'sessions.revokeOfMember', { userId: person.userId })
    await ended
  })
})

describe('a stream of live events', () => {
  const events = (person: TestPerson, signal?: AbortSignal) =>
    fetch(`${web}/events?organization=${person.organizationId}`, {
      headers: { cookie: `__Host-redoubt=${person.token}` },
      ...(signal ? { signal } : {}),
    })
  const open = async () => (await t.kernel.metrics.liveClients.get()).values[0]?.value ?? 0
  const ended = async (response: Response) => {
    for await (const _ of response.body as ReadableStream<Uint8Array>);
  }
  /** Lets `meanwhile` happen while the next stream is being admitted. */
  const whileAdmitting = (meanwhile: () => Promise<unknown>) => {
    const { membership } = t.guards
    const once: typeof membership = async (...asked) => {
      const answer = await membership(...asked)
      Object.assign(t.guards, { membership })
      await meanwhile()
      return answer
    }
    Object.assign(t.guards, { membership: once })
  }

  it('is not kept for a client that left while it was being admitted', async () => {
    const before = await open()
    const abort = new AbortController()
    const left = Promise.withResolvers<void>()
    whileAdmitting(async () => {
      abort.abort()
      await new Promise((turn) => setTimeout(turn, 50))
      left.resolve()
    })
    await expect(events(admin, abort.signal)).rejects.toThrow('abort')
    await left.promise
    await events(admin).then((response) => response.body?.cancel())
    await expect.poll(open).toBe(before)
  })

  it('ends at once when the session was revoked while it was being admitted', async () => {
    const person = await t.member({ id: admin.organizationId }, 'viewer')
    const told = new Promise<void>((heard) => void t.live.onRevoked((id) => id === person.userId && heard()))
    whileAdmitting(() => Promise.all([told, t.call(admin, 'sessions.revokeOfMember', { userId: person.userId })]))
    const response = await events(person)
    await ended(response)
  })

  it('ends after a gap in the feed, in which a revocation may have been missed', async () => {
    const response = await events(admin)
    await t.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' and datname = current_database()`,
    )
    await ended(response)
    await expect.poll(() => t.live.connected).toBe(true)
  })

  it('ends when the session’s time is over, though nothing revoked it', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const person = await t.member({ id: admin.organizationId }, 'viewer')
      await t.admin.query('update sessions set expires_at = $2 where user_id = $1', [
        person.userId,
        new Date(t.clock.now().getTime() + 10_000),
      ])
      const response = await events(person)
      t.clock.advance(10_000)
      vi.advanceTimersByTime(15_000)
      await ended(response)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is cut off when its client does not read, before what waits for it fills the memory', async () => {
    const before = await open()
    const { hostname, port } = new URL(web)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.write(
      `GET /events?organization=${admin.organizationId} HTTP/1.1\r\nHost: ${hostname}\r\nCookie: __Host-redoubt=${admin.token}\r\n\r\n`,
    )
    socket.pause()
    await expect.poll(open).toBe(before + 1)
    const notice = (round: number) =>
      JSON.stringify({ organizationId: admin.organizationId, topics: Array(800).fill('cases'), round })
    for (let round = 0; round < 400 && (await open()) > before; round++)
      await t.admin.query(`select pg_notify('redoubt_live', $1)`, [notice(round)])
    await expect.poll(open).toBe(before)
    socket.destroy()
  })

  it('is given to one person twenty times, so that nobody takes the places of all', async () => {
    const person = await t.member({ id: admin.organizationId }, 'viewer')
    const streams = await Promise.all(Array.from({ length: 20 }, () => events(person)))
    expect(streams.map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect((await events(person)).status).toBe(429)
    expect((await events(admin)).headers.get('x-content-type-options')).toBe('nosniff')
    await t.call(admin, 'sessions.revokeOfMember', { userId: person.userId })
    await Promise.all(streams.map(ended))
  })
})

test('metrics are for whoever is on this machine, not for whoever is behind its proxy or a name that points here', async () => {
  const { port } = new URL(api)
  const metrics = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/metrics', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
  expect(await metrics({})).toBe(200)
  expect(await metrics({ 'x-forwarded-for': '192.0.2.1' })).toBe(404)
  expect(await metrics({ host: `rebound.example.com:${port}` })).toBe(404)
})

test('a path that decodes to a lone percent sign is an address like any other', async () => {
  expect((await fetch(`${web}/%25`)).status).toBe(200)
})

test('OpenAPI 3.1 describes every REST operation, and the reference page lists them', async () => {
  const description = (await (await fetch(`${api}/api/v1/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, Record<string, { operationId: string; parameters: { in: string }[] }>>
  }
  expect(description.openapi).toBe('3.1.0')
  const described = Object.values(description.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  )
  const offered = t.operations.filter(({ spec }) => spec.rest && spec.channel === undefined).map(({ name }) => name)
  expect(described.sort()).toEqual(offered.sort())
  const page = await (await fetch(`${api}/api/v1`)).text()
  for (const name of offered) expect(page).toContain(name)
})

test('public key sets hold no private part', async () => {
  for (const path of ['/.well-known/jwks.json', '/.well-known/plan-jwks.json']) {
    const { keys } = (await (await fetch(api + path)).json()) as { keys: Record<string, unknown>[] }
    expect(keys).toHaveLength(1)
    expect(keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256' })
    expect(keys[0]).not.toHaveProperty('d')
  }
})
