import { createCertificateRequest, createOpaqueToken, generateSigningKey, parseEnrolmentToken } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { issueSetUpLink } from '../src/modules/identity/index.ts'
import { Passwords, requireGoodPassword } from '../src/modules/identity/passwords.ts'
import { defaultLimits } from '../src/platform/config.ts'
import type { Database } from '../src/platform/database.ts'
import type { Call, Credentials, Person } from '../src/platform/operation.ts'
import { composeGuards } from '../src/services/operations.ts'
import { startTestPlatform, type TestOrganization, type TestPerson, type TestPlatform } from './harness.ts'

const nobody: Credentials = { kind: 'none' }
const password = 'three unrelated words'
const bearer = (token: string): Credentials => ({ kind: 'bearer', token })

describe('setting up', () => {
  let t: TestPlatform
  beforeAll(async () => {
    t = await startTestPlatform()
  })
  afterAll(() => t.stop())
  const setUp = (token: string) =>
    t.call(nobody, 'auth.setUp', {
      token,
      organization: 'Müller & Söhne',
      name: 'First Operator',
      email: 'First@Example.org',
      password,
    })
  const tokenOf = (link: string | null) => new URL(link as string).searchParams.get('token') as string

  it('refuses a link that is older than 15 minutes, one that was replaced and one that was made up', async () => {
    const old = tokenOf(await issueSetUpLink(t.kernel, t.databases.redoubt_web))
    t.clock.advance(15 * 60_000)
    await expect(setUp(old)).rejects.toMatchObject({ code: 'gone' })
    const replaced = tokenOf(await issueSetUpLink(t.kernel, t.databases.redoubt_web))
    await issueSetUpLink(t.kernel, t.databases.redoubt_web)
    await expect(setUp(replaced)).rejects.toMatchObject({ code: 'gone' })
    await expect(setUp(createOpaqueToken('setup'))).rejects.toMatchObject({ code: 'gone' })
  })

  it('works once: of two that race, one wins, and then no link is issued any more', async () => {
    const token = tokenOf(await issueSetUpLink(t.kernel, t.databases.redoubt_web))
    const results = await Promise.allSettled([setUp(token), setUp(token)])
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await issueSetUpLink(t.kernel, t.databases.redoubt_web)).toBeNull()
    const { rows } = await t.admin.query('select slug from organizations')
    expect(rows).toEqual([{ slug: 'muller-sohne' }])
    const tokens = await t.call(nobody, 'auth.login', { email: 'first@example.org', password })
    const me = await t.call(bearer(tokens.accessToken), 'auth.me', {})
    expect(me.memberships.map((each) => each.role)).toEqual(['admin'])
  })
})

describe('signing in', () => {
  let t: TestPlatform
  let organization: TestOrganization
  let admin: TestPerson
  let email: string
  beforeAll(async () => {
    t = await startTestPlatform()
    organization = await t.organization()
    admin = await t.member(organization)
    email = 'analyst@example.org'
    const { link } = await t.call(admin, 'members.invite', { email, role: 'user' })
    await t.call(nobody, 'auth.acceptInvitation', {
      token: new URL(link).searchParams.get('token') as string,
      name: 'An Analyst',
      password,
    })
  })
  afterAll(() => t.stop())
  const login = () => t.call(nobody, 'auth.login', { email, password })

  it('says the same to a wrong password and to an unknown account (AUTH-5)', async () => {
    const refusals = await Promise.all(
      [email, 'nobody@example.org'].map((each) =>
        t
          .call(nobody, 'auth.login', { email: each, password: 'not the password' })
          .catch((error) => ({ code: error.code, detail: error.detail })),
      ),
    )
    expect(refusals[0]).toEqual({ code: 'unauthenticated', detail: 'E-mail address or password is wrong.' })
    expect(refusals[1]).toEqual(refusals[0])
  })

  it('hashes for an unknown account as for a known one', async () => {
    const passwords = new Passwords()
    const phc = await passwords.hash(password)
    expect(phc).toMatch(/^\$argon2id\$v=19\$m=65536,t=1,p=4\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(await passwords.matches(password, phc)).toBe(true)
    expect(await passwords.matches(password, null)).toBe(false)
    expect(await passwords.matches('no account has this password', null)).toBe(false)
  })

  it('issues an access token without personal data, of at most 8 KB, for 15 minutes (SESS-3)', async () => {
    const { accessToken, expiresIn } = await login()
    expect(accessToken.length).toBeLessThanOrEqual(8192)
    const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] as string, 'base64url').toString())
    expect(Object.keys(claims).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'org', 'sid', 'sub'])
    expect(expiresIn).toBe(900)
    expect(claims.exp - claims.iat).toBe(900)
    await t.call(bearer(accessToken), 'alerts.list', {})
    t.clock.advance(900_000)
    await expect(t.call(bearer(accessToken), 'alerts.list', {})).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('rotates refresh tokens and ends the family when one is used twice', async () => {
    const first = await login()
    const second = await t.call(nobody, 'auth.refresh', { refreshToken: first.refreshToken })
    await t.call(bearer(second.accessToken), 'alerts.list', {})
    await expect(t.call(nobody, 'auth.refresh', { refreshToken: first.refreshToken })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await expect
      .poll(() => t.call(bearer(second.accessToken), 'alerts.list', {}).catch((error) => error.code))
      .toBe('unauthenticated')
    await expect(t.call(nobody, 'auth.refresh', { refreshToken: second.refreshToken })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })

  it('ends the family also when two requests race with one token', async () => {
    const { refreshToken } = await login()
    const results = await Promise.allSettled([1, 2, 3].map(() => t.call(nobody, 'auth.refresh', { refreshToken })))
    const won = results.filter((result) => result.status === 'fulfilled')
    expect(won).toHaveLength(1)
    const tokens = (won[0] as PromiseFulfilledResult<Awaited<ReturnType<typeof login>>>).value
    await expect(t.call(nobody, 'auth.refresh', { refreshToken: tokens.refreshToken })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })

  it('refuses a revoked session on every service, without waiting for the cache', async () => {
    const { accessToken } = await login()
    await t.call(bearer(accessToken), 'alerts.list', {})
    const { items } = await t.call(bearer(accessToken), 'sessions.list', {})
    const current = items.find((session) => session.current)
    await t.call(bearer(accessToken), 'sessions.revoke', { id: current?.id as string })
    await expect
      .poll(() => t.call(bearer(accessToken), 'alerts.list', {}).catch((error) => error.code), { timeout: 1000 })
      .toBe('unauthenticated')
  })

  it('asks the database when notices of revocation cannot arrive', async () => {
    const { accessToken } = await login()
    await t.call(bearer(accessToken), 'alerts.list', {})
    t.live.connected = false
    await t.admin.query('update sessions set revoked_at = now() where revoked_at is null and kind = $1', ['token'])
    await expect(t.call(bearer(accessToken), 'alerts.list', {})).rejects.toMatchObject({ code: 'unauthenticated' })
    t.live.connected = true
  })

  it('ends a browser session after its idle time', async () => {
    const person = await t.member(organization, 'viewer')
    await t.call(person, 'alerts.list', {})
    t.clock.advance(t.kernel.config.sessionIdleMs + 1000)
    await expect(t.call(person, 'alerts.list', {})).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('takes effect at once when a role is lowered or a member removed', async () => {
    const boss = await t.member(organization)
    const person = await t.member(organization, 'moderator')
    await t.call(person, 'audit.list', {})
    await t.call(boss, 'members.changeRole', { userId: person.userId, role: 'viewer' })
    await expect.poll(() => t.call(person, 'audit.list', {}).catch((error) => error.code)).toBe('forbidden')
    await t.call(boss, 'members.remove', { userId: person.userId })
    await expect.poll(() => t.call(person, 'alerts.list', {}).catch((error) => error.code)).toBe('forbidden')
  })

  it('remembers nothing that was read before a revocation and arrives after it', async () => {
    const person = await t.member(organization, 'moderator')
    const call: Call = {
      ...{ requestId: 'x', address: '127.0.0.1', userAgent: '', organizationId: null, input: null },
      credentials: { kind: 'browser', token: person.token },
    }
    const revoked = (id: string) =>
      new Promise<void>((seen) => {
        const off = t.live.onRevoked((each) => {
          if (each !== id) return
          off()
          seen()
        })
      })
    let meanwhile: () => Promise<unknown>
    // The answer is in, its transaction is not over: here the revocation overtakes it.
    const held: Database = heldBeforeCommit(t.databases.redoubt_api, () => meanwhile())
    const guards = composeGuards(t.kernel, held, t.live, t.access)

    const boss = await t.member(organization)
    meanwhile = () =>
      Promise.all([
        revoked(person.userId),
        t.call(boss, 'members.changeRole', { userId: person.userId, role: 'viewer' }),
      ])
    await guards.membership({ userId: person.userId } as Person, organization.id)
    meanwhile = async () => undefined
    expect((await guards.membership({ userId: person.userId } as Person, organization.id))?.role).toBe('viewer')

    meanwhile = () =>
      Promise.all([revoked(person.userId), t.call(boss, 'sessions.revokeOfMember', { userId: person.userId })])
    await guards.person(call)
    meanwhile = async () => undefined
    await expect(guards.person(call)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('leaves a former admin no link to come back by: neither an invitation nor a runner of their own', async () => {
    const former = await t.member(organization)
    const boss = await t.member(organization)
    const removed = await t.member(organization)
    const theirs = await t.call(removed, 'members.invite', { email: 'also@example.org', role: 'admin' })
    await t.call(boss, 'members.remove', { userId: removed.userId })
    const { items } = await t.call(boss, 'members.invitations', {})
    expect(items.map(({ id }) => id)).not.toContain(theirs.invitation.id)
    const { link } = await t.call(former, 'members.invite', { email: 'again@example.org', role: 'admin' })
    const { token: enrolment } = await t.call(former, 'runners.invite', { name: 'Theirs' })
    await t.call(boss, 'members.changeRole', { userId: former.userId, role: 'viewer' })
    const token = new URL(link).searchParams.get('token') as string
    await expect(t.call(nobody, 'auth.acceptInvitation', { token, name: 'Once More', password })).rejects.toMatchObject(
      { code: 'gone' },
    )
    const { kty, crv, x, y } = generateSigningKey('ES256').jwk as { kty: 'EC'; crv: 'P-256'; x: string; y: string }
    const { requestPem: certificateRequest } = createCertificateRequest()
    const { token: bare } = parseEnrolmentToken(enrolment)
    const url = 'https://127.0.0.1:5678'
    const enrol = { token: bare, publicKey: { kty, crv, x, y }, url, certificateRequest }
    await expect(t.call(nobody, 'runners.enroll', enrol)).rejects.toMatchObject({ code: 'gone' })
  })

  it('keeps the last admin, also when two admins demote each other at once', async () => {
    const small = await t.organization()
    const [one, two] = [await t.member(small), await t.member(small)]
    const results = await Promise.allSettled([
      t.call(one, 'members.changeRole', { userId: two.userId, role: 'user' }),
      t.call(two, 'members.changeRole', { userId: one.userId, role: 'user' }),
    ])
    expect(results.filter((result) => result.status === 'fulfilled').length).toBeLessThanOrEqual(1)
    const { rows } = await t.admin.query(
      `select count(*)::int as admins from memberships where organization_id = $1 and role = 'admin'`,
      [small.id],
    )
    expect(rows[0].admins).toBeGreaterThanOrEqual(1)
  })

  it('records sign-ins and refusals in the person’s organizations', async () => {
    await login()
    await t.call(nobody, 'auth.login', { email, password: 'wrong again' }).catch(() => undefined)
    const { rows } = await t.admin.query(
      `select distinct action, outcome from audit_events where organization_id = $1 and action like 'session.%' order by 1`,
      [organization.id],
    )
    expect(rows).toEqual(
      expect.arrayContaining([
        { action: 'session.opened', outcome: 'allowed' },
        { action: 'session.refused', outcome: 'denied' },
      ]),
    )
  })
})

test('a token acts in its own organization alone, whatever the header says', async () => {
  const t = await startTestPlatform()
  const [a, b] = [await t.organization(), await t.organization()]
  const person = await t.member(a)
  await expect(t.call({ ...person, organizationId: b.id }, 'cases.list', {})).rejects.toMatchObject({
    code: 'forbidden',
  })
  await t.stop()
})

test('sign-in is limited to five a minute for one address and e-mail (RL-2)', async () => {
  const t = await startTestPlatform({ limits: 'default' })
  const attempt = () =>
    t.call(nobody, 'auth.login', { email: 'x@example.org', password: 'wrong' }).catch((error) => error.code)
  const codes = []
  for (let i = 0; i < 7; i++) {
    codes.push(await attempt())
    t.clock.advance(1000)
  }
  expect(codes).toEqual([...Array(5).fill('unauthenticated'), 'rate_limited', 'rate_limited'])
  await t.stop()
})

test('an invitation is no way around the limit on guesses at one account, and leaves evidence of them', async () => {
  const t = await startTestPlatform({ limits: { ...defaultLimits, signInPerMinute: 1 } })
  const [victims, attackers] = [await t.organization(), await t.organization()]
  const victim = await t.member(victims)
  const { link } = await t.call(await t.member(attackers), 'members.invite', { email: victim.email, role: 'viewer' })
  const token = new URL(link).searchParams.get('token') as string
  const codes = []
  for (let i = 1; i <= 6; i++) {
    const guess = t.call(
      nobody,
      'auth.acceptInvitation',
      { token, password: `guess ${i}` },
      { address: `192.0.2.${i}` },
    )
    codes.push(await guess.catch((error) => error.code))
  }
  expect(codes).toEqual([...Array(4).fill('unauthenticated'), 'rate_limited', 'rate_limited'])
  const { rows } = await t.admin.query(
    `select count(*)::int as refused from audit_events where organization_id = $1 and action = 'session.refused'`,
    [victims.id],
  )
  expect(rows).toEqual([{ refused: 4 }])
  await t.stop()
})

test('refusals are recorded up to a limit: nobody can fill another organization’s log with them', async () => {
  const t = await startTestPlatform({ limits: { ...defaultLimits, anonymousPerSecond: 1 } })
  const operator = await t.organization()
  const person = await t.member(await t.organization(), 'viewer')
  const elsewhere = { ...person, organizationId: operator.id }
  const codes = []
  for (let i = 0; i < 32; i++) codes.push(await t.call(elsewhere, 'cases.list', {}).catch((error) => error.code))
  expect(codes).toEqual([...Array(30).fill('forbidden'), 'rate_limited', 'rate_limited'])
  await t.stop()
})

test('whoever guesses session tokens is told to wait, whichever operation they try', async () => {
  const t = await startTestPlatform({ limits: { ...defaultLimits, anonymousPerSecond: 1 } })
  const guess = () =>
    t.call({ kind: 'browser', token: createOpaqueToken('ses') }, 'auth.me', {}).catch((error) => error.code)
  const codes = []
  for (let i = 0; i < 7; i++) codes.push(await guess())
  expect(codes).toEqual([...Array(5).fill('unauthenticated'), 'rate_limited', 'rate_limited'])
  await t.stop()
})

/** A database whose transactions stop short of their end until `meanwhile` has happened. */
function heldBeforeCommit(database: Database, meanwhile: () => Promise<unknown>): Database {
  const connect = async () => {
    const client = await database.pool.connect()
    const query = client.query.bind(client)
    const held = async (text: string) => {
      Reflect.deleteProperty(client, 'query')
      await meanwhile()
      return query(text)
    }
    client.query = ((...all: Parameters<typeof query>) =>
      (all[0] as unknown) === 'commit' ? held('commit') : query(...all)) as typeof client.query
    return client
  }
  return { ...database, pool: { connect } as unknown as Database['pool'] }
}

describe('passwords (AUTH-8)', () => {
  test.each([
    ['too short', 'Sh0rt!pass'],
    ['common with digits and signs around it', '123password123!!'],
    ['a repeated pattern', 'abcabcabcabcabc'],
    ['the e-mail address', 'analyst-analyst'],
  ])('refuses %s', (_why, each) => {
    expect(() => requireGoodPassword(each, 'analyst@example.org')).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    )
  })
  test.each(['three unrelated words', 'пароль из четырёх слов', 'x'.padEnd(700, 'long but not repeated 0123456789')])(
    'accepts %s',
    (each) => {
      expect(() => requireGoodPassword(each, 'someone@example.org')).not.toThrow()
    },
  )
})
