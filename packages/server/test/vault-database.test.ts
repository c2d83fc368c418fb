import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { VaultClient } from '../src/keeper/vault-client.ts'
import { type DatabaseCredentials, VaultDatabase } from '../src/keeper/vault-database.ts'
import { ManualTime } from './manual-time.ts'
import { VaultExchanges } from './vault-exchanges.ts'

describe('PostgreSQL credentials from Vault, against recorded exchanges', () => {
  let folder: string
  let time: ManualTime
  let exchanges: VaultExchanges
  let vault: VaultClient
  let stop: () => Promise<void>
  let changes: { readonly username: string; readonly lent: number }[]
  const onChange = async ({ username }: DatabaseCredentials) => {
    changes.push({ username, lent: exchanges.leases.size })
  }
  const open = () => VaultDatabase.open(vault, { role: 'worker', timers: time, onChange })
  const users = () => [...exchanges.leases.values()].map(({ username }) => username)

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'redoubt-lease-'))
    time = new ManualTime()
    changes = []
    const started = await VaultExchanges.start({ clock: time })
    exchanges = started.exchanges
    stop = started.stop
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, exchanges.makeToken(), { mode: 0o600 })
    const signIn = { method: 'token-file', tokenFile } as const
    const pause = async () => undefined
    const { address } = started
    vault = await VaultClient.open({ address, serves: 'store', signIn, clock: time, timers: time, pause })
  })
  afterEach(async () => {
    await vault.close()
    await stop()
    rmSync(folder, { recursive: true })
    expect(exchanges.violations).toEqual([])
  })

  test('are lent, renewed at two thirds of their time, and given back', async () => {
    const database = await open()
    expect(users()).toEqual([database.current().username])
    expect(time.next()).toBe(2_400_000)
    time.advance(2_400_000)
    await vi.waitFor(() => expect([...exchanges.leases.values()]).toMatchObject([{ renewals: 1 }]))
    expect(changes).toEqual([])
    await database.close()
    expect(users()).toEqual([])
  })

  test('are replaced when they are renewed no more: the service moves first, then the old ones are revoked', async () => {
    exchanges.database.times = 0
    const database = await open()
    const { username: before } = database.current()
    time.advance(2_400_000)
    await vi.waitFor(() => expect(users()).toHaveLength(1))
    await vi.waitFor(() => expect(changes).toHaveLength(1))
    const { username: after } = database.current()
    expect(after).not.toBe(before)
    // Both were lent while it moved.
    expect(changes).toEqual([{ username: after, lent: 2 }])
    await vi.waitFor(() => expect(users()).toEqual([after]))
    await vi.waitFor(() => expect(time.next()).toBe(2_400_000))
    await database.close()
  })

  test('a service that cannot move over keeps the old ones, and is asked again', async () => {
    exchanges.database.times = 0
    const moving = vi.fn().mockRejectedValueOnce(new Error('the pool is busy')).mockResolvedValue(undefined)
    const database = await VaultDatabase.open(vault, { role: 'worker', timers: time, onChange: moving })
    const { username: before } = database.current()
    time.advance(2_400_000)
    await vi.waitFor(() => expect(time.next()).toBe(60_000))
    expect(users()).toEqual([before])
    expect(database.current().username).toBe(before)
    time.advance(60_000)
    await vi.waitFor(() => {
      expect(moving).toHaveBeenCalledTimes(2)
      expect(users()).toEqual([database.current().username])
    })
    expect(database.current().username).not.toBe(before)
    await database.close()
  })

  test('a lost answer is not asked for again: each would be a user in the database', async () => {
    exchanges.interruptions.push('cut')
    await expect(open()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(exchanges.asked.filter(({ path }) => path.startsWith('database/'))).toHaveLength(1)
  })

  test('show in nothing that is printed', async () => {
    const database = await open()
    const password = database.current().password.reveal()
    const shown = inspect(database, { depth: 12, showHidden: true }) + JSON.stringify(database.current())
    expect(shown).not.toContain(password)
    await database.close()
  })
})
