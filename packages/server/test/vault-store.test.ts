import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@redoubt/trust'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import { VaultClient } from '../src/keeper/vault-client.ts'
import { VaultStore } from '../src/keeper/vault-store.ts'
import { systemClock } from '../src/platform/clock.ts'
import { ManualTime } from './manual-time.ts'
import { describeSecretStore, type OpenedStore } from './secret-store-suite.ts'
import { VaultExchanges } from './vault-exchanges.ts'

const POLL_MS = 30_000
const address = process.env['VAULT_ADDR']
const tokenFile = process.env['VAULT_TOKEN_FILE']
const isReal = address !== undefined && tokenFile !== undefined
if (!isReal) console.warn('No VAULT_ADDR and VAULT_TOKEN_FILE: the Vault store is tested against recorded exchanges.')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-vault-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function openReal(): Promise<OpenedStore> {
  const time = new ManualTime(new Date())
  const own = `redoubt-test-${randomBytes(6).toString('hex')}`
  const line = async () => {
    const signIn = { method: 'token-file', tokenFile: tokenFile ?? '' } as const
    const vault = await VaultClient.open({
      address: address ?? '',
      serves: 'store',
      signIn,
      clock: systemClock,
      timers: time,
    })
    const mount = process.env['VAULT_KV_MOUNT'] ?? 'secret'
    return new VaultStore(vault, { mount, folder: own, pollMs: POLL_MS, clock: systemClock, timers: time })
  }
  const [store, another] = [await line(), await line()]
  return {
    store,
    another,
    poll: () => time.advance(POLL_MS),
    cut: null,
    close: async () => {
      for (const { path } of await store.list('')) await store.remove(path)
      await store.close()
      await another.close()
    },
  }
}

async function openRecorded() {
  const time = new ManualTime()
  const { exchanges, address, stop } = await VaultExchanges.start({ clock: time })
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, `${exchanges.makeToken()}\n`, { mode: 0o600 })
  const line = async () => {
    const signIn = { method: 'token-file', tokenFile } as const
    const pause = async () => undefined
    const vault = await VaultClient.open({ address, serves: 'store', signIn, clock: time, timers: time, pause })
    return new VaultStore(vault, { pollMs: POLL_MS, clock: time, timers: time })
  }
  const [store, another] = [await line(), await line()]
  return {
    time,
    address,
    exchanges,
    store,
    another,
    poll: () => time.advance(POLL_MS),
    cut: () => exchanges.cut(true),
    close: async () => {
      await store.close()
      await another.close()
      await stop()
      expect(exchanges.violations).toEqual([])
    },
  }
}

if (isReal) describeSecretStore(`in Vault at ${address}`, openReal)
else describeSecretStore('in Vault, against recorded exchanges (no VAULT_ADDR)', openRecorded)

describe('the Vault store, against recorded exchanges', () => {
  let opened: Awaited<ReturnType<typeof openRecorded>>
  let store: VaultStore
  let exchanges: VaultExchanges
  beforeEach(async () => {
    opened = await openRecorded()
    store = opened.store
    exchanges = opened.exchanges
  })
  afterEach(() => opened.close())
  const codeOf = async (use: () => Promise<unknown>) => {
    try {
      await use()
      return 'nothing thrown'
    } catch (error) {
      return error instanceof KeeperError ? error.code : error
    }
  }

  test('a mount that does not exist is not taken for an empty store: new keys would be made', async () => {
    const vault = await VaultClient.open({
      address: opened.address,
      serves: 'store',
      signIn: { method: 'token-file', tokenFile: join(folder, 'token') },
      clock: opened.time,
      timers: opened.time,
    })
    const wrong = new VaultStore(vault, { mount: 'kv', clock: opened.time, timers: opened.time })
    for (const use of [
      () => wrong.read('smtp/password'),
      () => wrong.list(''),
      () => wrong.write('smtp/password', new Secret('x'), 0),
      () => wrong.remove('smtp/password'),
    ])
      expect(await codeOf(use)).toBe('store_unavailable')
    await wrong.close()
  })

  test('removing destroys every version: none can be undeleted', async () => {
    await store.write('smtp/password', new Secret('one'), 0)
    await store.write('smtp/password', new Secret('two'), 1)
    exchanges.deleteByHand('redoubt/smtp/password')
    expect(exchanges.valuesOf('redoubt/smtp/password')).toHaveLength(2)
    expect(await store.remove('smtp/password')).toBe(false)
    expect(exchanges.valuesOf('redoubt/smtp/password')).toHaveLength(0)
  })

  test('a version that Vault deletes later is there until then', async () => {
    const later = new Date(opened.time.now().getTime() + 60_000).toISOString()
    exchanges.putByHand('redoubt/smtp/password', { value: 'one' }, later)
    expect((await store.read('smtp/password'))?.version).toBe(1)
    expect(await store.list('')).toHaveLength(1)
    opened.time.advance(60_000)
    expect(await store.read('smtp/password')).toBeNull()
    expect(await store.list('')).toEqual([])
    expect(await store.write('smtp/password', new Secret('two'), 0)).toBe(2)
  })

  test('a secret of another form is told with the way to write it, not taken for missing', async () => {
    exchanges.putByHand('redoubt/smtp/password', { password: 'hunter2' })
    const error = await store.read('smtp/password').catch((caught: Error) => caught.message)
    expect(error).toContain('vault kv put secret/redoubt/smtp/password value=-')
    expect(error).not.toContain('hunter2')
  })

  test('keys of others that no path of ours can name are left out of the list', async () => {
    await store.write('smtp/password', new Secret('x'), 0)
    exchanges.putByHand('redoubt/Smtp.Password', { value: 'x' })
    exchanges.putByHand('elsewhere/smtp', { value: 'x' })
    expect((await store.list('')).map(({ path }) => path)).toEqual(['smtp/password'])
  })

  test('what the policy denies is not allowed, and said without trying on', async () => {
    exchanges.deny('secret/data/redoubt/iam/signing-key')
    const before = exchanges.asked.length
    expect(await codeOf(() => store.read('iam/signing-key'))).toBe('not_allowed')
    // The request, and whether the token is alive.
    expect(exchanges.asked.length - before).toBe(2)
  })

  test('a write whose answer was lost is not sent again, and says so', async () => {
    await store.write('smtp/password', new Secret('one'), 0)
    exchanges.interruptions.push({ status: 200, body: metadataOf(1) }, 'cut')
    await expect(store.write('smtp/password', new Secret('two'), 1)).rejects.toThrow('whether it wrote is not known')
    expect(exchanges.asked.filter(({ method }) => method === 'POST')).toHaveLength(2)
  })

  test('reading goes on by itself after a moment of 503, 429, 412 or a broken connection', async () => {
    await store.write('smtp/password', new Secret('one'), 0)
    for (const status of [503, 429, 412])
      exchanges.interruptions.push({ status, body: { errors: ['Vault is sealed'] } })
    expect((await store.read('smtp/password'))?.version).toBe(1)
    exchanges.interruptions.push('cut', { status: 500, body: { errors: ['internal error'] } })
    expect((await store.read('smtp/password'))?.version).toBe(1)
  })

  test('after four tries Vault’s own words are the reason', async () => {
    for (let at = 0; at < 4; at++) exchanges.interruptions.push({ status: 503, body: { errors: ['Vault is sealed'] } })
    await expect(store.read('smtp/password')).rejects.toThrow('Vault is sealed')
  })

  test('a change between a reader’s reading and a watcher’s first look is heard of', async () => {
    await store.write('smtp/password', new Secret('one'), 0)
    await store.read('smtp/password')
    await opened.another.write('smtp/password', new Secret('two'), 1)
    const heard: number[] = []
    store.watch('smtp/', ({ version }) => heard.push(version))
    await vi.waitFor(() => expect(heard).toEqual([2]))
  })

  test('a watcher goes on after Vault was away, and hears what changed meanwhile', async () => {
    await store.write('smtp/password', new Secret('one'), 0)
    const heard: number[] = []
    store.watch('', ({ version }) => heard.push(version))
    await vi.waitFor(() => expect(opened.time.next()).not.toBeNull())
    exchanges.cut(true)
    const asked = exchanges.asked.length
    opened.poll()
    await vi.waitFor(() => expect(exchanges.asked.length).toBeGreaterThan(asked + 3))
    exchanges.cut(false)
    exchanges.putByHand('redoubt/smtp/password', { value: 'two' })
    await vi.waitFor(() => {
      opened.poll()
      expect(heard).toEqual([2])
    })
  })

  test('a prefix that is none is refused', async () => {
    for (const prefix of ['smtp', '/', '../', 'smtp//', 'smtp/?list=true/'])
      expect(await codeOf(() => store.list(prefix))).toBe('invalid')
  })
})

const metadataOf = (version: number) => ({
  data: {
    current_version: version,
    versions: { [version]: { created_time: '2026-05-04T10:00:00.123456789Z', deletion_time: '', destroyed: false } },
  },
})
