import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import { VaultClient, type VaultOptions } from '../src/keeper/vault-client.ts'
import { certificateAuthority } from './certificates.ts'
import { ManualTime } from './manual-time.ts'
import { type ExchangeOptions, ROLE_ID, SECRET_ID, SERVICE_ACCOUNT_JWT, VaultExchanges } from './vault-exchanges.ts'

const codeOf = async (use: () => Promise<unknown>) => {
  try {
    await use()
    return 'nothing thrown'
  } catch (error) {
    return error instanceof KeeperError ? error.code : error
  }
}
const read = { method: 'GET', path: 'secret/metadata/redoubt/smtp/password', repeatable: true } as const

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'redoubt-vault-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const fileWith = (name: string, text: string, mode = 0o600) => {
  const path = join(folder, name)
  writeFileSync(path, text, { mode })
  chmodSync(path, mode)
  return path
}

describe('the line to Vault, against recorded exchanges', () => {
  let time: ManualTime
  let exchanges: VaultExchanges
  let options: VaultOptions
  let stop: () => Promise<void>
  const lines: VaultClient[] = []
  const open = async (with_: Partial<VaultOptions> = {}) => {
    const line = await VaultClient.open({ ...options, ...with_ })
    lines.push(line)
    return line
  }
  const start = async (with_: Partial<ExchangeOptions> = {}) => {
    const started = await VaultExchanges.start({ clock: time, ...with_ })
    exchanges = started.exchanges
    stop = started.stop
    options = {
      address: started.address,
      serves: 'store',
      signIn: { method: 'approle', roleId: ROLE_ID, secretIdFile: fileWith('secret-id', `${SECRET_ID}\n`) },
      clock: time,
      timers: time,
      pause: async () => undefined,
    }
  }
  const signIns = () => exchanges.asked.filter(({ path }) => path.endsWith('/login')).length
  const renewals = () => exchanges.asked.filter(({ path }) => path === 'auth/token/renew-self').length

  beforeEach(async () => {
    time = new ManualTime()
    await start()
  })
  afterEach(async () => {
    for (const line of lines.splice(0)) await line.close()
    await stop()
    expect(exchanges.violations).toEqual([])
  })

  describe('signing in', () => {
    test('by AppRole with the secret id of a file', async () => {
      const line = await open()
      expect((await line.call(read)).status).toBe(404)
      expect(exchanges.asked[0]).toMatchObject({ method: 'POST', path: 'auth/approle/login' })
    })

    test('by a Kubernetes service account', async () => {
      const jwtFile = fileWith('jwt', SERVICE_ACCOUNT_JWT, 0o644)
      const line = await open({ signIn: { method: 'kubernetes', role: 'redoubt', jwtFile } })
      expect((await line.call(read)).status).toBe(404)
    })

    test('by a token file, which is read again when its token has ended', async () => {
      const first = exchanges.makeToken(600, true)
      const tokenFile = fileWith('token', first)
      const line = await open({ signIn: { method: 'token-file', tokenFile } })
      exchanges.tokens.delete(first)
      fileWith('token', exchanges.makeToken(600, true))
      expect((await line.call(read)).status).toBe(404)
    })

    test('wrong credentials are refused at the start, by Vault’s own words and without showing them', async () => {
      const signIn = {
        method: 'approle',
        roleId: ROLE_ID,
        secretIdFile: fileWith('wrong', 'not-the-secret-id'),
      } as const
      const error = await open({ signIn }).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'not_allowed' })
      expect(inspect(error, { depth: 9 })).toContain('invalid role or secret ID')
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('not-the-secret-id')
      expect(signIns()).toBe(1)
    })

    test('a credential that is missing, empty, of two lines or writable by others is refused with its file', async () => {
      const secretIdFile = join(folder, 'none')
      await expect(open({ signIn: { method: 'approle', roleId: ROLE_ID, secretIdFile } })).rejects.toThrow('ENOENT')
      for (const path of [fileWith('empty', '\n'), fileWith('two', 'one\r\nx-vault-token: two')])
        expect(await codeOf(() => open({ signIn: { method: 'token-file', tokenFile: path } }))).toBe('invalid')
      const loose = fileWith('loose', SECRET_ID, 0o666)
      await expect(open({ signIn: { method: 'approle', roleId: ROLE_ID, secretIdFile: loose } })).rejects.toThrow(
        `chmod go-w ${loose}`,
      )
    })

    test('a Vault that does not answer at the start stops the start', async () => {
      exchanges.cut(true)
      expect(await codeOf(() => open())).toBe('store_unavailable')
      expect(await codeOf(() => open({ serves: 'master' }))).toBe('master_unavailable')
    })

    test('a sealed Vault is asked again, then said to be sealed', async () => {
      exchanges.interruptions.push({ status: 503, body: { errors: ['Vault is sealed'] } })
      await open()
      for (let at = 0; at < 4; at++)
        exchanges.interruptions.push({ status: 503, body: { errors: ['Vault is sealed'] } })
      await expect(open()).rejects.toThrow('Vault is sealed')
    })

    test('many callers without a token sign in once', async () => {
      const line = await open()
      time.advance(3_600_000)
      await vi.waitFor(() => expect(renewals()).toBeGreaterThan(0))
      exchanges.tokens.clear()
      const before = signIns()
      await Promise.all(Array.from({ length: 10 }, () => line.call(read)))
      expect(signIns() - before).toBe(1)
    })
  })

  describe('the token', () => {
    test('is renewed at two thirds of its time, again and again', async () => {
      await open()
      expect(time.next()).toBe(2_400_000)
      for (const count of [1, 2, 3]) {
        time.advance(2_400_000)
        await vi.waitFor(() => {
          expect(renewals()).toBe(count)
          expect(time.next()).toBe(2_400_000)
        })
      }
      expect(signIns()).toBe(1)
    })

    test('is replaced by a new sign-in when Vault refuses to renew it', async () => {
      exchanges.renewal.times = 0
      const line = await open()
      time.advance(2_400_000)
      await vi.waitFor(() => expect(signIns()).toBe(2))
      exchanges.tokens.delete([...exchanges.tokens.keys()][0] ?? '')
      expect((await line.call(read)).status).toBe(404)
      expect(signIns()).toBe(2)
    })

    test('that cannot be renewed is replaced in time', async () => {
      exchanges.grant.renewable = false
      await open()
      time.advance(2_400_000)
      await vi.waitFor(() => expect(signIns()).toBe(2))
      expect(renewals()).toBe(0)
    })

    test('whose renewals become ever shorter is replaced, not renewed to death', async () => {
      exchanges.renewal.ttlSeconds = 60
      await open()
      time.advance(2_400_000)
      await vi.waitFor(() => expect(signIns()).toBe(2))
      expect(renewals()).toBe(1)
    })

    test('that ended while Vault was away is replaced by the next call', async () => {
      const line = await open()
      exchanges.cut(true)
      time.advance(3_600_000)
      expect(await codeOf(() => line.call(read))).toBe('store_unavailable')
      exchanges.cut(false)
      const before = exchanges.asked.length
      expect((await line.call(read)).status).toBe(404)
      expect(exchanges.asked.slice(before).map(({ path }) => path)).toEqual(['auth/approle/login', read.path])
    })

    test('is renewed after Vault was away for a moment', async () => {
      await open()
      exchanges.cut(true)
      time.advance(2_400_000)
      await vi.waitFor(() => expect(time.next()).toBe(60_000))
      exchanges.cut(false)
      time.advance(60_000)
      await vi.waitFor(() => expect(renewals()).toBe(2))
      expect(signIns()).toBe(1)
    })

    test('that an operator revoked is replaced within the call', async () => {
      const line = await open()
      exchanges.tokens.clear()
      expect((await line.call(read)).status).toBe(404)
      expect(signIns()).toBe(2)
    })

    test('of a year does not overflow the timer, and one without end needs none', async () => {
      exchanges.grant.ttlSeconds = 365 * 86_400
      await open()
      expect(time.next()).toBe(86_400_000)
      await lines.pop()?.close()
      const tokenFile = fileWith('endless', exchanges.makeToken(0, false))
      await open({ signIn: { method: 'token-file', tokenFile } })
      expect(time.next()).toBeNull()
    })

    test('and the rest show in nothing that is printed', async () => {
      const line = await open()
      const [token = ''] = exchanges.tokens.keys()
      const shown = inspect(line, { depth: 12, showHidden: true }) + JSON.stringify(line)
      expect(token).not.toBe('')
      expect(shown).not.toContain(token)
    })

    test('nothing is renewed or asked after closing', async () => {
      const line = await open()
      await line.close()
      expect(time.next()).toBeNull()
      expect(await codeOf(() => line.call(read))).toBe('store_unavailable')
    })
  })

  describe('the connection', () => {
    test('is refused over http beyond this machine, and with credentials in the address', async () => {
      for (const address of [
        'http://vault.example:8200',
        'http://10.0.0.7:8200',
        'http://127.0.0.1.example.com',
        'http://localhost.example.com',
        'https://user:password@vault.example',
        'vault.example:8200',
        'ftp://vault.example',
        'https://vault.example/?x=1',
      ])
        expect(await codeOf(() => open({ address })), address).toBe('invalid')
      expect(exchanges.asked).toEqual([])
    })

    test('asks within its namespace, and for its health outside of it', async () => {
      await stop()
      await start({ namespace: 'soc/redoubt' })
      const line = await open({ namespace: 'soc/redoubt' })
      await line.call(read)
      expect(await line.reachable()).toBe(true)
      expect(exchanges.asked.map(({ namespace }) => namespace)).toEqual(['soc/redoubt', 'soc/redoubt', undefined])
      expect(await codeOf(() => open({ namespace: 'soc\r\nx-vault-token: x' }))).toBe('invalid')
    })

    test('follows no redirect: the token would go to a host that nobody configured', async () => {
      const line = await open()
      for (let at = 0; at < 4; at++) exchanges.interruptions.push('redirect')
      await expect(line.call(read)).rejects.toThrow('redirects to another node')
    })

    test('believes only the authority of its CA file', async () => {
      const ours = await certificateAuthority('Vault')
      const theirs = await certificateAuthority('Somebody else')
      await stop()
      await start({ tls: await ours.issue(['127.0.0.1']) })
      const caFile = fileWith('ours.pem', ours.pem)
      const line = await open({ caFile })
      expect((await line.call(read)).status).toBe(404)
      expect(await line.reachable()).toBe(true)
      await expect(open({ caFile: fileWith('theirs.pem', theirs.pem) })).rejects.toThrow(
        /does not answer \((CERT|UNABLE|SELF)/,
      )
      expect(await codeOf(() => open())).toBe('store_unavailable')
      const before = exchanges.asked.length
      expect(before).toBe(3)
    })

    test('believes a certificate only for the address it asked', async () => {
      const ours = await certificateAuthority('Vault')
      await stop()
      await start({ tls: await ours.issue(['vault.example']) })
      await expect(open({ caFile: fileWith('ours.pem', ours.pem) })).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID')
    })

    test('a CA file that is missing or holds none is refused', async () => {
      expect(await codeOf(() => open({ caFile: join(folder, 'no.pem') }))).toBe('invalid')
      expect(await codeOf(() => open({ caFile: fileWith('empty.pem', 'nothing') }))).toBe('invalid')
    })

    test('an answer that is not JSON is no answer, and shows in no error', async () => {
      const line = await open()
      for (let at = 0; at < 4; at++) exchanges.interruptions.push({ status: 200, text: 'hunter2 {' })
      const error = await line.call(read).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'store_unavailable' })
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2')
    })
  })
})
