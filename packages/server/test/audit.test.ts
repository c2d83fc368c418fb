import type { OrganizationId } from '@redoubt/contract'
import { decodeBase64, parseCheckpoint, parseNote, verifyAuditProof, verifyConsistency } from '@redoubt/trust'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealOrganization, startSequencer } from '../src/modules/audit/index.ts'
import { type Database, openDatabase } from '../src/platform/database.ts'
import { serviceRoles } from '../src/platform/database-roles.ts'
import { LiveFeed } from '../src/platform/live.ts'
import { withClient } from '../src/platform/prepare-database.ts'
import { type Work, work } from '../src/platform/work.ts'
import { numbered, record, seal, sealedCount } from './audit-fixture.ts'
import { startTestPlatform, type TestPerson, type TestPlatform } from './harness.ts'

let platform: TestPlatform
beforeAll(async () => {
  platform = await startTestPlatform()
})
afterAll(() => platform?.stop())

async function newLog(): Promise<{ id: OrganizationId; admin: TestPerson }> {
  const { id } = await platform.organization()
  return { id, admin: await platform.member({ id }) }
}

/** Proves every sealed event as a reader would, against the pinned key. @returns how many */
async function proveEverything(admin: TestPerson): Promise<number> {
  const { origin, verifier } = await platform.call(admin, 'audit.checkpoint', {})
  let proven = 0
  for (let cursor: string | undefined; ; ) {
    const page = await platform.call(admin, 'audit.list', { limit: 200, ...(cursor ? { cursor } : {}) })
    for (const { id, seq } of page.items) {
      if (seq === null) continue
      const proof = await platform.call(admin, 'audit.inclusion', { id })
      expect(proof.seq).toBe(seq)
      expect(await verifyAuditProof(proof, { origin, trustedVerifier: verifier })).toMatchObject({ ok: true })
      proven++
    }
    if (page.next === null) return proven
    cursor = page.next
  }
}

describe('sealing', () => {
  test('an event is sealed within a second of its commit, on the notice alone', async () => {
    const { id } = await newLog()
    const running = await runSequencer()
    try {
      const sealed = untilSealed(id, 1)
      await record(platform, id, numbered(1))
      const committed = performance.now()
      await sealed
      expect(performance.now() - committed).toBeLessThan(1000)
    } finally {
      await running()
    }
  })

  test('what was recorded while no sequencer ran is sealed when one starts', async () => {
    const { id } = await newLog()
    await record(platform, id, numbered(3))
    const sealed = untilSealed(id, 3)
    const stop = await runSequencer()
    await sealed
    await stop()
    expect(await sealedCount(platform, id)).toBe(3)
  })

  test('what was recorded in the last moment is sealed before the sequencer stops', async () => {
    const { id } = await newLog()
    const stop = await runSequencer()
    await record(platform, id, numbered(2))
    await stop()
    expect(await sealedCount(platform, id)).toBe(2)
  })

  test('an event that commits after a later one was sealed is sealed too', async () => {
    const { id, admin } = await newLog()
    const { promise: held, resolve: commit } = Promise.withResolvers<void>()
    const { promise: begun, resolve: recorded } = Promise.withResolvers<string>()
    const slow = unitOf(id, async (unit) => {
      recorded(unit.record({ action: 'case.opened' }))
      await held
    })
    const early = await begun
    const [late] = await record(platform, id, numbered(1))
    expect(early < (late ?? '')).toBe(true)
    expect(await seal(platform, id)).toBe(1)
    commit()
    await slow
    expect(await seal(platform, id)).toBe(1)
    const { items } = await platform.call(admin, 'audit.list', {})
    expect(items.map(({ id: each, seq }) => [each, seq])).toEqual([
      [late, 0],
      [early, 1],
    ])
    expect(await proveEverything(admin)).toBe(2)
  })

  test('an event whose transaction is rolled back leaves nothing to seal', async () => {
    const { id } = await newLog()
    const failed = unitOf(id, async (unit) => {
      unit.record({ action: 'case.opened' })
      await unit.enqueue('cases.check-response', { caseId: 'none' }, { key: 'k' })
      throw new Error('changed its mind')
    })
    await expect(failed).rejects.toThrow('changed its mind')
    expect(await seal(platform, id)).toBe(0)
  })

  test('several sequencers at once give each place once', async () => {
    const { id, admin } = await newLog()
    const { secrets } = platform
    const { kernel } = platform.parts.redoubt_worker
    const workers: Database[] = await Promise.all(
      [0, 1, 2].map(() =>
        openDatabase(
          platform.loginOf('redoubt_worker'),
          'redoubt_worker',
          secrets.rolePasswords.redoubt_worker,
          secrets.contextKeys.redoubt_worker,
        ),
      ),
    )
    const total = 2400
    for (let from = 0; from < total; from += 400) {
      await Promise.all([
        record(platform, id, numbered(400, from)),
        ...workers.map((worker) => sealOrganization(kernel, worker, id)),
      ])
    }
    await seal(platform, id)
    await Promise.all(workers.map((worker) => worker.close()))
    const { rows } = await platform.admin.query(
      'select count(*) as n, min(seq) as low, max(seq) as high, count(distinct event_id) as events from audit_log where organization_id = $1',
      [id],
    )
    expect(rows).toEqual([{ n: total, low: 0, high: total - 1, events: total }])
    const { size } = await platform.call(admin, 'audit.checkpoint', {})
    expect(size).toBe(total)
  })

  test('a sequencer killed before its commit leaves the log as it was, and the next one seals everything', async () => {
    const { id, admin } = await newLog()
    await record(platform, id, numbered(5))
    await seal(platform, id)
    await record(platform, id, numbered(5, 5))
    await withHungSequencer(id, async (hung, pid) => {
      await platform.admin.query('select pg_terminate_backend($1)', [pid])
      await expect(hung).rejects.toThrow()
    })
    expect(await sealedCount(platform, id)).toBe(5)
    expect(await proveEverything(admin)).toBe(5)
    expect(await seal(platform, id)).toBe(5)
    expect(await proveEverything(admin)).toBe(10)
  })

  test('a sequencer that hangs on a log does not make another one wait', async () => {
    const { id } = await newLog()
    await record(platform, id, numbered(5))
    const finished = await withHungSequencer(id, async (hung) => {
      expect(await seal(platform, id)).toBe(0)
      return { hung }
    })
    expect(await finished.hung).toBe(5)
  })

  test('facts without a canonical form are sealed as text and do not jam the log', async () => {
    const { id, admin } = await newLog()
    await record(platform, id, numbered(1))
    await asSuperuser(
      `insert into audit_events (organization_id, at, actor_kind, actor_id, actor_name, action, outcome, facts)
       values ($1, now(), 'service', 'x', 'x', 'case.opened', 'allowed', '{"a": 1e999}')`,
      [id],
    )
    await asSuperuser(
      'insert into audit_unsealed select organization_id, id from audit_events where organization_id = $1 on conflict do nothing',
      [id],
    )
    await record(platform, id, numbered(1, 1))
    expect(await seal(platform, id)).toBe(3)
    expect(await proveEverything(admin)).toBe(3)
  })
})

describe('proofs', () => {
  test('of every event hold, and every larger log is shown to extend every smaller one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), async (batches) => {
        const { id, admin } = await newLog()
        const heads: { size: number; root: Uint8Array }[] = []
        for (const batch of batches) {
          await record(platform, id, numbered(batch, heads.at(-1)?.size ?? 0))
          await seal(platform, id)
          const { note } = await platform.call(admin, 'audit.checkpoint', {})
          heads.push(parseCheckpoint(parseNote(note ?? '').text))
        }
        const size = batches.reduce((sum, batch) => sum + batch, 0)
        expect(heads.at(-1)?.size).toBe(size)
        expect(await proveEverything(admin)).toBe(size)
        for (const first of heads) {
          for (const second of heads.filter((head) => head.size >= first.size)) {
            const { proof } = await platform.call(admin, 'audit.consistency', { from: first.size, to: second.size })
            const claim = {
              first: first.size,
              second: second.size,
              firstRoot: first.root,
              secondRoot: second.root,
              proof: proof.map(decodeBase64),
            }
            expect(await verifyConsistency(claim)).toBe(true)
          }
        }
      }),
      { numRuns: 6 },
    )
  })

  test('of an unsealed event is refused with when to ask again', async () => {
    const { id, admin } = await newLog()
    const [event] = await record(platform, id, numbered(1))
    await expect(platform.call(admin, 'audit.inclusion', { id: event ?? '' })).rejects.toMatchObject({
      code: 'conflict',
      retryAfter: 1,
    })
    const { items } = await platform.call(admin, 'audit.list', {})
    expect(items).toMatchObject([{ id: event, seq: null }])
    expect(await platform.call(admin, 'audit.checkpoint', {})).toMatchObject({ note: null, size: 0, at: null })
  })

  test('of sizes the log does not have are refused by name', async () => {
    const { id, admin } = await newLog()
    await record(platform, id, numbered(3))
    await seal(platform, id)
    await expect(platform.call(admin, 'audit.consistency', { from: 0, to: 4 })).rejects.toMatchObject({
      code: 'bad_request',
      fields: [{ path: 'to' }],
    })
    await expect(platform.call(admin, 'audit.consistency', { from: 3, to: 2 })).rejects.toMatchObject({
      code: 'bad_request',
      fields: [{ path: 'from' }],
    })
  })
})

describe('the list', () => {
  test('shows every event once, newest first, in pages of any size', async () => {
    const { id, admin } = await newLog()
    const ids = [...(await record(platform, id, numbered(7))), ...(await record(platform, id, numbered(4, 7)))]
    for (const limit of [1, 3, 11, 200]) {
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await platform.call(admin, 'audit.list', { limit, ...(cursor ? { cursor } : {}) })
        seen.push(...page.items.map((event) => event.id))
        cursor = page.next ?? undefined
      } while (cursor)
      expect(seen).toEqual([...ids].reverse())
    }
  })

  test('keeps the order in which one transaction recorded its events', async () => {
    const { id, admin } = await newLog()
    await record(platform, id, numbered(50))
    await seal(platform, id)
    const { items } = await platform.call(admin, 'audit.list', { limit: 50 })
    expect(items.map(({ seq, facts }) => [seq, facts.number])).toEqual(
      Array.from({ length: 50 }, (_, at) => [49 - at, 49 - at]),
    )
  })

  test('filters by action, actor and target', async () => {
    const { id, admin } = await newLog()
    await record(platform, id, [...numbered(3), { action: 'case.closed', target: { kind: 'case', id: 'case-1' } }])
    const count = async (filter: { action?: string; actorId?: string; targetId?: string }) =>
      (await platform.call(admin, 'audit.list', filter)).items.length
    expect(await count({ action: 'case.closed' })).toBe(1)
    expect(await count({ targetId: 'case-1' })).toBe(2)
    expect(await count({ action: 'case.opened', targetId: 'case-1' })).toBe(1)
    expect(await count({ actorId: 'worker' })).toBe(4)
    expect(await count({ actorId: 'nobody' })).toBe(0)
  })

  test('refuses a cursor that is not one of its own', async () => {
    const { admin } = await newLog()
    await expect(platform.call(admin, 'audit.list', { cursor: `' or true --` })).rejects.toMatchObject({
      code: 'bad_request',
      fields: [{ path: 'cursor' }],
    })
  })
})

describe('another organization', () => {
  test('sees no event, no proof and no checkpoint of this one', async () => {
    const [own, other] = [await newLog(), await newLog()]
    const [event] = await record(platform, own.id, numbered(3))
    await seal(platform, own.id)
    expect((await platform.call(other.admin, 'audit.list', {})).items).toEqual([])
    expect(await platform.call(other.admin, 'audit.checkpoint', {})).toMatchObject({ note: null, size: 0 })
    await expect(platform.call(other.admin, 'audit.inclusion', { id: event ?? '' })).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(platform.call(other.admin, 'audit.consistency', { from: 0, to: 3 })).rejects.toMatchObject({
      code: 'bad_request',
    })
  })
})

describe('the log is append-only', () => {
  const tables = ['audit_events', 'audit_log', 'audit_nodes', 'audit_checkpoints']
  const statements = tables.flatMap((table) => [
    `update redoubt.${table} set organization_id = organization_id`,
    `delete from redoubt.${table}`,
    `truncate redoubt.${table} cascade`,
  ])

  test.each([...serviceRoles, 'redoubt_owner', 'postgres'] as const)(
    'no update, delete or truncate as %s',
    async (role) => {
      const { id } = await newLog()
      await record(platform, id, numbered(1))
      await seal(platform, id)
      const login = loginOf(role)
      await withClient(login, async (client) => {
        for (const statement of statements) {
          await expect(client.query(statement), statement).rejects.toMatchObject({ code: '42501' })
        }
      })
    },
  )

  test.each(serviceRoles)('%s cannot queue an event for sealing, only the trigger can', async (role) => {
    await withClient(loginOf(role), async (client) => {
      const insert = client.query('insert into redoubt.audit_unsealed values (gen_random_uuid(), gen_random_uuid())')
      await expect(insert).rejects.toMatchObject({ code: '42501' })
    })
  })

  function loginOf(role: string) {
    const login = platform.loginOf('redoubt_worker')
    const { ownerPassword, superuserPassword, rolePasswords } = platform.secrets
    const passwords: Record<string, { reveal(): string }> = {
      ...rolePasswords,
      redoubt_owner: ownerPassword,
      postgres: superuserPassword,
    }
    return { ...login, user: role, password: passwords[role]?.reveal() ?? '' }
  }
})

async function runSequencer(): Promise<() => Promise<void>> {
  const feed = new LiveFeed(platform.databases.redoubt_worker, platform.kernel.log)
  await feed.start()
  const stop = await startSequencer(platform.parts.redoubt_worker.kernel, platform.databases.redoubt_worker, feed)
  return async () => {
    await stop()
    feed.stop()
  }
}

/** One unit of the worker's own work. */
function unitOf<T>(organizationId: OrganizationId, use: (unit: Work) => Promise<T>): Promise<T> {
  const actor = { kind: 'service', id: 'worker', name: 'worker' } as const
  return work(platform.databases.redoubt_worker, { organizationId, actor, clock: platform.clock, requestId: null }, use)
}

/** Resolves at the notice that follows the sealing of `count` events. */
function untilSealed(organizationId: OrganizationId, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = platform.live.onNotice((notice) => {
      if (notice.organizationId !== organizationId) return
      sealedCount(platform, organizationId).then((sealed) => {
        if (sealed < count) return
        off()
        resolve()
      }, reject)
    })
  })
}

/** Runs `use` while a sequencer is held at its very last statement, with everything else written. */
async function withHungSequencer<T>(
  id: OrganizationId,
  use: (hung: Promise<number>, pid: number) => Promise<T>,
): Promise<T> {
  const blocker = await platform.admin.connect()
  try {
    await blocker.query('begin; lock table audit_checkpoints in exclusive mode')
    const hung = seal(platform, id)
    hung.catch(() => undefined)
    for (;;) {
      const { rows } = await platform.admin.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%audit_checkpoints%'`,
      )
      if (rows[0]) return await use(hung, rows[0].pid)
    }
  } finally {
    await blocker.query('rollback')
    blocker.release()
  }
}

async function asSuperuser(statement: string, values: unknown[]): Promise<void> {
  const client = await platform.admin.connect()
  try {
    await client.query('begin; set local session_replication_role = replica')
    await client.query(statement, values)
    await client.query('commit')
  } finally {
    client.release()
  }
}
