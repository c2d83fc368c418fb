import { createCipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import type { MasterKey } from '../src/keeper/master-key.ts'
import { openTransitMaster } from '../src/keeper/master-vault-transit.ts'
import { VaultClient } from '../src/keeper/vault-client.ts'
import { ManualTime } from './manual-time.ts'
import { VaultExchanges } from './vault-exchanges.ts'

const codeOf = async (use: () => Promise<unknown>) => {
  try {
    await use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof KeeperError ? error.code : error
  }
}
const kek = () => new Secret(randomBytes(32))
const settings = {
  type: 'aes256-gcm96',
  deletion_allowed: false,
  derived: false,
  exportable: false,
  allow_plaintext_backup: false,
  min_decryption_version: 1,
  min_encryption_version: 0,
  supports_encryption: true,
  supports_decryption: true,
  supports_derivation: true,
  supports_signing: false,
}

describe('a master key in Vault’s transit engine, against recorded exchanges', () => {
  let folder: string
  let exchanges: VaultExchanges
  let address: string
  let stop: () => Promise<void>
  const opened: MasterKey[] = []
  const open = async (keyName = 'redoubt') => {
    const time = new ManualTime()
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, exchanges.makeToken(), { mode: 0o600 })
    const signIn = { method: 'token-file', tokenFile } as const
    const pause = async () => undefined
    const vault = await VaultClient.open({ address, serves: 'master', signIn, clock: time, timers: time, pause })
    try {
      const master = await openTransitMaster(vault, { keyName })
      opened.push(master)
      return master
    } catch (error) {
      await vault.close()
      throw error
    }
  }
  const makeKey = (name: string, other: object = {}) =>
    exchanges.transit.set(name, { settings: { ...settings, ...other }, versions: [randomBytes(32)] })

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'redoubt-transit-'))
    const started = await VaultExchanges.start({ clock: new ManualTime() })
    exchanges = started.exchanges
    address = started.address
    stop = started.stop
    makeKey('redoubt')
  })
  afterEach(async () => {
    for (const master of opened.splice(0)) await master.close()
    await stop()
    rmSync(folder, { recursive: true })
    expect(exchanges.violations).toEqual([])
  })

  test('wraps there and unwraps what it wrapped, also after a restart', async () => {
    const master = await open()
    const one = kek()
    const wrapped = await master.wrap(one)
    expect(wrapped.toString()).toMatch(/^vault:v1:/)
    expect(wrapped.includes(one.reveal())).toBe(false)
    expect((await (await open()).unwrap(wrapped)).reveal()).toEqual(one.reveal())
    expect(master).toMatchObject({ provider: 'vault-transit', id: 'transit/redoubt v1' })
  })

  test('after a rotation in Vault the new version wraps, the old one still unwraps, and the id says so', async () => {
    const master = await open()
    const before = await master.wrap(kek())
    exchanges.transit.get('redoubt')?.versions.push(randomBytes(32))
    const after = await master.wrap(kek())
    expect(after.toString()).toMatch(/^vault:v2:/)
    expect(master.id).toBe('transit/redoubt v2')
    await master.unwrap(before)
    await master.unwrap(after)
    expect((await open()).id).toBe('transit/redoubt v2')
  })

  test('what was altered, or wrapped by another key, is refused', async () => {
    makeKey('other')
    const master = await open()
    const wrapped = await master.wrap(kek())
    const text = wrapped.toString()
    const swap = (at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    for (const altered of [
      swap(20),
      swap(text.length - 6),
      text.replace('v1', 'v9'),
      text.slice(0, 20),
      '',
      'vault:v1:',
    ])
      expect(await codeOf(() => master.unwrap(Buffer.from(altered)))).toBe('master_refuses')
    expect(await codeOf(async () => (await open('other')).unwrap(wrapped))).toBe('master_refuses')
  })

  test('something else than a key of 32 bytes that this transit key once encrypted is refused', async () => {
    const master = await open()
    const [key] = exchanges.transit.get('redoubt')?.versions ?? []
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key as Buffer, nonce)
    const sealed = Buffer.concat([nonce, cipher.update('a note'), cipher.final(), cipher.getAuthTag()])
    const wrapped = Buffer.from(`vault:v1:${sealed.toString('base64')}`)
    expect(await codeOf(() => master.unwrap(wrapped))).toBe('master_refuses')
  })

  test('a key that is missing is not made by encrypting, and the way to make it is said', async () => {
    await expect(open('absent')).rejects.toThrow('vault write -f transit/keys/absent type=aes256-gcm96')
    expect(exchanges.asked.map(({ method }) => method)).not.toContain('POST')
  })

  test('a key that may leave Vault, is derived or too weak is refused', async () => {
    for (const [name, other] of Object.entries({
      exportable: { exportable: true },
      backup: { allow_plaintext_backup: true },
      derived: { derived: true },
      weak: { type: 'aes128-gcm96' },
      signing: { type: 'ed25519' },
    })) {
      makeKey(name, other)
      expect(await codeOf(() => open(name)), name).toBe('invalid')
    }
    expect(await codeOf(() => open('../sys/seal'))).toBe('invalid')
  })

  test('a Vault that is away is unavailable, and a denied one not allowed', async () => {
    const master = await open()
    const wrapped = await master.wrap(kek())
    exchanges.deny('transit/decrypt/redoubt')
    expect(await codeOf(() => master.unwrap(wrapped))).toBe('not_allowed')
    exchanges.cut(true)
    expect(await codeOf(() => master.wrap(kek()))).toBe('master_unavailable')
    expect(await codeOf(() => master.unwrap(wrapped))).toBe('master_unavailable')
  })
})
