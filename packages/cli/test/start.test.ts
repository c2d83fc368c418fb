import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redoubt/sdk'
import { databaseSecrets, openKeeper, readConfig, startPostgres, systemClock } from '@redoubt/server'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { callConsole } from '../src/demo/console-call.ts'
import { redoubt as runToEnd } from './command-process.ts'
import { environmentOf, redoubt } from './start-process.ts'

const homes: string[] = []
async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-start-'))
  homes.push(home)
  return home
}
afterAll(() => Promise.all(homes.map((home) => rm(home, { recursive: true, force: true }))))

const ready = /Ready after ([\d.]+) s/

describe('a home', () => {
  let home: string
  let environment: Record<string, string>
  beforeAll(async () => {
    home = await newHome()
    environment = await environmentOf(home)
  })

  it('starts empty, prints each step and a one-time link, enrols its runner once set up, and stops cleanly on SIGTERM', async () => {
    const first = redoubt(['start'], environment)
    // The link comes after the line that says how long it took, maybe in a later chunk.
    await first.until(/setup\?token=\w+\s/)
    for (const step of [
      'keys made',
      'PostgreSQL 18',
      'database migrated',
      'ingestion at',
      'api at',
      'web at',
      'runner at',
    ])
      expect(first.output()).toContain(step)
    expect(first.output()).toMatch(/http:\/\/localhost:\d+\/setup\?token=rdt_setup_\w+/)
    const answer = await fetch(`http://127.0.0.1:${environment['REDOUBT_API_PORT']}/readyz`)
    expect(await answer.json()).toMatchObject({ status: 'ready', service: 'api' })

    const token = new URL(/http:\S+setup\S+/.exec(first.output())?.[0] as string).searchParams.get('token')
    const web = `http://127.0.0.1:${environment['REDOUBT_WEB_PORT']}`
    const password = 'three unrelated words'
    await callConsole(web, 'auth.setUp', {
      token,
      organization: 'Operator',
      name: 'First',
      email: 'first@example.org',
      password,
    })
    const client = createClient({
      url: `http://127.0.0.1:${environment['REDOUBT_API_PORT']}`,
      credentials: { email: 'first@example.org', password },
    })
    await expect
      .poll(async () => (await client.runners.list()).items.map(({ name }) => name), { timeout: 10_000 })
      .toEqual(['Local runner'])

    const second = redoubt(['start'], environment)
    expect(await second.ended()).toBe(1)
    expect(second.output()).toContain(
      `Redoubt runs already on ${home}: stop it first, or set REDOUBT_HOME to another folder.`,
    )
    expect((await fetch(`http://127.0.0.1:${environment['REDOUBT_WEB_PORT']}/healthz`)).status).toBe(200)

    first.child.kill('SIGTERM')
    expect(await first.ended()).toBe(0)
    expect(first.output()).toContain('Stopped.')
  })

  it('starts again after kill -9 at any moment, with what was set up still there', async () => {
    for (const moment of [/PostgreSQL 18/, /ingestion at/, ready]) {
      const killed = redoubt(['start'], environment)
      await killed.until(moment)
      killed.child.kill('SIGKILL')
      expect(await killed.ended()).toBe('SIGKILL')
    }
    const after = redoubt(['start'], environment)
    await after.until(ready)
    expect(after.output()).not.toContain('Set it up')
    expect((await fetch(`http://127.0.0.1:${environment['REDOUBT_WEB_PORT']}/readyz`)).status).toBe(200)
    after.child.kill('SIGTERM')
    expect(await after.ended()).toBe(0)
  })

  it('names the service and the port that is taken', async () => {
    const squatter = createServer().listen(Number(environment['REDOUBT_API_PORT']), '127.0.0.1')
    const started = redoubt(['start'], environment)
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain(`Port ${environment['REDOUBT_API_PORT']}, where api listens, is taken`)
    expect(started.output()).not.toContain('    at ')
    squatter.close()
  })

  it('does not make new keys over damaged ones', async () => {
    await writeFile(join(home, 'keys', 'master.json'), '{')
    const started = redoubt(['start'], environment)
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain('is damaged: restore it from your copy')
  })
})

test('a home that cannot be written is one sentence', async () => {
  const file = join(await newHome(), 'file')
  await writeFile(file, '')
  const started = redoubt(['start'], await environmentOf(join(file, 'home')))
  expect(await started.ended()).toBe(1)
  expect(started.output().trim().split('\n').at(-1)).toMatch(/cannot be made \(ENOTDIR\): choose another REDOUBT_HOME/)
})

test('wrong settings are named all at once', async () => {
  const started = redoubt(['start'], {
    ...(await environmentOf(await newHome())),
    REDOUBT_WEB_PORT: 'eighty',
    DATABASE_URL: 'mysql://x',
  })
  expect(await started.ended()).toBe(1)
  expect(started.output()).toContain('REDOUBT_WEB_PORT must be a port number')
  expect(started.output()).toContain('DATABASE_URL must be postgresql://')
})

describe('a database of one’s own', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let admin: pg.Client
  const url = (user: string) =>
    `postgresql://${user}@localhost/external?host=${encodeURIComponent(server.host)}&port=${server.port}`
  let superuser: string
  beforeAll(async () => {
    const home = await newHome()
    const { keeper } = await openKeeper(readConfig({ REDOUBT_HOME: home }), systemClock)
    superuser = (await databaseSecrets(keeper.store)).superuserPassword.reveal()
    await keeper.close()
    server = await startPostgres(home, superuser)
    admin = new pg.Client({
      host: server.host,
      port: server.port,
      user: 'postgres',
      password: superuser,
      database: 'postgres',
    })
    await admin.connect()
    await admin.query(`create role keeper login createrole password 'keeper'`)
    await admin.query(`create role mighty login createrole bypassrls password 'mighty'`)
    await admin.query('create database external owner keeper')
  })
  afterAll(async () => {
    await admin.end()
    await server.stop()
  })
  /** Starts on it, its owner's password set before as the operator would. */
  async function startOn(databaseUrl: string, password: string) {
    const environment = await environmentOf(await newHome())
    const set = await runToEnd(['secret', 'set', 'database/owner'], environment, `${password}\n`)
    expect(set).toMatchObject({ code: 0, out: 'database/owner is set, version 1.\n' })
    return redoubt(['start'], { ...environment, DATABASE_URL: databaseUrl })
  }

  it('works with an owner that is nobody special', async () => {
    const started = await startOn(url('keeper'), 'keeper')
    await started.until(ready)
    started.child.kill('SIGTERM')
    expect(await started.ended()).toBe(0)
  })
  it.each([
    ['a superuser', () => url('postgres'), () => superuser, 'a superuser, for whom row security does not hold'],
    ['a role that bypasses row security', () => url('mighty'), () => 'mighty', 'bypasses row security'],
    ['a wrong password', () => url('keeper'), () => 'wrong', 'the password is refused'],
    [
      'a database that is not there',
      () => url('keeper').replace('/external', '/nowhere'),
      () => 'keeper',
      'it does not exist',
    ],
    [
      'a server that is not there',
      () => 'postgresql://keeper@127.0.0.1:1/external',
      () => 'keeper',
      'cannot be reached',
    ],
  ])('refuses %s in one sentence', async (_what, databaseUrl, password, sentence) => {
    const started = await startOn(databaseUrl(), password())
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain(sentence)
    expect(started.output()).not.toContain('    at ')
  })
  it('says which command stores the password that it misses', async () => {
    const started = redoubt(['start'], { ...(await environmentOf(await newHome())), DATABASE_URL: url('keeper') })
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain('redoubt secret set database/owner, then start again')
  })
  it('is refused without TLS to another machine before anybody has to set its password', async () => {
    const DATABASE_URL = 'postgresql://keeper@db.example.com/external'
    const started = redoubt(['start'], { ...(await environmentOf(await newHome())), DATABASE_URL })
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain('sslmode is nothing and must be verify-full')
  })
  it('takes no password in the address, and does not repeat it', async () => {
    const databaseUrl = url('keeper').replace('keeper@', 'keeper:hunter2-in-the-address@')
    const home = await newHome()
    const started = redoubt(['start'], { ...(await environmentOf(home)), DATABASE_URL: databaseUrl })
    expect(await started.ended()).toBe(1)
    expect(started.output()).toContain('DATABASE_URL holds a password: store it with redoubt secret set database/owner')
    expect(started.output()).not.toContain('hunter2-in-the-address')
    expect(await readdir(home)).toEqual([])
  })
})

// Mounting a small disk takes root; elsewhere the test says so instead of passing for nothing.
describe.skipIf(process.getuid?.() !== 0)('a full disk (needs root)', () => {
  it('is refused in one sentence that says how much is missing', async () => {
    const small = await newHome()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=60m', 'tmpfs', small])
    try {
      const started = redoubt(['start'], await environmentOf(join(small, 'home')))
      expect(await started.ended()).toBe(1)
      expect(started.output()).toMatch(/The disk of \S+ has \d+ MB free and PostgreSQL needs 200 MB: free some space/)
    } finally {
      execFileSync('umount', [small])
    }
  })
})
