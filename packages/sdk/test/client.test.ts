import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contract, type OpSpec } from '@redoubt/contract'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createServer } from '../../server/src/platform/http.ts'
import { mountRest } from '../../server/src/platform/rest.ts'
import { numbered, record, withPassword } from '../../server/test/audit-fixture.ts'
import {
  startTestPlatform,
  type TestOrganization,
  type TestPerson,
  type TestPlatform,
} from '../../server/test/harness.ts'
import { type Credentials, createClient, RedoubtProblem, type Tokens } from '../src/index.ts'

let platform: TestPlatform
let url: string
let organization: TestOrganization
let person: TestPerson
let credentials: Credentials
beforeAll(async () => {
  platform = await startTestPlatform()
  const server = createServer(platform.kernel, 'api', async () => true)
  mountRest(server, platform.operations, platform.dispatch)
  const api = await server.listen(0)
  platform.onStop(api.stop)
  url = api.url
  organization = await platform.organization()
  person = await platform.member(organization)
  credentials = await withPassword(platform, person)
})
afterAll(() => platform?.stop())

/** A server that is not Redoubt. */
async function stranger(answer: { status: number; headers?: Record<string, string>; body?: string }): Promise<string> {
  const server = createHttpServer((_, response) => response.writeHead(answer.status, answer.headers).end(answer.body))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  platform.onStop(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A client that has signed in, and every pair of tokens it was given. */
async function signedIn(keep: { credentials: boolean }) {
  const first = await createClient({ url }).auth.login(credentials)
  const tokens: Tokens[] = []
  const { accessToken, refreshToken } = first
  const client = createClient({
    url,
    accessToken,
    refreshToken,
    ...(keep.credentials ? { credentials } : {}),
    onTokens: (pair) => tokens.push(pair),
  })
  return { client, tokens, first }
}

describe('the client', () => {
  test('has a method for every operation that REST offers to people, and none else', () => {
    const client = createClient({ url })
    const offered = Object.entries(contract).flatMap(([group, specs]) =>
      Object.entries<OpSpec>(specs).flatMap(([name, { rest, channel }]) =>
        rest && channel === undefined ? [`${group}.${name}`] : [],
      ),
    )
    const methods = Object.entries(client).flatMap(([group, value]) =>
      typeof value === 'function' ? [] : Object.keys(value).map((name) => `${group}.${name}`),
    )
    expect(methods).toEqual(offered)
  })

  test('signs in at the first call that needs it and keeps the tokens', async () => {
    const tokens: Tokens[] = []
    const client = createClient({ url, credentials, onTokens: (pair) => tokens.push(pair) })
    expect((await client.auth.me()).user).toMatchObject({ id: person.userId, email: person.email })
    expect((await client.organizations.current()).slug).toBe(organization.slug)
    expect(tokens).toHaveLength(1)
  })

  test('renews an expired access token once, however many calls meet it', async () => {
    const { client, tokens, first } = await signedIn({ credentials: false })
    platform.clock.advance(16 * 60_000)
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => client.organizations.current()))
    expect(answers.map(({ id }) => id)).toEqual(Array(5).fill(organization.id))
    expect(tokens).toHaveLength(1)
    expect(tokens[0]?.refreshToken).not.toBe(first.refreshToken)
  })

  test('signs in again when the session has ended and it knows the credentials', async () => {
    const { client, tokens } = await signedIn({ credentials: true })
    await client.auth.logout()
    expect((await client.organizations.current()).id).toBe(organization.id)
    expect(tokens).toHaveLength(1)
  })

  test('says that sign-in is needed when the session has ended and it does not', async () => {
    const { client } = await signedIn({ credentials: false })
    await client.auth.logout()
    await expect(client.organizations.current()).rejects.toMatchObject({ code: 'unauthenticated', status: 401 })
    await expect(createClient({ url }).organizations.current()).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('walks a list page by page and item by item', async () => {
    const { id } = await platform.organization()
    const admin = await platform.member({ id })
    await record(platform, id, numbered(7))
    const client = createClient({ url, credentials: await withPassword(platform, admin) })
    const filter = { action: 'case.opened', limit: 3 }
    const sizes = (await Array.fromAsync(client.pages(client.audit.list, filter))).map((page) => page.length)
    expect(sizes).toEqual([3, 3, 1])
    const numbers = await Array.fromAsync(client.items(client.audit.list, filter), ({ facts }) => facts.number)
    expect(numbers).toEqual([6, 5, 4, 3, 2, 1, 0])
  })
})

describe('a refused call', () => {
  test('throws the problem with its code, request id and the fields that are wrong', async () => {
    const client = createClient({ url, credentials })
    const refused = client.audit.consistency({ from: 0, to: 'many' })
    await expect(refused).rejects.toBeInstanceOf(RedoubtProblem)
    await expect(refused).rejects.toMatchObject({
      status: 400,
      code: 'bad_request',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      errors: [{ path: 'to' }],
      message: expect.stringContaining('to: '),
    })
  })

  test('with wrong credentials does not try again', async () => {
    let requests = 0
    const counting: typeof fetch = (...call) => {
      requests += 1
      return fetch(...call)
    }
    const client = createClient({ url, credentials: { ...credentials, password: 'not this one' }, fetch: counting })
    await expect(client.auth.me()).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(requests).toBe(1)
  })

  test('by something that is not Redoubt says so', async () => {
    const client = createClient({
      url: await stranger({ status: 502, body: '<h1>Bad gateway</h1>' }),
      accessToken: 'x',
    })
    await expect(client.auth.me()).rejects.toMatchObject({
      status: 502,
      code: 'unavailable',
      message: expect.stringContaining('check the address'),
    })
  })

  test('is not followed to another address, where the token would go with it', async () => {
    const elsewhere = await stranger({ status: 302, headers: { location: `${url}/api/v1/auth/me` } })
    await expect(createClient({ url: elsewhere, credentials }).auth.me()).rejects.toThrow(TypeError)
  })
})
