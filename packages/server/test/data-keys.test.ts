import { randomUUIDv7 } from 'node:crypto'
import { fieldKeyVersion, NIL_ORGANIZATION } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { emailIndexes } from '../src/modules/identity/personal-data.ts'
import { rotateDataKeys } from '../src/modules/keys/jobs.ts'
import { AppError } from '../src/platform/app-error.ts'
import { insertDataKey, knownForMs } from '../src/platform/data-keys.ts'
import { accountEmailOf, invitationEmailOf } from '../src/platform/encrypted-columns.ts'
import { Fields } from '../src/platform/fields.ts'
import type { KeeperClient, KeeperRequest } from '../src/platform/keeper-protocol.ts'
import { inTenant } from '../src/platform/tenant-tx.ts'
import { startTestPlatform, type TestOrganization, type TestPlatform } from './harness.ts'

let t: TestPlatform
let organization: TestOrganization
beforeEach(async () => {
  t = await startTestPlatform()
  organization = await t.organization()
})
afterEach(() => t.stop())

const place = () => accountEmailOf(randomUUIDv7())
const rotateAll = () =>
  rotateDataKeys(t.parts.redoubt_worker.kernel, t.databases.redoubt_worker, organization.id, () => true)

/** The service's own line, with every request written down, and refused where `refuse` says so. */
function watched(refuse: (request: KeeperRequest) => Error | null = () => null) {
  const asked: KeeperRequest[] = []
  const client: KeeperClient = {
    ...t.kernel.keeper,
    call: async (request, input) => {
      asked.push(request)
      const refusal = refuse(request)
      if (refusal) throw refusal
      return t.kernel.keeper.call(request, input)
    },
  }
  return { asked, fields: new Fields(client, t.databases.redoubt_api, t.clock) }
}

describe('a service’s data keys', () => {
  it('are asked of the keeper once, and then used without it', async () => {
    const { asked, fields } = watched()
    const at = place()
    const sealed = await fields.seal(at, 'ann@example.org')
    for (let i = 0; i < 20; i++) expect(await fields.open(at, sealed)).toBe('ann@example.org')
    t.clock.advance(10 * knownForMs)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
    expect(asked).toEqual(['data-key.create', 'data-key.open'])
  })

  it('are one key, also when two services make the first one at once', async () => {
    const at = invitationEmailOf(organization.id, randomUUIDv7())
    const all = (['redoubt_web', 'redoubt_api', 'redoubt_worker'] as const).map((role) => t.parts[role].kernel.fields)
    const sealed = await Promise.all(all.map((fields) => fields.seal(at, 'ann@example.org')))
    for (const fields of all) for (const bytes of sealed) expect(await fields.open(at, bytes)).toBe('ann@example.org')
    const { rows } = await t.admin.query('select version from data_keys where organization_id = $1', [organization.id])
    expect(rows).toEqual([{ version: 1 }])
  })

  it('open at once what another service sealed under a version that this one has not heard of', async () => {
    const { fields } = watched()
    const at = place()
    await fields.seal(at, 'ann@example.org')
    await rotateAll()
    await t.admin.query(`update data_keys set active_at = created_at where version = 2`)
    const sealed = await t.parts.redoubt_web.kernel.fields.seal(at, 'ann@example.org')
    expect(fieldKeyVersion(sealed)).toBe(2)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
  })

  it('seal with a new version when its time has come, and not before', async () => {
    const at = place()
    const version = async () => fieldKeyVersion(await t.kernel.fields.seal(at, 'ann@example.org'))
    expect(await version()).toBe(1)
    await rotateAll()
    t.clock.advance(knownForMs + 1)
    expect(await version()).toBe(1)
    t.clock.advance(knownForMs)
    expect(await version()).toBe(2)
  })

  it('go on opening what they know while the keeper is away, and seal nothing they may not', async () => {
    let away = false
    const { fields } = watched(() => (away ? new AppError('unavailable', 'away') : null))
    const at = place()
    const sealed = await fields.seal(at, 'ann@example.org')
    away = true
    t.clock.advance(2 * knownForMs)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
    await fields.seal(at, 'ann@example.org')
    await rotateAll()
    t.clock.advance(2 * knownForMs + 1)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
    // Under the version before it could be lost: that one ends when all rows have left it.
    await expect(fields.seal(at, 'ann@example.org')).rejects.toMatchObject({ code: 'unavailable' })
    away = false
    expect(fieldKeyVersion(await fields.seal(at, 'ann@example.org'))).toBe(2)
  })

  it('go on opening what they know while the database is away, and seal nothing by what was true before', async () => {
    const { pool } = t.databases.redoubt_api
    let away = false
    const connect = async () => {
      if (away) throw new Error('away')
      return pool.connect()
    }
    const database = { ...t.databases.redoubt_api, pool: { connect } as unknown as typeof pool }
    const fields = new Fields(t.kernel.keeper, database, t.clock)
    const at = place()
    const sealed = await fields.seal(at, 'ann@example.org')
    away = true
    await fields.seal(at, 'ann@example.org')
    t.clock.advance(knownForMs)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
    await expect(fields.seal(at, 'ann@example.org')).rejects.toMatchObject({ code: 'unavailable' })
    away = false
    await fields.seal(at, 'ann@example.org')
    fields.close()
  })

  it('are found wrapped anew when the KEK that the row named was destroyed between reading and asking', async () => {
    const at = place()
    const sealed = await t.kernel.fields.seal(at, 'ann@example.org')
    const worker = t.parts.redoubt_worker.kernel.keeper
    let outrun = false
    const client: KeeperClient = {
      ...t.kernel.keeper,
      call: async (request, input) => {
        if (request === 'data-key.open' && !outrun) {
          outrun = true
          await t.keeper.rotate('kek')
          await t.runWorkerJobs()
          const { rewrap } = await import('../src/modules/keys/rewrap.ts')
          await rewrap(t.parts.redoubt_worker.kernel, t.databases.redoubt_worker)
          expect((await worker.call('keys.status', {})).keys.find(({ key }) => key === 'kek')?.versions).toHaveLength(1)
        }
        return t.kernel.keeper.call(request, input)
      },
    }
    const fields = new Fields(client, t.databases.redoubt_api, t.clock)
    expect(await fields.open(at, sealed)).toBe('ann@example.org')
    expect(outrun).toBe(true)
  })

  it('are zeroed and useless once the service has closed them', async () => {
    const { fields, asked } = watched()
    const at = place()
    const sealed = await fields.seal(at, 'ann@example.org')
    fields.close()
    await fields.open(at, sealed)
    expect(asked.filter((request) => request === 'data-key.open')).toHaveLength(2)
  })
})

describe('the uses of a data key', () => {
  const uses = async () => {
    const { rows } = await t.admin.query<{ uses: number }>(
      `select uses from data_keys where organization_id = $1 and data_class = 'pii'`,
      [NIL_ORGANIZATION],
    )
    return rows[0]?.uses ?? 0
  }
  const exhaust = (to: number) =>
    t.admin.query(`update data_keys set uses = $1 where organization_id = $2`, [to, NIL_ORGANIZATION])

  it('are reserved in blocks before anything is sealed, by each process for itself', async () => {
    const [one, two] = [watched().fields, watched().fields]
    await one.seal(place(), 'ann@example.org')
    expect(await uses()).toBe(65_536)
    await one.seal(place(), 'ann@example.org')
    expect(await uses()).toBe(65_536)
    await two.seal(place(), 'ann@example.org')
    expect(await uses()).toBe(2 * 65_536)
  })

  it('are counted up and never down, not even by the services that count them', async () => {
    await t.kernel.fields.seal(invitationEmailOf(organization.id, randomUUIDv7()), 'ann@example.org')
    await expect(
      inTenant(t.databases.redoubt_api, organization.id, { service: 'api' }, ({ db }) =>
        db.updateTable('data_keys').set({ uses: 0 }).execute(),
      ),
    ).rejects.toThrow('refused')
  })

  it('bring the next version well before their end, and end at 2^32 if nobody came', async () => {
    await t.kernel.fields.seal(place(), 'ann@example.org')
    await exhaust(2 ** 31)
    await rotateDataKeys(t.parts.redoubt_worker.kernel, t.databases.redoubt_worker, organization.id)
    const { rows } = await t.admin.query(
      `select version from data_keys where organization_id = $1 and data_class = 'pii' order by 1`,
      [NIL_ORGANIZATION],
    )
    expect(rows).toEqual([{ version: 1 }, { version: 2 }])
    await exhaust(2 ** 32)
    await expect(watched().fields.seal(place(), 'ann@example.org')).rejects.toMatchObject({ code: 'key_exhausted' })
  })
})

test('an index is found by every version that rows may have, and written with the one that seals', async () => {
  const versions = async () => {
    const { write, find } = await emailIndexes(t.kernel.fields, 'ann@example.org')
    return { write: write.readUInt32BE(), find: find.map((index) => index.readUInt32BE()) }
  }
  expect(await versions()).toEqual({ write: 1, find: [1] })
  await rotateAll()
  t.clock.advance(knownForMs)
  expect(await versions()).toEqual({ write: 1, find: [2, 1] })
  t.clock.advance(knownForMs)
  expect(await versions()).toEqual({ write: 2, find: [2, 1] })
})

test('nobody makes a data key while KEKs are destroyed: it would be wrapped by one that is gone', async () => {
  const scope = { organizationId: organization.id, dataClass: 'pii', version: 1 } as const
  const now = t.clock.now()
  const client = await t.admin.connect()
  await client.query(`begin; select pg_advisory_xact_lock(hashtext('redoubt.kek'))`)
  let made = false
  const making = inTenant(t.databases.redoubt_api, organization.id, { service: 'api' }, ({ db }) =>
    insertDataKey(db, t.kernel.keeper, scope, { createdAt: now, activeAt: now }),
  ).then(() => {
    made = true
  })
  const waits = `select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`
  await expect.poll(async () => (await t.admin.query(waits)).rowCount).toBe(1)
  expect(made).toBe(false)
  await client.query('commit')
  client.release()
  await making
})
