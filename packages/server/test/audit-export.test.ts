import type { OrganizationId, Role } from '@redoubt/contract'
import { type AuditFileResult, encodeBase64, leafHash, utf8, verifyAuditFile, verifyAuditProof } from '@redoubt/trust'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mountAuditExport } from '../src/modules/audit/index.ts'
import type { Dispatch } from '../src/platform/dispatch.ts'
import { createServer } from '../src/platform/http.ts'
import { numbered, record, seal, withPassword } from './audit-fixture.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let platform: TestPlatform
let url: string
beforeAll(async () => {
  platform = await startTestPlatform()
  url = await serve(platform.dispatch)
})
afterAll(() => platform?.stop())

async function serve(dispatch: Dispatch): Promise<string> {
  const server = createServer(platform.kernel, 'api', async () => true)
  mountAuditExport(server, platform.kernel, dispatch)
  const { url, stop } = await server.listen(0)
  platform.onStop(stop)
  return `${url}/api/v1/audit/export`
}

/** An organization whose log holds `count` sealed events, numbered from 0, and a member with an access token. */
async function newLog(
  count: number,
  role: Role = 'admin',
): Promise<{ id: OrganizationId; person: TestPerson; token: string }> {
  const { id } = await platform.organization()
  if (count > 0) await record(platform, id, numbered(count))
  await seal(platform, id)
  const person = await platform.member({ id }, role)
  const { accessToken } = await platform.call({ kind: 'none' }, 'auth.login', await withPassword(platform, person))
  return { id, person, token: accessToken }
}

const request = (token: string, headers: Record<string, string> = {}, from = url) =>
  fetch(from, { headers: { authorization: `Bearer ${token}`, ...headers } })

async function exported(token: string): Promise<string[]> {
  const response = await request(token)
  expect(response.status).toBe(200)
  const text = await response.text()
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1).split('\n')
}

async function verified(token: string, trustedVerifier?: string): Promise<AuditFileResult> {
  const lines = await exported(token)
  return verifyAuditFile(
    (async function* () {
      yield* lines
    })(),
    trustedVerifier === undefined ? {} : { trustedVerifier },
  )
}

/** As the operator of the database, with every trigger and foreign key out of the way. */
async function tamper(...statements: [sql: string, values: unknown[]][]): Promise<void> {
  const client = await platform.admin.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    for (const [sql, values] of statements) expect((await client.query(sql, values)).rowCount).toBeGreaterThan(0)
    await client.query('commit')
  } finally {
    client.release()
  }
}

describe('an export', () => {
  test('verifies without a server, against the key the reader pinned', async () => {
    const { id, person, token } = await newLog(10)
    const { verifier, origin } = await platform.call(person, 'audit.checkpoint', {})
    expect(await verified(token, verifier)).toMatchObject({
      ok: true,
      organizationId: id,
      origin,
      events: 10,
      verifierFrom: 'caller',
    })
  })

  test('of several batches verifies and carries a checkpoint in each', async () => {
    const { token } = await newLog(2100)
    expect(await verified(token)).toMatchObject({
      ok: true,
      events: 2100,
      checkpoints: 3,
      lastCheckpoint: { size: 2100 },
    })
  })

  test('goes as far as the log was sealed when it began', async () => {
    const { id, token } = await newLog(3)
    await record(platform, id, numbered(2, 3))
    expect(await verified(token)).toMatchObject({ ok: true, events: 3 })
  })

  test('leaves its own evidence, with how far it went', async () => {
    const { id, person, token } = await newLog(4)
    await exported(token)
    const { items } = await platform.call(person, 'audit.list', { action: 'audit.exported' })
    expect(items).toMatchObject([
      { actor: { id: person.userId }, target: { kind: 'audit-log', id }, facts: { size: 4 } },
    ])
  })

  test('holds events of its own organization alone', async () => {
    const [{ token }] = [await newLog(3), await newLog(5)]
    expect(await verified(token)).toMatchObject({ ok: true, events: 3 })
  })

  test('of a log without a sealed event says when to ask again', async () => {
    const { token } = await newLog(0)
    const response = await request(token)
    expect([response.status, response.headers.get('retry-after')]).toEqual([409, '1'])
  })

  test('is refused without credentials, and no HEAD request starts one', async () => {
    expect((await fetch(url)).status).toBe(401)
    const { person, token } = await newLog(1)
    expect((await fetch(url, { method: 'HEAD', headers: { authorization: `Bearer ${token}` } })).status).toBe(404)
    expect((await platform.call(person, 'audit.list', { action: 'audit.exported' })).items).toEqual([])
  })

  test.each(['viewer', 'user', 'moderator'] as const)(
    'is refused to a %s, and the refusal is recorded',
    async (role) => {
      const { id, token } = await newLog(1, role)
      expect((await request(token)).status).toBe(403)
      const { items } = await platform.call(await platform.member({ id }), 'audit.list', { action: 'access.denied' })
      expect(items).toMatchObject([{ outcome: 'denied', facts: { operation: 'audit.export' } }])
    },
  )

  test('is refused when the token acts in another organization than the one named', async () => {
    const [own, other] = [await newLog(1), await newLog(1)]
    expect((await request(own.token, { 'redoubt-organization': other.id })).status).toBe(403)
  })

  test('is cut off when the session ends meanwhile', async () => {
    const { token } = await newLog(2100)
    const cut = await serve(async (operation, call) => {
      const { from } = call.input as { from?: number }
      if (from === 1000) {
        // Within a second everywhere (SESS-1): here as soon as the feed has brought it.
        const heard = new Promise((done) => platform.live.onRevoked(done))
        await platform.call({ kind: 'bearer', token }, 'auth.logout', {})
        await heard
      }
      return platform.dispatch(operation, call)
    })
    const response = await request(token, {}, cut)
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
  })
})

describe('a log altered in the database by its operator', () => {
  test('names the event whose hashed text was altered', async () => {
    const { id, token } = await newLog(10)
    await tamper([
      `update audit_log set body = replace(body, 'case-4', 'case-9') where organization_id = $1 and seq = 4`,
      [id],
    ])
    expect(await verified(token)).toMatchObject({
      ok: false,
      seq: 4,
      problem: expect.stringContaining('Event 4 was altered'),
    })
  })

  test.each([
    ['action', `'case.closed'`],
    ['actor_name', `'somebody else'`],
    ['at', `at - interval '1 day'`],
    ['outcome', `'denied'`],
    ['target_id', 'null'],
    ['facts', `'{"number": 5}'`],
    ['request_id', `'other'`],
  ])('names the event whose row was altered in %s, in the export and in its proof', async (column, value) => {
    const { id, person, token } = await newLog(10)
    await tamper([
      `update audit_events e set ${column} = ${value} from audit_log l where l.event_id = e.id and l.organization_id = $1 and l.seq = 4`,
      [id],
    ])
    expect(await verified(token)).toMatchObject({
      ok: false,
      seq: 4,
      problem: expect.stringContaining('Event 4 was altered'),
    })
    const { items } = await platform.call(person, 'audit.list', {})
    const altered = items.find((event) => event.seq === 4)
    const proof = await platform.call(person, 'audit.inclusion', { id: altered?.id ?? '' })
    const { origin } = await platform.call(person, 'audit.checkpoint', {})
    expect(await verifyAuditProof(proof, { origin })).toEqual({
      ok: false,
      problem: 'The event does not hash to its leaf.',
    })
  })

  test('names the event whose text and leaf were altered together', async () => {
    const { id, token } = await newLog(10)
    const { rows } = await platform.admin.query<{ body: string }>(
      'select body from audit_log where organization_id = $1 and seq = 4',
      [id],
    )
    const body = rows[0]?.body.replace('case-4', 'case-9') ?? ''
    await tamper(
      [
        'update audit_log set body = $2, leaf = $3 where organization_id = $1 and seq = 4',
        [id, body, leafHash(utf8(body))],
      ],
      [
        `update audit_events e set target_id = 'case-9' from audit_log l where l.event_id = e.id and l.organization_id = $1 and l.seq = 4`,
        [id],
      ],
    )
    expect(await verified(token)).toMatchObject({ ok: false, range: { from: 0, to: 9 } })
  })

  test.each([0, 4, 9])('names event %i when it was removed', async (seq) => {
    const { id, token } = await newLog(10)
    await tamper(
      [
        'delete from audit_events e using audit_log l where l.event_id = e.id and l.organization_id = $1 and l.seq = $2',
        [id, seq],
      ],
      ['delete from audit_log where organization_id = $1 and seq = $2', [id, seq]],
    )
    expect(await verified(token)).toMatchObject({
      ok: false,
      seq,
      problem: expect.stringContaining(`Event ${seq} is missing`),
    })
  })

  test('names the event that alone was removed from the events and left in the tree', async () => {
    const { id, token } = await newLog(10)
    await tamper([
      'delete from audit_events e using audit_log l where l.event_id = e.id and l.organization_id = $1 and l.seq = 4',
      [id],
    ])
    expect(await verified(token)).toMatchObject({
      ok: false,
      seq: 4,
      problem: expect.stringContaining('Event 4 is missing'),
    })
  })

  test('names the event that was removed with all later ones renumbered', async () => {
    const { id, token } = await newLog(10)
    await tamper(
      ['delete from audit_log where organization_id = $1 and seq = 4', [id]],
      ['update audit_log set seq = seq + 1000 where organization_id = $1 and seq > 4', [id]],
      ['update audit_log set seq = seq - 1001 where organization_id = $1 and seq > 1000', [id]],
    )
    expect(await verified(token)).toMatchObject({ ok: false, seq: 4 })
  })

  test('names the event that was moved', async () => {
    const { id, token } = await newLog(10)
    await tamper(
      ['update audit_log set seq = 1004 where organization_id = $1 and seq = 4', [id]],
      ['update audit_log set seq = 4 where organization_id = $1 and seq = 5', [id]],
      ['update audit_log set seq = 5 where organization_id = $1 and seq = 1004', [id]],
    )
    expect(await verified(token)).toMatchObject({ ok: false, seq: 4 })
  })

  test('names the place where an event was inserted', async () => {
    const { id, token } = await newLog(10)
    const { rows } = await platform.admin.query<{ body: string }>(
      'select body from audit_log where organization_id = $1 and seq = 4',
      [id],
    )
    const forgedId = '00000000-0000-7000-8000-000000000001'
    const body = JSON.stringify({ ...JSON.parse(rows[0]?.body ?? ''), id: forgedId })
    await tamper(
      ['update audit_log set seq = seq + 1000 where organization_id = $1 and seq >= 4', [id]],
      ['update audit_log set seq = seq - 999 where organization_id = $1 and seq >= 1004', [id]],
      [
        `insert into audit_events select e.organization_id, $2, e.at, e.actor_kind, e.actor_id, e.actor_name, e.action, e.target_kind,
           e.target_id, e.outcome, e.facts, e.request_id from audit_events e
         join audit_log l on l.event_id = e.id where l.organization_id = $1 and l.seq = 5`,
        [id, forgedId],
      ],
      ['insert into audit_log values ($1, 4, $2, $3, $4)', [id, forgedId, body, leafHash(utf8(body))]],
    )
    const result = await verified(token)
    expect(result).toMatchObject({ ok: false })
    // The forged event takes place 4; what it pushed aside shows right behind it.
    expect([4, 5]).toContain(result.ok ? -1 : result.seq)
  })

  test('names the missing end when the newest events were cut off', async () => {
    const { id, token } = await newLog(10)
    await tamper(['delete from audit_log where organization_id = $1 and seq > 6', [id]])
    expect(await verified(token)).toMatchObject({
      ok: false,
      seq: 7,
      problem: expect.stringContaining('Event 7 is missing'),
    })
  })

  test('back to an older checkpoint is caught by whoever kept a newer one', async () => {
    const { id, person, token } = await newLog(6)
    await record(platform, id, numbered(4, 6))
    await seal(platform, id)
    const kept = await platform.call(person, 'audit.checkpoint', {})
    // A rollback: the newest events are gone with their nodes and checkpoints.
    const rest = '(organization_id = $1)'
    await tamper(
      [`delete from audit_log where ${rest} and seq >= 6`, [id]],
      [`delete from audit_checkpoints where ${rest} and size > 6`, [id]],
    )
    expect(await verified(token)).toMatchObject({ ok: true, lastCheckpoint: { size: 6 } })
    await expect(platform.call(person, 'audit.consistency', { from: kept.size, to: kept.size })).rejects.toMatchObject({
      code: 'bad_request',
    })
  })

  test('does not pass with checkpoints of a key that is not the installation’s', async () => {
    const { id, person, token } = await newLog(3)
    const { verifier } = await platform.call(person, 'audit.checkpoint', {})
    await tamper([
      `update audit_checkpoints set note = regexp_replace(note, '— (\\S+) \\S+', '— \\1 ' || $2) where organization_id = $1`,
      [id, encodeBase64(new Uint8Array(68))],
    ])
    expect(await verified(token, verifier)).toMatchObject({ ok: false, line: 5 })
  })
})
