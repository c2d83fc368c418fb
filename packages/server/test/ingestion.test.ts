import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { IngestReceipt } from '@redoubt/contract'
import { signWebhook } from '@redoubt/trust'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultLimits } from '../src/platform/config.ts'
import { type Answer, event, startIngestionFixture, type TestSource } from './ingestion-fixture.ts'

let fixture: Awaited<ReturnType<typeof startIngestionFixture>>
let source: TestSource
beforeAll(async () => {
  fixture = await startIngestionFixture()
  source = await fixture.source()
})
afterAll(() => fixture?.platform.stop())

const counts = ({ status, receipt }: Answer) => ({
  status,
  accepted: receipt.accepted,
  created: receipt.created,
  folded: receipt.folded,
})
const minute = 60_000

describe('forms', () => {
  test.each([
    ['a JSON object', event('form-object'), {}, 1],
    ['a JSON array', `[${event('form-array-1')}, ${event('form-array-2')}]`, {}, 2],
    [
      'declared lines',
      `${event('form-line-1')}\n${event('form-line-2')}\n`,
      { 'content-type': 'application/x-ndjson' },
      2,
    ],
    ['lines that say they are JSON', `${event('form-found-1')}\n${event('form-found-2')}`, {}, 2],
    ['gzip', gzipSync(`[${event('form-gzip')}]`), { 'content-encoding': 'gzip' }, 1],
    ['text of no type', event('form-text'), { 'content-type': 'text/plain' }, 1],
  ])('%s is taken, and answered with a receipt of the contract', async (_form, body, headers, created) => {
    const answer = await fixture.post(source, body, { headers })
    expect(counts(answer)).toEqual({ status: 202, accepted: created, created, folded: 0 })
    expect(IngestReceipt.parse(answer.receipt)).toMatchObject({ replayed: false, rejected: [] })
  })

  test('bad lines are answered by index and reason while the good ones are kept', async () => {
    const answer = await fixture.post(source, `${event('kept-1')}\n{"alert_id":\n${event('kept-2')}\n]`)
    expect(counts(answer)).toEqual({ status: 202, accepted: 2, created: 2, folded: 0 })
    expect(answer.receipt.rejected).toEqual([
      { index: 1, reason: expect.stringContaining('not valid JSON') },
      { index: 3, reason: expect.stringContaining('not valid JSON') },
    ])
    const titles = (await fixture.alerts(source)).map(({ title }) => title)
    expect(titles).toContain('Alert kept-1')
    expect(titles).toContain('Alert kept-2')
  })

  test('a request without one readable event is refused, so that nobody takes it for delivered', async () => {
    const bad = await fixture.post(source, '{"alert_id":')
    expect(bad.status).toBe(422)
    expect(bad.problem.errors).toEqual([{ path: '0', message: expect.stringContaining('not valid JSON') }])
    expect((await fixture.post(source, '')).status).toBe(400)
    expect((await fixture.post(source, '[{"alert_id":"x"}')).status).toBe(400)
  })

  test('telemetry on an alert feed is kept out of the inbox, and kept', async () => {
    const suricata = await fixture.source('suricata', source)
    const dns = {
      timestamp: '2026-01-01T00:00:00+0000',
      event_type: 'dns',
      src_ip: '192.0.2.1',
      dest_ip: '192.0.2.2',
      dns: { rrname: 'example.org' },
    }
    const alert = {
      ...dns,
      event_type: 'alert',
      alert: { signature_id: 1, signature: 'Example', severity: 1, category: 'Example' },
    }
    const answer = await fixture.post(suricata, `${JSON.stringify(dns)}\n${JSON.stringify(alert)}`)
    expect(answer.receipt).toMatchObject({ accepted: 2, created: 2, rejected: [] })
    const { rows } = await fixture.platform.admin.query(
      'select state, dismissed_because from alerts where source_id = $1 order by state',
      [suricata.id],
    )
    expect(rows).toEqual([
      { state: 'dismissed', dismissed_because: 'Telemetry, not an alert' },
      { state: 'new', dismissed_because: null },
    ])
  })

  test('64-bit ids stay apart and the payload stays as it was sent, byte for byte', async () => {
    const sent = [
      '{"alert_id": 9223372036854775806,  "title":"big"}',
      '{"alert_id": 9223372036854775807,  "title":"big"}',
    ]
    const answer = await fixture.post(source, `[${sent}]`)
    expect(answer.receipt.created).toBe(2)
    const stored = (await fixture.alerts(source)).filter(({ title }) => title === 'big')
    expect(stored.map(({ raw }) => raw).sort()).toEqual(sent)
    expect(stored.map(({ source_ref }) => source_ref).sort()).toEqual(['9223372036854775806', '9223372036854775807'])
  })

  test.each([
    '-271821-04-20T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    '0000-00-00T00:00:00Z',
    -8.64e15,
    8.64e15,
    1e300,
    '9999-12-31T23:59:59Z',
  ])('a moment that no calendar or database knows does not stop a batch: %j', async (time) => {
    const answer = await fixture.post(
      source,
      `[${event(`time-${time}`, { timestamp: time, time })},${event(`beside-${time}`)}]`,
    )
    expect(counts(answer)).toEqual({ status: 202, accepted: 2, created: 2, folded: 0 })
    await fixture.platform.call(source.admin, 'alerts.list', { search: String(time) })
  })

  test('NUL escapes, lone surrogates and control characters are stored and do not stop a batch', async () => {
    const odd = '{"alert_id":"odd","title":"odd \\u0000\\ud800\\u001b[31m title","user":"\\u0000","k\\u0000":"\\udfff"}'
    const answer = await fixture.post(source, `[${odd},${event('even')}]`)
    expect(counts(answer)).toEqual({ status: 202, accepted: 2, created: 2, folded: 0 })
    const stored = (await fixture.alerts(source)).find(({ source_ref }) => source_ref === 'odd')
    expect(stored?.raw).toBe(odd)
    expect(stored?.title).not.toMatch(/\p{Cc}/u)
  })
})

describe('limits', () => {
  test('a gzip bomb is refused with 413 and the memory stays small', async () => {
    const bomb = gzipSync(Buffer.alloc(400 * 1_048_576, 0x20))
    expect(bomb.length).toBeLessThan(1_048_576)
    const before = process.memoryUsage().rss
    const { status, problem } = await fixture.post(source, bomb, { headers: { 'content-encoding': 'gzip' } })
    expect(status).toBe(413)
    expect(problem.detail).toMatch(/52428800 bytes.*unpacked/)
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1_048_576)
  })

  test('a body past the limit is refused by its declared length, and by its bytes where it declares none', async () => {
    const large = Buffer.alloc(10 * 1_048_576 + 1, 0x20)
    expect((await fixture.post(source, large)).problem).toMatchObject({
      status: 413,
      code: 'too_large',
      detail: expect.stringContaining('10485760'),
    })
    expect(await chunked(source, large)).toBe(413)
  })

  test('more than 10 000 events are refused with 413', async () => {
    const { status, problem } = await fixture.post(source, `[${Array(10_001).fill('{}')}]`)
    expect(status).toBe(413)
    expect(problem.detail).toMatch(/10000 events/)
  })

  test('damaged gzip is 400, another encoding 415', async () => {
    const cut = gzipSync(event('cut')).subarray(0, -4)
    expect((await fixture.post(source, cut, { headers: { 'content-encoding': 'gzip' } })).status).toBe(400)
    expect((await fixture.post(source, event('br'), { headers: { 'content-encoding': 'br' } })).status).toBe(415)
  })

  test('a source that sends too often gets 429 with Retry-After, another source of the tenant does not', async () => {
    const strict = await startIngestionFixture({
      limits: { ...defaultLimits, ingestRequestsPerSecond: 3, anonymousPerSecond: 2 },
    })
    try {
      const noisy = await strict.source()
      const quiet = await strict.source('generic', noisy)
      const statuses = []
      for (let at = 0; at < 4; at += 1) statuses.push((await strict.post(noisy, event(`r${at}`))).status)
      expect(statuses).toEqual([202, 202, 202, 429])
      const refused = await strict.post(noisy, event('r5'))
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(refused.problem.code).toBe('rate_limited')
      expect((await strict.post(quiet, event('q'))).status).toBe(202)

      const guesses = []
      for (let at = 0; at < 3; at += 1)
        guesses.push((await strict.post(noisy, event('g'), { token: `guess-${at}` })).status)
      expect(guesses).toEqual([401, 401, 429])
    } finally {
      await strict.platform.stop()
    }
  })

  test('when as many batches as may wait do, the next gets 503 with Retry-After; those that wait are all taken', async () => {
    const busy = await fixture.source()
    const blocker = await fixture.platform.admin.connect()
    await blocker.query('begin; lock table alerts in access exclusive mode')
    let answered = 0
    const sent = Array.from({ length: 80 }, async (_, at) => {
      const answer = await fixture.post(busy, event(`busy-${at}`))
      answered += 1
      return answer
    })
    const first = await Promise.race(sent)
    expect(first.status).toBe(503)
    expect(first.headers.get('retry-after')).toBe('1')
    // Only when the last has arrived may one of those that wait make room.
    await expect.poll(() => answered, { timeout: 20_000 }).toBe(80 - (8 + 64))
    await blocker.query('rollback')
    blocker.release()
    const answers = await Promise.all(sent)
    const taken = answers.filter(({ status }) => status === 202).length
    expect(taken).toBe(8 + 64)
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(80 - taken)
    expect(await fixture.alerts(busy)).toHaveLength(taken)
  })
})

describe('folding', () => {
  test('the same alert again raises its count, keeps the gravest severity and the newest payload', async () => {
    const folding = await fixture.source()
    await fixture.post(folding, event('f', { severity: 'medium' }))
    const [before] = await fixture.alerts(folding)
    fixture.platform.clock.advance(minute)
    const graver = event('f', { severity: 'critical' })
    expect(counts(await fixture.post(folding, `[${event('f', { severity: 'low' })},${graver}]`))).toEqual({
      status: 202,
      accepted: 2,
      created: 0,
      folded: 2,
    })
    const [after] = await fixture.alerts(folding)
    expect(after).toMatchObject({
      id: before?.id,
      count: 3,
      severity: 4,
      raw: before?.raw,
      latest_raw: graver,
      first_seen_at: before?.first_seen_at,
    })
    expect(after?.last_seen_at).toEqual(fixture.platform.clock.now())
    // 15 minutes from now for critical is earlier than 4 hours from before for medium.
    expect(after?.due_at).toEqual(new Date(fixture.platform.clock.now().getTime() + 15 * minute))
  })

  test('whatever is sent in whatever batches with whatever retries: each event is counted once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.boolean(),
        async (batches, together) => {
          const fresh = await fixture.source('generic', source)
          const send = async (ids: number[], at: number) => {
            const body = ids.map((id) => event(`p${id}`)).join('\n')
            const headers = { 'idempotency-key': `batch-${at}` }
            const [once, again] = await Promise.all([
              fixture.post(fresh, body, { headers }),
              fixture.post(fresh, body, { headers }),
            ])
            expect([once.status, again.status]).toEqual([202, 202])
            expect(once.receipt.replayed).not.toBe(again.receipt.replayed)
          }
          if (together) await Promise.all(batches.map(send))
          else for (const [at, ids] of batches.entries()) await send(ids, at)
          const expected = new Map<string, number>()
          for (const id of batches.flat()) expected.set(`p${id}`, (expected.get(`p${id}`) ?? 0) + 1)
          const stored = await fixture.alerts(fresh)
          expect(new Map(stored.map(({ source_ref, count }) => [source_ref, count]))).toEqual(expected)
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('retries', () => {
  test('the same bytes within ten minutes are a retry; after that they are news', async () => {
    const retried = await fixture.source()
    const body = event('same-bytes')
    const first = await fixture.post(retried, body)
    const second = await fixture.post(retried, body)
    expect(second.receipt).toEqual({ ...first.receipt, replayed: true })
    fixture.platform.clock.advance(10 * minute + 1)
    expect(await fixture.post(retried, body)).toMatchObject({ receipt: { replayed: false, created: 0, folded: 1 } })
    expect(await fixture.alerts(retried)).toMatchObject([{ count: 2 }])
  })

  test('an Idempotency-Key tells two deliveries of the same bytes apart, and one delivery from its retry', async () => {
    const keyed = await fixture.source()
    const send = (key: string, body = event('keyed')) =>
      fixture.post(keyed, body, { headers: { 'idempotency-key': key } })
    expect((await send('one')).receipt.replayed).toBe(false)
    expect((await send('two')).receipt.replayed).toBe(false)
    fixture.platform.clock.advance(60 * minute)
    expect((await send('one')).receipt.replayed).toBe(true)
    expect(await fixture.alerts(keyed)).toMatchObject([{ count: 2 }])
    const other = await send('one', event('something else'))
    expect(other.status).toBe(422)
    expect(other.problem.detail).toMatch(/used before/)
  })

  test('ten retries at once count once and get one answer', async () => {
    const racing = await fixture.source()
    const body = Array.from({ length: 500 }, (_, at) => event(`race-${at}`)).join('\n')
    const answers = await Promise.all(Array.from({ length: 10 }, () => fixture.post(racing, body)))
    expect(answers.filter(({ receipt }) => !receipt.replayed)).toHaveLength(1)
    for (const { receipt } of answers) expect(receipt).toMatchObject({ accepted: 500, created: 500, folded: 0 })
    expect((await fixture.alerts(racing)).reduce((sum, { count }) => sum + count, 0)).toBe(500)
  })

  test('batches that share alerts in opposite orders do not deadlock', async () => {
    const crossed = await fixture.source()
    const ids = Array.from({ length: 300 }, (_, at) => event(`cross-${at}`))
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        fixture.post(crossed, (at % 2 ? ids : ids.toReversed()).join('\n'), {
          headers: { 'idempotency-key': `${at}` },
        }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(202))
    expect((await fixture.alerts(crossed)).every(({ count }) => count === 12)).toBe(true)
  })
})

describe('who may send', () => {
  test('an unknown source, a wrong token, a disabled source and no credentials get one and the same answer', async () => {
    const disabled = await fixture.source('generic', source)
    await fixture.platform.call(disabled.admin, 'sources.update', { id: disabled.id, enabled: false })
    const answers = [
      await fixture.post(source, event('x'), { as: crypto.randomUUID() }),
      await fixture.post(source, event('x'), { as: 'no-such-slug' }),
      await fixture.post(source, event('x'), { token: 'rdt_src_rubbish' }),
      await fixture.post(source, event('x'), { token: `${source.token.slice(0, -1)}x` }),
      await fixture.post(disabled, event('x')),
      await fixture.post(source, event('x'), { token: null }),
      await fixture.post(source, event('x'), {
        token: null,
        as: crypto.randomUUID(),
        headers: { ...signed(source, event('x')) },
      }),
    ]
    const { requestId: _, ...expected } = answers[0]?.problem ?? { requestId: '' }
    for (const { status, problem } of answers) {
      expect(status).toBe(401)
      expect({ ...problem, requestId: undefined }).toEqual({ ...expected, requestId: undefined })
    }
  })

  test('a token opens its own source alone, by id and by short name; never another of the tenant or of another tenant', async () => {
    const sibling = await fixture.source('generic', source)
    const foreign = await fixture.source()
    expect((await fixture.post(source, event('by-slug'), { as: source.slug })).status).toBe(202)
    for (const other of [sibling, foreign]) {
      expect((await fixture.post(other, event('intruder'), { token: source.token })).status).toBe(401)
      expect((await fixture.post(other, event('intruder'), { token: source.token, as: other.slug })).status).toBe(401)
      expect(await fixture.alerts(other)).toEqual([])
    }
  })

  test('a rotated token is refused within a second, the new one is taken; a disabled source stops within a second', async () => {
    const rotated = await fixture.source()
    expect((await fixture.post(rotated, event('old-1'))).status).toBe(202)
    const fresh = await fixture.platform.call(rotated.admin, 'sources.rotate', { id: rotated.id })
    fixture.platform.clock.advance(1000)
    expect((await fixture.post(rotated, event('old-2'))).status).toBe(401)
    expect((await fixture.post(rotated, event('new-1'), { token: fresh.token })).status).toBe(202)
    await fixture.platform.call(rotated.admin, 'sources.update', { id: rotated.id, enabled: false })
    fixture.platform.clock.advance(1000)
    expect((await fixture.post(rotated, event('new-2'), { token: fresh.token })).status).toBe(401)
    expect(await fixture.alerts(rotated)).toHaveLength(2)
  })

  test('a webhook is taken by its signature; its id makes a replay harmless', async () => {
    const hook = await fixture.source()
    const body = event('hook')
    const headers = signed(hook, body, 'msg_1')
    expect(counts(await fixture.post(hook, body, { token: null, headers }))).toMatchObject({ status: 202, created: 1 })
    expect((await fixture.post(hook, body, { token: null, headers })).receipt.replayed).toBe(true)
    const packed = gzipSync(event('hook-gzip'))
    const gzip = { ...signed(hook, packed, 'msg_2'), 'content-encoding': 'gzip' }
    expect(counts(await fixture.post(hook, packed, { token: null, headers: gzip }))).toMatchObject({
      status: 202,
      created: 1,
    })
  })

  test('a webhook with another body, another secret, an old time or a rotated secret is refused', async () => {
    const hook = await fixture.source()
    const other = await fixture.source('generic', hook)
    const body = event('forged')
    const send = (headers: Record<string, string>, sent = body) => fixture.post(hook, sent, { token: null, headers })
    expect((await send(signed(hook, body), event('tampered'))).status).toBe(401)
    expect((await send(signed(other, body))).status).toBe(401)
    const old = await send(signed(hook, body, 'msg_old', -6 * minute))
    expect(old.status).toBe(401)
    expect(old.problem.detail).toMatch(/webhook-timestamp/)
    const fresh = await fixture.platform.call(hook.admin, 'sources.rotate', { id: hook.id })
    fixture.platform.clock.advance(1000)
    expect((await send(signed(hook, body))).status).toBe(401)
    expect((await send(signed({ ...hook, ...fresh }, body))).status).toBe(202)
  })

  test('a sealed webhook secret that was copied to another source does not open there', async () => {
    const [mine, theirs] = [await fixture.source(), await fixture.source()]
    await fixture.platform.admin.query(
      'update sources set webhook_secret = (select webhook_secret from sources where id = $1) where id = $2',
      [mine.id, theirs.id],
    )
    expect(
      (await fixture.post(theirs, event('moved'), { token: null, headers: signed(mine, event('moved')) })).status,
    ).toBe(401)
  })
})

describe('traces', () => {
  test('a batch leaves one audit event, jobs for its new alerts alone, and figures', async () => {
    const traced = await fixture.source()
    await fixture.post(traced, `${event('t1')}\n${event('t2')}\n${event('t1')}\n{`)
    await fixture.post(traced, event('t1', { again: true }))
    const { rows } = await fixture.platform.admin.query(
      `select facts, actor_id from audit_events where action = 'alerts.ingested' and target_id = $1 order by id`,
      [traced.id],
    )
    expect(rows).toEqual([
      { actor_id: 'ingestion', facts: { accepted: 3, created: 2, folded: 1, rejected: 1 } },
      { actor_id: 'ingestion', facts: { accepted: 1, created: 0, folded: 1, rejected: 0 } },
    ])
    const jobs = await fixture.platform.admin.query(
      `select substr(payload->>'body', strpos(payload->>'body', '|') + 1)::json as payload from graphile_worker._private_jobs where payload->>'body' like '%' || $1 || '%'`,
      [traced.organization.id],
    )
    expect(jobs.rows.flatMap(({ payload }) => payload.alertIds)).toHaveLength(2)
    expect(await fixture.platform.kernel.metrics.registry.metrics()).toMatch(
      /redoubt_ingested_events_total\{type="generic",result="created"\} \d+/,
    )
  })

  test('a batch that fails half-way leaves nothing: no alert, no receipt, no job; its retry is taken in full', async () => {
    const failing = await fixture.source()
    const body = event('half')
    await fixture.platform.admin.query(
      `alter table ingest_receipts add constraint fails check (receipt = '{}' or source_id <> '${failing.id}')`,
    )
    expect((await fixture.post(failing, body)).status).toBe(500)
    expect(await fixture.alerts(failing)).toEqual([])
    await fixture.platform.admin.query('alter table ingest_receipts drop constraint fails')
    expect(counts(await fixture.post(failing, body))).toMatchObject({ status: 202, created: 1 })
  })
})

test('stopping waits for the requests in hand', async () => {
  const stopping = await startIngestionFixture()
  try {
    const sender = await stopping.source()
    const blocker = await stopping.platform.admin.connect()
    await blocker.query('begin; lock table alerts in access exclusive mode')
    const inHand = stopping.post(sender, event('in-hand'))
    await untilWaiting(blocker)
    let stopped = false
    const stop = stopping.service.stop().then(() => {
      stopped = true
    })
    await new Promise((next) => setImmediate(next))
    expect(stopped).toBe(false)
    await blocker.query('rollback')
    blocker.release()
    expect((await inHand).status).toBe(202)
    await stop
  } finally {
    await stopping.platform.stop()
  }
})

test('bodies of senders who have proven nothing yet leave room for those who have', async () => {
  const sender = await fixture.source()
  const { hostname, port } = new URL(fixture.service.url)
  const megabyte = Buffer.alloc(1_048_576, ' ')
  const hanging = Array.from({ length: 13 }, () => {
    const path = '/ingest/00000000-0000-7000-8000-000000000000'
    const headers = { 'webhook-signature': 'v1,none', 'content-length': String(10 * megabyte.length) }
    const upload = request({ hostname, port, path, method: 'POST', headers })
    // Refused ones are cut off while they send.
    upload.on('error', () => undefined)
    for (let sent = 0; sent < 9; sent++) upload.write(megabyte)
    upload.write(megabyte.subarray(1))
    return upload
  })
  try {
    await Promise.race(hanging.map((upload) => once(upload, 'response')))
    // Nine megabytes: the room that a refused upload left would do for less.
    const body = event('proven') + ' '.repeat(9 * megabyte.length)
    expect((await fixture.post(sender, body)).status).toBe(202)
  } finally {
    for (const upload of hanging) upload.destroy()
  }
})

/** Standard Webhooks headers over a body, as the sender of this source makes them. */
function signed(by: TestSource, body: string | Uint8Array, id = 'msg', skewMs = 0): Record<string, string> {
  const now = new Date(fixture.platform.clock.now().getTime() + skewMs)
  return { ...signWebhook({ id, now, body: Buffer.from(body as string) }, by.webhookSecret) }
}

/** Sends without a declared length, and keeps sending until it is answered. */
function chunked(to: TestSource, body: Buffer): Promise<number | undefined> {
  return new Promise((done, fail) => {
    const sending = request(
      `${fixture.service.url}/ingest/${to.id}`,
      { method: 'POST', agent: new Agent(), headers: { authorization: `Bearer ${to.token}` } },
      (answer) => {
        answer.resume()
        done(answer.statusCode)
      },
    )
    sending.on('error', fail)
    sending.end(body)
  })
}

async function untilWaiting(client: { query(sql: string): Promise<{ rowCount: number | null }> }): Promise<void> {
  while (
    (await client.query(`select from pg_locks where not granted and relation = 'alerts'::regclass`)).rowCount === 0
  )
    await new Promise((next) => setImmediate(next))
}
