import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { TestOrganization } from '../../server/test/harness.ts'
import { connect } from '../src/connection.ts'
import { readEnvironment } from '../src/environment.ts'
import { mainFile } from './command-process.ts'
import { type Installation, type Machine, password, startInstallation } from './signed-in.ts'

let installation: Installation
let organization: TestOrganization
let email: string
beforeAll(async () => {
  installation = await startInstallation()
  organization = await installation.t.organization()
  email = (await installation.person(organization, 'admin')).email
})
afterAll(() => installation.stop())

const login = (machine: Machine, ...more: string[]) =>
  machine.run(['login', '--email', email, ...more], `${password}\n`)
async function signedIn(): Promise<Machine> {
  const machine = installation.machine()
  expect(await login(machine)).toMatchObject({ code: 0 })
  return machine
}
type Kept = { signIns: { accessToken: string; refreshToken: string; accessExpiresAt: string; organization: string }[] }
const keptBy = async ({ credentials }: Machine) => JSON.parse(await readFile(credentials, 'utf8')) as Kept

describe('login', () => {
  it('keeps the session in a file and a folder that only their owner can read', async () => {
    const machine = await signedIn()
    expect((await stat(machine.credentials)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(machine.credentials))).mode & 0o777).toBe(0o700)
    for (const name of await readdir(dirname(machine.credentials))) {
      expect((await stat(`${dirname(machine.credentials)}/${name}`)).mode & 0o077, name).toBe(0)
    }
  })

  it('prints neither the password nor a token, and keeps no password', async () => {
    const machine = installation.machine()
    const { out, err } = await login(machine, '--json')
    expect(JSON.parse(out)).toMatchObject({ user: { email }, organization: { slug: organization.slug }, role: 'admin' })
    const { signIns } = await keptBy(machine)
    for (const secret of [password, signIns[0]!.accessToken, signIns[0]!.refreshToken])
      expect(out + err).not.toContain(secret)
    expect(await readFile(machine.credentials, 'utf8')).not.toContain(password)
  })

  it('takes no password as an argument', async () => {
    const machine = installation.machine()
    for (const args of [['--password', password], [password]]) {
      const { code, out, err } = await login(machine, ...args)
      expect({ code, existed: existsSync(machine.credentials) }).toEqual({ code: 2, existed: false })
      expect(out + err).not.toContain(password)
    }
  })

  it('reads the password from a terminal without echo', { skip: !existsSync('/usr/bin/script') }, async () => {
    const machine = installation.machine()
    const command = `${process.execPath} ${mainFile} login --email ${email}`
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env['PATH'], ...machine.environment },
    })
    let screen = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (!screen.includes('Password for') && (screen + chunk).includes('Password for'))
        child.stdin.write(`${password}\r`)
      screen += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(screen).toContain(`Password for ${email} at ${installation.url}: `)
    expect(screen).toContain('signed in')
    expect(screen).not.toContain(password)
    expect(code).toBe(0)
  })

  it('says in one sentence what was refused, keeps nothing, and exits with 1', async () => {
    const machine = installation.machine()
    const { code, out, err } = await machine.run(['login', '--email', email], 'not the password\n')
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(/^E-mail address or password is wrong\. \(request [0-9a-f-]{36}\)\n$/)
    expect(existsSync(machine.credentials)).toBe(false)
  })

  it('sends no password beyond this machine in the clear', async () => {
    const machine = installation.machine()
    const { code, err } = await login(machine, '--url', 'http://soc.example.com:4000')
    expect(code).toBe(2)
    expect(err).toContain('use https:// beyond this machine')
  })

  it('needs to be told who signs in when no terminal can be asked', async () => {
    const { code, err } = await installation.machine().run(['login'], `${password}\n`)
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('--email') })
  })
})

describe('a session', () => {
  test('outlives its access token: the next command renews it and keeps the new tokens', async () => {
    const machine = await signedIn()
    const before = await keptBy(machine)
    await expire(machine)
    expect(await machine.run(['org', 'show'])).toMatchObject({ code: 0 })
    const after = await keptBy(machine)
    expect(after.signIns[0]!.refreshToken).not.toBe(before.signIns[0]!.refreshToken)
    expect((await stat(machine.credentials)).mode & 0o777).toBe(0o600)
    expect(await machine.run(['org', 'show'])).toMatchObject({ code: 0 })
  })

  test('is renewed once when many commands find it expired at the same time', async () => {
    const machine = await signedIn()
    await expire(machine)
    const results = await Promise.all(Array.from({ length: 4 }, () => machine.run(['org', 'show'])))
    expect(results.map(({ code, err }) => ({ code, err }))).toEqual(Array(4).fill({ code: 0, err: '' }))
    await expire(machine)
    expect(await machine.run(['org', 'show'])).toMatchObject({ code: 0 })
  })

  test('is renewed once when two ask in the very same moment, so that neither looks like a thief', async () => {
    const machine = await signedIn()
    await expire(machine)
    const environment = readEnvironment(machine.environment)
    const both = [connect(environment), connect(environment)]
    const people = await Promise.all(both.map(({ client }) => client.auth.me()))
    expect(people.map(({ user }) => user.email)).toEqual([email, email])
    expect(await machine.run(['org', 'show'])).toMatchObject({ code: 0 })
  })

  test('is renewed when the platform alone finds it expired, and the request is sent again', async () => {
    const machine = await signedIn()
    installation.t.clock.advance(16 * 60_000)
    const results = await Promise.all([machine.run(['org', 'show']), machine.run(['user', 'list'])])
    expect(results.map(({ code, err }) => ({ code, err }))).toEqual(Array(2).fill({ code: 0, err: '' }))
  })

  test('that was ended elsewhere is told so, and its tokens are forgotten', async () => {
    const machine = await signedIn()
    expect(await machine.run(['user', 'end-sessions', email])).toMatchObject({ code: 0 })
    const { code, err } = await machine.run(['org', 'show'])
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('has ended: run redoubt login') })
    expect((await keptBy(machine)).signIns).toEqual([])
  })

  test('is ended by logout, for whoever copied its token too', async () => {
    const machine = await signedIn()
    const { signIns } = await keptBy(machine)
    const stolen = { REDOUBT_ACCESS_TOKEN: signIns[0]!.accessToken }
    expect(await machine.run(['org', 'show'], '', stolen)).toMatchObject({ code: 0 })
    expect(await machine.run(['logout'])).toMatchObject({
      code: 0,
      out: `Signed out of ${organization.slug} at ${installation.url}.\n`,
    })
    expect(await machine.run(['org', 'show'], '', stolen)).toMatchObject({
      code: 1,
      err: expect.stringContaining('sign in'),
    })
    expect((await keptBy(machine)).signIns).toEqual([])
  })

  test('is forgotten by logout also when the platform cannot be reached, which is said', async () => {
    const machine = await signedIn()
    const kept = await keptBy(machine)
    const nowhere = 'http://localhost:1'
    await writeFile(
      machine.credentials,
      JSON.stringify({ ...kept, signIns: kept.signIns.map((each) => ({ ...each, url: nowhere })) }),
    )
    const { code, err } = await machine.run(['logout'], '', { REDOUBT_URL: nowhere })
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('could not be ended') })
    expect((await keptBy(machine)).signIns).toEqual([])
  })

  test('is not used for another installation than the one it belongs to', async () => {
    const machine = await signedIn()
    const { code, err } = await machine.run(['org', 'show'], '', { REDOUBT_URL: 'http://localhost:1' })
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining('not signed in at http://localhost:1'),
    })
  })

  test('in a file that others can read is refused', async () => {
    const machine = await signedIn()
    await chmod(machine.credentials, 0o644)
    const { code, err } = await machine.run(['org', 'show'])
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('chmod 600') })
  })
})

test('a person in several organizations keeps a session in each, and names the one to act in', async () => {
  const machine = await signedIn()
  const slug = `${organization.slug}-b`
  expect(await machine.run(['org', 'create-client', 'Second', slug])).toMatchObject({ code: 0 })
  const unnamed = await login(machine)
  expect(unnamed).toMatchObject({ code: 1, err: expect.stringContaining(slug) })
  expect(await login(machine, '--organization', slug)).toMatchObject({ code: 0 })
  const shown = async (more: Record<string, string>) =>
    JSON.parse((await machine.run(['org', 'show', '--json'], '', more)).out).slug
  expect(await shown({})).toBe(slug)
  expect(await shown({ REDOUBT_ORGANIZATION: organization.slug })).toBe(organization.slug)
  const unknown = await machine.run(['org', 'show'], '', { REDOUBT_ORGANIZATION: 'elsewhere' })
  expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('--organization elsewhere') })
})

/** As if a quarter of an hour had passed on this machine. */
async function expire(machine: Machine): Promise<void> {
  const kept = await keptBy(machine)
  const accessExpiresAt = new Date(0).toISOString()
  await writeFile(
    machine.credentials,
    JSON.stringify({ ...kept, signIns: kept.signIns.map((each) => ({ ...each, accessExpiresAt })) }),
  )
}
