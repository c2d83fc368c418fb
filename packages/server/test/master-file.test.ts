import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Secret } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import {
  changeProtection,
  createMasterFile,
  openPlain,
  openWithPassphrase,
  openWithShares,
  readMasterFile,
} from '../src/keeper/master-file.ts'

const codeOf = async (use: () => Promise<unknown>) => {
  try {
    await use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof KeeperError ? error.code : error
  }
}
const passphrase = new Secret('correct horse battery staple')
const kek = () => new Secret(randomBytes(32))

let home: string
let path: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'redoubt-master-'))
  path = join(home, 'keys', 'master.json')
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(home, { recursive: true, force: true })
})

describe('the master file', () => {
  test('a plain key opens again after a restart and unwraps what it wrapped', async () => {
    const { master, shares } = await createMasterFile(home, { kind: 'plain' })
    const one = kek()
    const wrapped = await master.wrap(one)
    expect(shares).toEqual([])
    expect(wrapped.includes(one.reveal())).toBe(false)
    const again = await openPlain(home)
    expect(again.id).toBe(master.id)
    expect((await again.unwrap(wrapped)).reveal()).toEqual(one.reveal())
    expect(await readMasterFile(home)).toEqual({ id: master.id, protection: 'plain', shares: null })
  })

  test('it is written with mode 0600 in a folder of mode 0700, and nothing is left beside it', async () => {
    await createMasterFile(home, { kind: 'plain' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(home, 'keys')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(home, 'keys'))).toEqual(['master.json'])
  })

  test.each([0o640, 0o604, 0o660, 0o644])('a file of mode %o is refused with the way to mend it', async (mode) => {
    await createMasterFile(home, { kind: 'plain' })
    chmodSync(path, mode)
    await expect(openPlain(home)).rejects.toThrow(`chmod 600 ${path}`)
  })

  test('a folder that others may write to is refused: they could exchange the key', async () => {
    await createMasterFile(home, { kind: 'plain' })
    chmodSync(join(home, 'keys'), 0o770)
    await expect(openPlain(home)).rejects.toThrow('chmod 700')
  })

  test('a file of another owner is refused', async () => {
    await createMasterFile(home, { kind: 'plain' })
    const own = process.getuid?.() ?? 0
    vi.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(own + 1)
    await expect(openPlain(home)).rejects.toThrow(`chown ${own + 1}`)
  })

  test('a link in place of the file is refused', async () => {
    await createMasterFile(home, { kind: 'plain' })
    renameSync(path, join(home, 'elsewhere.json'))
    symlinkSync(join(home, 'elsewhere.json'), path)
    await expect(openPlain(home)).rejects.toThrow('is a link')
  })

  test('a second key is not made over the first, and a damaged file is not taken for a new home', async () => {
    await createMasterFile(home, { kind: 'plain' })
    expect(await codeOf(() => createMasterFile(home, { kind: 'plain' }))).toBe('invalid')
    writeFileSync(path, '{"format":"redoubt.master/v1"')
    expect(await codeOf(() => createMasterFile(home, { kind: 'plain' }))).toBe('invalid')
    expect(await codeOf(() => readMasterFile(home))).toBe('master_unavailable')
    expect(await codeOf(() => openPlain(home))).toBe('master_unavailable')
  })

  test('a key that was exchanged for another one is found by its fingerprint', async () => {
    await createMasterFile(home, { kind: 'plain' })
    const file = JSON.parse(readFileSync(path, 'utf8'))
    file.protection.key = randomBytes(32).toString('base64')
    writeFileSync(path, JSON.stringify(file))
    expect(await codeOf(() => openPlain(home))).toBe('master_unavailable')
  })

  test('what stands in a damaged file shows in no error', async () => {
    await createMasterFile(home, { kind: 'plain' })
    const { key } = JSON.parse(readFileSync(path, 'utf8')).protection
    writeFileSync(path, `${key} {`)
    const error = await openPlain(home).catch((caught: unknown) => caught)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(key.slice(0, 8))
  })

  test('no altered byte of a wrapped key goes unnoticed, and another master key does not unwrap it', async () => {
    const { master } = await createMasterFile(home, { kind: 'plain' })
    const wrapped = await master.wrap(kek())
    for (const at of wrapped.keys()) {
      const altered = Buffer.from(wrapped)
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(await codeOf(() => master.unwrap(altered))).toBe('master_refuses')
    }
    expect(await codeOf(() => master.unwrap(wrapped.subarray(0, 32)))).toBe('master_refuses')
    const otherHome = mkdtempSync(join(tmpdir(), 'redoubt-master-'))
    const { master: other } = await createMasterFile(otherHome, { kind: 'plain' })
    expect(await codeOf(() => other.unwrap(wrapped))).toBe('master_refuses')
    rmSync(otherHome, { recursive: true })
  })

  test('a closed key wraps nothing more, and its memory is zero', async () => {
    const fill = vi.spyOn(Buffer.prototype, 'fill')
    const { master } = await createMasterFile(home, { kind: 'plain' })
    fill.mockClear()
    await master.close()
    expect(fill.mock.contexts.map((buffer) => Buffer.from(buffer as Buffer))).toEqual([Buffer.alloc(32)])
    expect(await codeOf(() => master.wrap(kek()))).toBe('master_unavailable')
    expect(await codeOf(() => master.unwrap(Buffer.alloc(40)))).toBe('master_unavailable')
    expect(await codeOf(() => changeProtection(home, master, { kind: 'plain' }))).toBe('master_unavailable')
    expect((await openPlain(home)).id).toBe(master.id)
  })

  test('the key shows neither when the object is printed nor as JSON', async () => {
    const { master } = await createMasterFile(home, { kind: 'plain' })
    const { key } = JSON.parse(readFileSync(path, 'utf8')).protection
    const hex = Buffer.from(key, 'base64').toString('hex').slice(0, 12)
    const shown = inspect(master, { depth: 9, showHidden: true }) + JSON.stringify(master)
    expect(shown).not.toContain(key.slice(0, 12))
    expect(shown.replaceAll(' ', '')).not.toContain(hex)
  })
})

describe('a passphrase', () => {
  test('starts sealed; only the passphrase opens it, and nothing in the file does', async () => {
    const { master } = await createMasterFile(home, { kind: 'passphrase', passphrase })
    const wrapped = await master.wrap(kek())
    expect(await codeOf(() => openPlain(home))).toBe('sealed')
    expect(await codeOf(() => openWithShares(home, []))).toBe('invalid')
    expect(await codeOf(() => openWithPassphrase(home, new Secret('correct horse battery stable')))).toBe(
      'master_refuses',
    )
    const opened = await openWithPassphrase(home, passphrase)
    expect(opened.id).toBe(master.id)
    await opened.unwrap(wrapped)
    expect(await readMasterFile(home)).toEqual({ id: master.id, protection: 'passphrase', shares: null })
  })

  test('a short one is refused before anything is written', async () => {
    await expect(createMasterFile(home, { kind: 'passphrase', passphrase: new Secret('elevenchars') })).rejects.toThrow(
      'at least 12 characters',
    )
    expect(await readMasterFile(home)).toBeNull()
  })

  test('is the same however the keyboard spells its letters', async () => {
    await createMasterFile(home, { kind: 'passphrase', passphrase: new Secret('Müllers café öffnet'.normalize('NFC')) })
    await openWithPassphrase(home, new Secret('Müllers café öffnet'.normalize('NFD')))
  })

  test('costs an attacker at least 64 MiB and 3 passes a guess; a file with less is refused', async () => {
    await createMasterFile(home, { kind: 'passphrase', passphrase })
    const file = JSON.parse(readFileSync(path, 'utf8'))
    expect(file.protection).toMatchObject({ memoryKib: 65_536, passes: 3 })
    for (const weaker of [{ memoryKib: 8192 }, { passes: 1 }, { memoryKib: 2 ** 30 }]) {
      writeFileSync(path, JSON.stringify({ ...file, protection: { ...file.protection, ...weaker } }))
      expect(await codeOf(() => openWithPassphrase(home, passphrase))).toBe('master_unavailable')
    }
  })
})

describe('shares', () => {
  test('restore the key, which is then nowhere on the disk', async () => {
    const { master, shares } = await createMasterFile(home, { kind: 'shares', threshold: 2, count: 3 })
    const wrapped = await master.wrap(kek())
    await master.close()
    expect(shares).toHaveLength(3)
    expect(await codeOf(() => openPlain(home))).toBe('sealed')
    const text = readFileSync(path, 'utf8')
    expect(Object.keys(JSON.parse(text).protection).sort()).toEqual(['count', 'kind', 'set', 'threshold', 'verifier'])
    for (const share of shares) expect(text).not.toContain(share.reveal().split('-')[4])
    const opened = await openWithShares(home, shares.slice(1))
    await opened.unwrap(wrapped)
  })

  test('each wrong one is told apart', async () => {
    const { shares } = await createMasterFile(home, { kind: 'shares', threshold: 2, count: 3 })
    const [one, two] = shares as [Secret<string>, Secret<string>]
    const typo = new Secret(one.reveal().replace(/.$/, (last) => (last === '0' ? '2' : '0')))
    await expect(openWithShares(home, [two, typo])).rejects.toThrow('share number 2 as entered: there is a typo')
    await expect(openWithShares(home, [one])).rejects.toThrow('1 more missing')
    await expect(openWithShares(home, [one, one])).rejects.toThrow('given twice')
    expect(await codeOf(() => openWithShares(home, [one, typo]))).toBe('master_refuses')
    expect(await codeOf(() => createMasterFile(join(home, 'b'), { kind: 'shares', threshold: 5, count: 3 }))).toBe(
      'invalid',
    )
  })
})

describe('changing the protection', () => {
  test('keeps the key through plain, passphrase, shares and back, so that nothing is wrapped anew', async () => {
    const { master } = await createMasterFile(home, { kind: 'plain' })
    const one = kek()
    const wrapped = await master.wrap(one)
    await changeProtection(home, master, { kind: 'passphrase', passphrase })
    expect(await codeOf(() => openPlain(home))).toBe('sealed')
    const byPassphrase = await openWithPassphrase(home, passphrase)
    const shares = await changeProtection(home, byPassphrase, { kind: 'shares', threshold: 2, count: 2 })
    expect(await codeOf(() => openWithPassphrase(home, passphrase))).toBe('invalid')
    const byShares = await openWithShares(home, shares)
    await changeProtection(home, byShares, { kind: 'plain' })
    expect((await (await openPlain(home)).unwrap(wrapped)).reveal()).toEqual(one.reveal())
  })

  test('new shares of the same key make the old ones worthless', async () => {
    const { master, shares: before } = await createMasterFile(home, { kind: 'shares', threshold: 2, count: 2 })
    const after = await changeProtection(home, master, { kind: 'shares', threshold: 2, count: 2 })
    await expect(openWithShares(home, before)).rejects.toThrow('belongs to set')
    await openWithShares(home, after)
  })

  test('does not write a key over that of another home', async () => {
    const { master } = await createMasterFile(join(home, 'a'), { kind: 'plain' })
    const other = await createMasterFile(join(home, 'b'), { kind: 'plain' })
    expect(await codeOf(() => changeProtection(join(home, 'b'), master, { kind: 'plain' }))).toBe('invalid')
    expect((await openPlain(join(home, 'b'))).id).toBe(other.master.id)
  })

  test('a refused change leaves the file as it was', async () => {
    const { master } = await createMasterFile(home, { kind: 'plain' })
    const before = readFileSync(path, 'utf8')
    const short = new Secret('short')
    expect(await codeOf(() => changeProtection(home, master, { kind: 'passphrase', passphrase: short }))).toBe(
      'invalid',
    )
    expect(readFileSync(path, 'utf8')).toBe(before)
  })
})
