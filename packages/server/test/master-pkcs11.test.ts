import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret, unwrapKey, wrapKey } from '@redoubt/trust'
import pkcs11js from 'pkcs11js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import type { MasterKey } from '../src/keeper/master-key.ts'
import { createPkcs11Key, offersAesKeyWrap, openPkcs11Master } from '../src/keeper/master-pkcs11.ts'
import { loadPkcs11, type Pkcs11Options, Pkcs11Token, type TokenSession } from '../src/keeper/pkcs11-token.ts'

const modules = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
]
const found = modules.find((path) => existsSync(path))
const absent = found === undefined && process.env['REDOUBT_SOFTHSM_REQUIRED'] !== '1'
if (absent) console.warn('Skipped: SoftHSM2 is not installed (apt install softhsm2).')
const module = found ?? modules[0] ?? ''

const codeOf = async (use: () => unknown) => {
  try {
    await use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof KeeperError ? error.code : error
  }
}
const kek = () => new Secret(randomBytes(32))

describe('the HSM binding', () => {
  test('when it is not installed, the error says how to get it', async () => {
    await expect(loadPkcs11(() => Promise.reject(new Error('ERR_MODULE_NOT_FOUND')))).rejects.toThrow(
      'npm install pkcs11js',
    )
  })
})

describe.skipIf(absent)('a master key in SoftHSM2', () => {
  let folder: string
  let tokens: string
  let options: Pkcs11Options
  const opened: MasterKey[] = []
  const open = async (with_: Pkcs11Options = options) => {
    const master = await openPkcs11Master(with_)
    opened.push(master)
    return master
  }
  const inToken = async <T>(work: (session: TokenSession) => T): Promise<T> => {
    const token = new Pkcs11Token(await loadPkcs11(), options)
    try {
      return token.use(work)
    } finally {
      token.close()
    }
  }

  const configure = (line = '') =>
    writeFileSync(
      join(folder, 'softhsm2.conf'),
      `directories.tokendir = ${tokens}\nobjectstore.backend = file\n${line}\n`,
    )
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'redoubt-softhsm-'))
    tokens = join(folder, 'tokens')
    mkdirSync(tokens)
    process.env['SOFTHSM2_CONF'] = join(folder, 'softhsm2.conf')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  beforeEach(() => {
    configure()
    rmSync(tokens, { recursive: true, force: true })
    mkdirSync(tokens)
    execFileSync('softhsm2-util', [
      '--init-token',
      '--free',
      '--label',
      'redoubt',
      '--so-pin',
      '87654321',
      '--pin',
      '4321',
    ])
    options = { module, tokenLabel: 'redoubt', keyLabel: 'master', pin: new Secret('4321') }
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    for (const master of opened.splice(0)) await master.close()
  })

  test('SoftHSM2 offers AES key wrap, so the key is AES unless told otherwise', async () => {
    expect(await inToken(offersAesKeyWrap)).toBe(true)
    expect(await createPkcs11Key(options)).toBe('aes')
  })

  test('a token without AES key wrap gets an RSA key', async () => {
    configure('slots.mechanisms = CKM_AES_KEY_GEN,CKM_RSA_PKCS_KEY_PAIR_GEN,CKM_RSA_PKCS_OAEP')
    expect(await inToken(offersAesKeyWrap)).toBe(false)
    expect(await createPkcs11Key(options)).toBe('rsa')
  })

  describe.each(['aes', 'rsa'] as const)('of kind %s', (kind) => {
    beforeEach(async () => {
      await createPkcs11Key(options, kind)
    })

    test('wraps and unwraps, also after a restart, and says by which mechanism', async () => {
      const one = kek()
      const master = await open()
      const wrapped = await master.wrap(one)
      expect(wrapped.includes(one.reveal())).toBe(false)
      // 1: AES key wrap; 3: RSA-OAEP with SHA-1, the only one that SoftHSM 2.6 offers.
      expect([...wrapped.subarray(0, 2)]).toEqual([1, kind === 'aes' ? 1 : 3])
      expect(wrapped.length).toBe(2 + (kind === 'aes' ? 40 : 384))
      await master.close()
      expect((await (await open()).unwrap(wrapped)).reveal()).toEqual(one.reveal())
      expect(master).toMatchObject({ provider: 'pkcs11', id: 'pkcs11:token=redoubt;object=master' })
    })

    test('is sensitive and not extractable, was never otherwise, and does nothing but wrap', async () => {
      await inToken(({ pkcs11, binding, handle }) => {
        pkcs11.C_FindObjectsInit(handle, [
          { type: binding.CKA_CLASS, value: kind === 'aes' ? binding.CKO_SECRET_KEY : binding.CKO_PRIVATE_KEY },
        ])
        const keys = pkcs11.C_FindObjects(handle, 10)
        pkcs11.C_FindObjectsFinal(handle)
        expect(keys).toHaveLength(1)
        const key = keys[0] as Buffer
        const is = (type: number) => pkcs11.C_GetAttributeValue(handle, key, [{ type }])[0]?.value[0] === 1
        expect({
          token: is(binding.CKA_TOKEN),
          private: is(binding.CKA_PRIVATE),
          sensitive: is(binding.CKA_SENSITIVE),
          alwaysSensitive: is(binding.CKA_ALWAYS_SENSITIVE),
          extractable: is(binding.CKA_EXTRACTABLE),
          neverExtractable: is(binding.CKA_NEVER_EXTRACTABLE),
          local: is(binding.CKA_LOCAL),
          decrypt: is(binding.CKA_DECRYPT),
          sign: is(binding.CKA_SIGN),
          unwrap: is(binding.CKA_UNWRAP),
          modifiable: is(binding.CKA_MODIFIABLE),
        }).toEqual({
          token: true,
          private: true,
          sensitive: true,
          alwaysSensitive: true,
          extractable: false,
          neverExtractable: true,
          local: true,
          decrypt: false,
          sign: false,
          unwrap: true,
          modifiable: false,
        })
        const secret = kind === 'aes' ? binding.CKA_VALUE : binding.CKA_PRIVATE_EXPONENT
        expect(() => pkcs11.C_GetAttributeValue(handle, key, [{ type: secret }])).toThrow('CKR_ATTRIBUTE_SENSITIVE')
        // Not by wrapping it under a key of the attacker's either.
        const theirs = pkcs11.C_CreateObject(handle, [
          { type: binding.CKA_CLASS, value: binding.CKO_SECRET_KEY },
          { type: binding.CKA_KEY_TYPE, value: binding.CKK_AES },
          { type: binding.CKA_TOKEN, value: false },
          { type: binding.CKA_WRAP, value: true },
          { type: binding.CKA_VALUE, value: Buffer.alloc(32) },
        ])
        const wrap = () =>
          pkcs11.C_WrapKey(handle, { mechanism: binding.CKM_AES_KEY_WRAP_PAD }, theirs, key, Buffer.alloc(4096))
        expect(wrap).toThrow('CKR_KEY_UNEXTRACTABLE')
      })
    })

    test('what was altered, cut, or wrapped by another master key is refused', async () => {
      const master = await open()
      const wrapped = await master.wrap(kek())
      for (const at of [0, 1, 2, 9, wrapped.length - 1]) {
        const altered = Buffer.from(wrapped)
        altered[at] = (altered[at] ?? 0) ^ 1
        expect(await codeOf(() => master.unwrap(altered))).toBe('master_refuses')
      }
      for (const length of [0, 1, 2, 10, wrapped.length - 1, wrapped.length - 8])
        expect(await codeOf(() => master.unwrap(wrapped.subarray(0, length)))).toBe('master_refuses')
      const other = { ...options, keyLabel: 'other' }
      await createPkcs11Key(other, kind)
      expect(await codeOf(async () => (await open(other)).unwrap(wrapped))).toBe('master_refuses')
      await master.unwrap(wrapped)
    })

    test('no session object is left in the token', async () => {
      const master = await open()
      const wrapped = await master.wrap(kek())
      await master.unwrap(wrapped)
      const left = await inToken(({ pkcs11, binding, handle }) => {
        pkcs11.C_FindObjectsInit(handle, [{ type: binding.CKA_TOKEN, value: false }])
        const objects = pkcs11.C_FindObjects(handle, 10)
        pkcs11.C_FindObjectsFinal(handle)
        return objects.length
      })
      expect(left).toBe(0)
    })
  })

  test('the wrapping is that of RFC 3394: a token key of known value agrees with our own', async () => {
    const known = randomBytes(32)
    const key = randomBytes(32)
    const wrapped = await inToken(({ pkcs11, binding, handle }) => {
      const object = (value: Buffer) =>
        pkcs11.C_CreateObject(handle, [
          { type: binding.CKA_CLASS, value: binding.CKO_SECRET_KEY },
          { type: binding.CKA_KEY_TYPE, value: binding.CKK_AES },
          { type: binding.CKA_TOKEN, value: false },
          { type: binding.CKA_EXTRACTABLE, value: true },
          { type: binding.CKA_WRAP, value: true },
          { type: binding.CKA_VALUE, value },
        ])
      const mechanism = { mechanism: binding.CKM_AES_KEY_WRAP }
      return pkcs11.C_WrapKey(handle, mechanism, object(known), object(key), Buffer.alloc(64))
    })
    expect(wrapped).toEqual(Buffer.from(wrapKey(known, key)))
    expect(Buffer.from(unwrapKey(known, wrapped))).toEqual(key)
  })

  test('a key that came from outside is refused: there are copies of it', async () => {
    await inToken(({ pkcs11, binding, handle }) =>
      pkcs11.C_CreateObject(handle, [
        { type: binding.CKA_CLASS, value: binding.CKO_SECRET_KEY },
        { type: binding.CKA_KEY_TYPE, value: binding.CKK_AES },
        { type: binding.CKA_TOKEN, value: true },
        { type: binding.CKA_LABEL, value: 'master' },
        { type: binding.CKA_SENSITIVE, value: true },
        { type: binding.CKA_EXTRACTABLE, value: false },
        { type: binding.CKA_WRAP, value: true },
        { type: binding.CKA_UNWRAP, value: true },
        { type: binding.CKA_VALUE, value: randomBytes(32) },
      ]),
    )
    await expect(open()).rejects.toThrow('generate it in the token')
  })

  const generateRsa = (bits: number, label: string) =>
    inToken(({ pkcs11, binding, handle }) => {
      pkcs11.C_GenerateKeyPair(
        handle,
        { mechanism: binding.CKM_RSA_PKCS_KEY_PAIR_GEN },
        [
          { type: binding.CKA_TOKEN, value: true },
          { type: binding.CKA_LABEL, value: label },
          { type: binding.CKA_MODULUS_BITS, value: bits },
          { type: binding.CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
          { type: binding.CKA_WRAP, value: true },
        ],
        [
          { type: binding.CKA_TOKEN, value: true },
          { type: binding.CKA_PRIVATE, value: true },
          { type: binding.CKA_LABEL, value: label },
          { type: binding.CKA_SENSITIVE, value: true },
          { type: binding.CKA_EXTRACTABLE, value: false },
          { type: binding.CKA_UNWRAP, value: true },
        ],
      )
    })

  test('an RSA key under 2048 bits is refused (KEY-3)', async () => {
    await generateRsa(1024, 'master')
    await expect(open()).rejects.toThrow('shorter than 2048 bits')
    await generateRsa(2048, 'enough')
    await open({ ...options, keyLabel: 'enough' })
  })

  test('a public key that does not belong to the private one is refused: it would wrap for somebody else', async () => {
    await createPkcs11Key(options, 'rsa')
    await inToken(({ pkcs11, binding, handle }) => {
      pkcs11.C_FindObjectsInit(handle, [{ type: binding.CKA_CLASS, value: binding.CKO_PUBLIC_KEY }])
      const [ours] = pkcs11.C_FindObjects(handle, 1)
      pkcs11.C_FindObjectsFinal(handle)
      pkcs11.C_DestroyObject(handle, ours as Buffer)
      pkcs11.C_CreateObject(handle, [
        { type: binding.CKA_CLASS, value: binding.CKO_PUBLIC_KEY },
        { type: binding.CKA_KEY_TYPE, value: binding.CKK_RSA },
        { type: binding.CKA_TOKEN, value: true },
        { type: binding.CKA_LABEL, value: 'master' },
        { type: binding.CKA_MODULUS, value: Buffer.alloc(384, 0xff) },
        { type: binding.CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
      ])
    })
    await expect(open()).rejects.toThrow('do not belong together')
  })

  test('two keys of one label are refused, and no second one is made', async () => {
    await createPkcs11Key(options, 'aes')
    expect(await codeOf(() => createPkcs11Key(options, 'rsa'))).toBe('invalid')
    await generateRsa(2048, 'master')
    await expect(open()).rejects.toThrow('Several keys')
  })

  test('a wrong PIN is said once and never sent again', async () => {
    await createPkcs11Key(options)
    const logIn = vi.spyOn(pkcs11js.PKCS11.prototype, 'C_Login').mockClear()
    const wrong = { ...options, pin: new Secret('9999') }
    for (let attempt = 0; attempt < 5; attempt++)
      expect(await codeOf(() => openPkcs11Master(wrong))).toBe('master_refuses')
    expect(logIn).toHaveBeenCalledTimes(1)
    const error = await openPkcs11Master(wrong).catch((caught: Error) => caught.message)
    expect(error).toContain('not tried again')
    expect(error).not.toContain('9999')
    await open()
  })

  test('a PIN that was changed while the session was lost is tried once', async () => {
    await createPkcs11Key(options)
    const master = await open()
    const change = ['--token', 'redoubt', '--pin', '4321', '--new-pin', '5555']
    await inToken(({ pkcs11, handle }) => pkcs11.C_SetPIN(handle, change[3] as string, change[5] as string))
    const logIn = vi.spyOn(pkcs11js.PKCS11.prototype, 'C_Login').mockClear()
    const other = new pkcs11js.PKCS11()
    other.load(module)
    other.C_Finalize()
    for (let attempt = 0; attempt < 3; attempt++) expect(await codeOf(() => master.wrap(kek()))).toBe('master_refuses')
    expect(logIn).toHaveBeenCalledTimes(1)
  })

  test('a session that was lost by C_Finalize or by a logout comes back by itself', async () => {
    await createPkcs11Key(options)
    const master = await open()
    const wrapped = await master.wrap(kek())
    const other = new pkcs11js.PKCS11()
    other.load(module)
    other.C_Finalize()
    await master.unwrap(wrapped)
    other.C_CloseAllSessions(other.C_GetSlotList(true)[0] as Buffer)
    await master.unwrap(wrapped)
  })

  test('two keepers of one module do not lose each other’s sessions', async () => {
    await createPkcs11Key(options)
    const [one, two] = [await open(), await open()]
    const wrapped = await one.wrap(kek())
    await one.close()
    await two.unwrap(wrapped)
    expect(await codeOf(() => one.unwrap(wrapped))).toBe('master_unavailable')
  })

  test('after the module was restarted, an old session is not used: its number may be one of another token', async () => {
    const other = { ...options, tokenLabel: 'other' }
    execFileSync('softhsm2-util', [
      '--init-token',
      '--free',
      '--label',
      'other',
      '--so-pin',
      '87654321',
      '--pin',
      '4321',
    ])
    await createPkcs11Key(options)
    await createPkcs11Key(other)
    const [ours, theirs] = [await open(), await open(other)]
    // Looking for a token that is not there restarts the module.
    expect(await codeOf(() => open({ ...options, tokenLabel: 'away' }))).toBe('master_unavailable')
    await theirs.wrap(kek())
    const wrapped = await ours.wrap(kek())
    expect(await codeOf(() => theirs.unwrap(wrapped))).toBe('master_refuses')
    await ours.unwrap(wrapped)
  })

  test('a token that was taken out is unavailable, and works again when it is back', async () => {
    await createPkcs11Key(options)
    const master = await open()
    const wrapped = await master.wrap(kek())
    renameSync(tokens, `${tokens}.out`)
    mkdirSync(tokens)
    expect(await codeOf(() => master.unwrap(wrapped))).toBe('master_unavailable')
    await expect(master.wrap(kek())).rejects.toThrow('No token "redoubt"')
    rmSync(tokens, { recursive: true })
    renameSync(`${tokens}.out`, tokens)
    await master.unwrap(wrapped)
  })

  test('after another token came in its place, its key of the same label is not taken for ours', async () => {
    await createPkcs11Key(options)
    const master = await open()
    const wrapped = await master.wrap(kek())
    renameSync(tokens, `${tokens}.out`)
    mkdirSync(tokens)
    execFileSync('softhsm2-util', [
      '--init-token',
      '--free',
      '--label',
      'redoubt',
      '--so-pin',
      '87654321',
      '--pin',
      '4321',
    ])
    await createPkcs11Key(options)
    expect(await codeOf(() => master.unwrap(wrapped))).toBe('master_refuses')
    rmSync(`${tokens}.out`, { recursive: true })
  })

  test('a module, token or key that is not there is said by name', async () => {
    await expect(open({ ...options, module: '/nowhere/hsm.so' })).rejects.toThrow('/nowhere/hsm.so cannot be loaded')
    await expect(open({ ...options, tokenLabel: 'away' })).rejects.toThrow('No token "away"')
    await expect(open()).rejects.toThrow('no key "master"')
    expect(await codeOf(() => open({ ...options, keyLabel: '' }))).toBe('invalid')
  })
})
