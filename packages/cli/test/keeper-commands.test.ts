import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redoubt as runToEnd } from './command-process.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'redoubt-keeper-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))
const run = async (args: string[], input: string | Buffer = '', more: Record<string, string> = {}) => {
  const done = await runToEnd(args, { REDOUBT_HOME: home, ...more }, input)
  return { ...done, json: args.includes('--json') ? JSON.parse(done.out) : null }
}

describe('before there is a home', () => {
  it('nothing but setting a secret or protecting the key makes one', async () => {
    const nowhere = join(home, 'nowhere')
    for (const args of [
      ['keys', 'status'],
      ['secret', 'list'],
      ['service', 'list'],
      ['keys', 'rotate', 'kek'],
    ]) {
      const { code, err } = await run(args, '', { REDOUBT_HOME: nowhere })
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(`There are no keys in ${nowhere}`) })
    }
    expect(await readdir(home)).toEqual([])
  })

  it('no new keys are made beside a database that has lost its own', async () => {
    await writeFile(join(home, 'postgres.ready'), '')
    expect(await run(['secret', 'set', 'a/b'], 'x\n')).toMatchObject({ code: 1 })
    await rm(join(home, 'postgres.ready'))
    expect(await readdir(home)).toEqual([])
  })
})

describe('secrets, while nothing runs', () => {
  it('are set from stdin or a file, replaced, listed and removed, and never printed', async () => {
    const value = 'correct-horse-battery-staple'
    const file = join(home, 'value.txt')
    await writeFile(file, `${value}\nsecond line\n`)
    const said: string[] = []
    const say = async (args: string[], input?: string) => {
      const done = await run(args, input)
      said.push(done.out, done.err)
      return done
    }
    expect(await say(['secret', 'set', 'smtp/password'], `${value}\n`)).toMatchObject({ code: 0 })
    expect(await say(['secret', 'set', 'proxy/tls-key', '--from-file', file])).toMatchObject({ code: 0 })
    expect(await say(['secret', 'rotate', 'smtp/password', '--json'], `${value}2\n`)).toMatchObject({
      json: { path: 'smtp/password', version: 2 },
    })
    const { json } = await say(['secret', 'list', 'smtp/', '--json'])
    expect(json.items).toEqual([{ path: 'smtp/password', version: 2, writtenAt: expect.any(String), renewedBy: null }])
    expect(await say(['secret', 'remove', 'smtp/password'])).toMatchObject({ code: 0 })
    expect(await say(['secret', 'remove', 'smtp/password'])).toMatchObject({ code: 1 })
    expect(await say(['secret', 'rotate', 'smtp/password'], `${value}\n`)).toMatchObject({
      code: 1,
      err: 'There is no secret smtp/password: redoubt secret set smtp/password\n',
    })
    expect(said.join('')).not.toContain(value)
    expect(await readFile(join(home, 'keys', 'secrets.json'), 'utf8')).not.toContain(value)
  })

  it('are no arguments', async () => {
    expect(await run(['secret', 'set', 'smtp/password', 'a-value'])).toMatchObject({ code: 2 })
    expect((await run(['secret', 'list', 'smtp/', '--json'])).json.items).toEqual([])
  })

  it('are random when asked for, and handed over in a file of one’s own alone', async () => {
    const to = join(home, 'token.txt')
    await run(['secret', 'set', 'siem/token'], 'first\n')
    expect(await run(['secret', 'rotate', 'siem/token', '--generate', '--to', to])).toMatchObject({ code: 0 })
    const text = await readFile(to, 'utf8')
    expect(text).toMatch(/^[\w-]{43}\n$/)
    expect((await stat(to)).mode & 0o777).toBe(0o600)
    expect(await run(['secret', 'rotate', 'siem/token', '--generate', '--to', to])).toMatchObject({ code: 1 })
    expect(await readFile(to, 'utf8')).toBe(text)
  })

  it('that the store could not give back as they were are refused: too long, empty, or no text', async () => {
    const file = join(home, 'value.bin')
    for (const [value, sentence] of [
      [Buffer.alloc(65_537, 'x'), 'holds more than 64 KiB'],
      [Buffer.alloc(0), 'is empty'],
      [Buffer.from([0x61, 0xff, 0xfe]), 'is not text in UTF-8'],
    ] as const) {
      await writeFile(file, value)
      const fromFile = await run(['secret', 'set', 'odd/value', '--from-file', file])
      expect(fromFile).toMatchObject({ err: expect.stringContaining(`${file} ${sentence}`) })
      const piped = await run(['secret', 'set', 'odd/value'], value)
      expect(piped).toMatchObject({ code: 2, err: expect.stringContaining(`stdin ${sentence}`) })
    }
    expect((await run(['secret', 'list', 'odd/', '--json'])).json.items).toEqual([])
  })

  it('of the platform’s own are refused with the command that renews them', async () => {
    const wrong = await run(['secret', 'rotate', 'iam/access-key'], 'x\n')
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('redoubt keys rotate access renews it') })
    for (const path of ['database/api/password', 'backup/key', 'tls/deny-list', 'services/api/key'])
      expect(await run(['secret', 'set', path], 'x\n'), path).toMatchObject({
        code: 1,
        err: expect.stringContaining('is kept by the platform'),
      })
    // Under the same folder, and yet the operator's: the configuration refers to them.
    for (const path of ['database/owner', 'backup/s3'])
      expect(await run(['secret', 'set', path], 'x\n'), path).toMatchObject({ code: 0 })
  })

  it('with a path that is none are refused before anything is asked', async () => {
    // A path that a sentence begins with is written as it was typed.
    expect(await run(['secret', 'remove', 'iam/plan-key'])).toMatchObject({
      err: 'iam/plan-key is kept by the platform: redoubt keys rotate plan renews it.\n',
    })
    const { code, err } = await run(['secret', 'set', '../../etc/passwd'], 'x\n')
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('lower-case words with slashes') })
  })

  it('that six commands set at once are all there: one process at a time has the keys', async () => {
    const names = ['one', 'two', 'three', 'four', 'five', 'six']
    const done = await Promise.all(names.map((name) => run(['secret', 'set', `at-once/${name}`], `${name}\n`)))
    expect(done.map(({ code }) => code)).toEqual(names.map(() => 0))
    const { json } = await run(['secret', 'list', 'at-once/', '--json'])
    expect(json.items.map(({ path }: { path: string }) => path).sort()).toEqual(
      names.map((name) => `at-once/${name}`).sort(),
    )
  })

  it('are reached past the socket that a killed platform left', async () => {
    const path = join(home, 'keys', 'keeper.sock')
    const listen = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
    const killed = spawn(process.execPath, ['-e', listen])
    await once(killed.stdout, 'data')
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    expect((await stat(path)).isSocket()).toBe(true)
    expect(await run(['secret', 'list', 'at-once/'])).toMatchObject({ code: 0 })
  })
})

describe('keys, while nothing runs', () => {
  type Line = { key: string; versions: { version: number; state: string }[] }
  const lines = async (): Promise<Line[]> => (await run(['keys', 'status', '--json'])).json.keys
  const newest = (all: Line[], key: string) => all.find((line) => line.key === key)?.versions[0]

  it.each(['kek', 'secrets', 'access', 'plan', 'checkpoint', 'services', 'authority'])(
    'rotate %s makes a new version, and every secret is still there',
    async (key) => {
      const shown = key === 'services' ? 'service:api' : key
      const before = newest(await lines(), shown)?.version as number
      expect(await run(['keys', 'rotate', key])).toMatchObject({ code: 0, err: '' })
      expect(newest(await lines(), shown)?.version).toBe(before + 1)
      expect((await run(['secret', 'list', 'siem/', '--json'])).json.items).toHaveLength(1)
    },
  )

  it('of the data are the running platform’s', async () => {
    expect(await run(['keys', 'rotate', 'data'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('by the running platform: start it'),
    })
    expect(await run(['keys', 'rotate', 'everything'])).toMatchObject({ code: 2 })
  })

  it('are looked at without being changed', async () => {
    const files = async () =>
      Promise.all(
        ['keks.json', 'secrets.json', 'master.json'].map((name) => readFile(join(home, 'keys', name), 'utf8')),
      )
    const before = await files()
    for (const args of [['keys', 'status'], ['keys', 'doctor'], ['doctor'], ['service', 'list'], ['secret', 'list']])
      await run(args)
    expect(await files()).toEqual(before)
  })

  it('that others can read fail the doctor, which says how to mend it', async () => {
    const sound = await run(['keys', 'doctor', '--json'])
    expect({ code: sound.code, ok: sound.json.ok }).toEqual({ code: 0, ok: true })
    const master = join(home, 'keys', 'keks.json')
    await chmod(master, 0o640)
    const { code, json } = await run(['keys', 'doctor', '--json'])
    await chmod(master, 0o600)
    expect({ code, ok: json.ok }).toEqual({ code: 1, ok: false })
    expect(json.checks.find(({ id }: { id: string }) => id === 'keys.files')).toMatchObject({
      status: 'fail',
      mend: expect.stringContaining(`chmod 600 ${master}`),
    })
  })

  it('that the configuration refers to and are missing fail the doctor', async () => {
    const { code, json } = await run(['keys', 'doctor', '--json'], '', {
      DATABASE_URL: 'postgresql://owner@localhost/redoubt',
      REDOUBT_DATABASE_PASSWORD: 'secret://database/elsewhere',
    })
    expect(code).toBe(1)
    expect(json.checks.find(({ id }: { id: string }) => id === 'secrets')).toMatchObject({
      status: 'fail',
      mend: 'redoubt secret set database/elsewhere',
    })
  })
})

describe('services, while nothing runs', () => {
  it('are enrolled by a file for their owner alone', async () => {
    const to = join(home, 'api-identity.json')
    expect(await run(['service', 'enrol', 'api', '--to', to])).toMatchObject({ code: 0 })
    expect((await stat(to)).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await readFile(to, 'utf8'))).toMatchObject({ service: 'api' })
    expect(await run(['service', 'enrol', 'nobody'])).toMatchObject({ code: 2 })
  })

  it('are denied and admitted by name, id or serial; the keeper never is', async () => {
    const id = 'spiffe://redoubt.internal/service/worker'
    expect(await run(['service', 'deny', 'worker', '--reason', 'its machine was stolen'])).toMatchObject({ code: 0 })
    expect(await run(['service', 'deny', '4F09C1', '--reason', 'leaked'])).toMatchObject({ code: 0 })
    const { json } = await run(['service', 'list', '--json'])
    expect(json.denials.map(({ subject }: { subject: string }) => subject)).toEqual([id, '4f09c1'])
    expect(json.items.find(({ service }: { service: string }) => service === 'worker')).toMatchObject({ denied: true })
    expect(await run(['service', 'admit', id])).toMatchObject({ code: 0 })
    expect(await run(['service', 'admit', 'worker'])).toMatchObject({ code: 1 })
    expect(await run(['service', 'deny', 'keeper', '--reason', 'x'])).toMatchObject({ code: 1 })
    expect(await run(['service', 'deny', 'worker'])).toMatchObject({ code: 2 })
  })
})

describe('backups, while nothing runs', () => {
  it('go to a folder or to S3-compatible storage, and to no folder called ftp:', async () => {
    for (const args of [['backup'], ['backup', 'list']])
      expect(await run([...args, '--to', 'ftp://backups.example.com/redoubt'])).toMatchObject({
        code: 2,
        err: 'ftp://backups.example.com/redoubt is neither a folder nor s3://bucket/prefix.\n',
      })
  })

  it('say that the platform has to run, or where they should go', async () => {
    expect(await run(['backup', '--to', join(home, 'backups')])).toMatchObject({
      code: 1,
      err: expect.stringContaining('by the running platform: start it'),
    })
    expect(await run(['backup', 'list'])).toMatchObject({ code: 1, err: expect.stringContaining('REDOUBT_BACKUP_TO') })
    expect(await run(['backup', 'list', '--to', join(home, 'backups'), '--json'])).toMatchObject({
      json: { items: [] },
    })
    const nothing = await run(['backup', 'verify', join(home, 'none.backup')])
    expect(nothing).toMatchObject({ code: 1, err: expect.stringContaining('cannot be read (ENOENT)') })
    const noArchive = await run(['backup', 'verify', join(home, 'value.txt'), '--json'])
    expect(noArchive.json).toMatchObject({ error: { code: 'archive_malformed' } })
  })
})
