import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DatabaseInspection, inspectDatabase } from '@redoubt/server'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { startTestPlatform, type TestPlatform } from '../../server/test/harness.ts'
import { callConsole } from '../src/demo/console-call.ts'
import { judgeDatabase } from '../src/doctor/database-checks.ts'
import { checkNode, checkTls, judgeDisk } from '../src/doctor/machine-checks.ts'
import { judgeCsp } from '../src/doctor/service-checks.ts'
import { redoubt as runToEnd } from './command-process.ts'
import { environmentOf, redoubt } from './start-process.ts'

type Shown = { ok: boolean; checks: { id: string; status: string; found: string; mend: string | null }[] }
const statuses = ({ checks }: Pick<Shown, 'checks'>) => Object.fromEntries(checks.map(({ id, status }) => [id, status]))

describe('on a real installation', () => {
  let home: string
  let environment: Record<string, string>
  let started: ReturnType<typeof redoubt>
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'redoubt-doctor-'))
    environment = await environmentOf(home)
    started = redoubt(['start'], environment)
    const [, token] = await started.until(/token=(\S+)\s/)
    await callConsole(`http://127.0.0.1:${environment['REDOUBT_WEB_PORT']}`, 'auth.setUp', {
      token,
      organization: 'Northwind',
      name: 'Ada',
      email: 'ada@example.org',
      password: 'three unrelated words',
    })
  })
  afterAll(async () => {
    started.child.kill('SIGTERM')
    await started.ended()
    await rm(home, { recursive: true, force: true })
  })
  async function doctor(more: Record<string, string> = {}): Promise<{ code: number | null; found: Shown }> {
    const { code, out } = await runToEnd(['doctor', '--json'], { ...environment, ...more })
    return { code, found: JSON.parse(out) as Shown }
  }

  it('finds nothing to mend, and says so to people too', async () => {
    const { code, found } = await doctor()
    const { runners, 'service.runner': runner, disk, ...rest } = statuses(found)
    expect(rest).toEqual(
      Object.fromEntries(
        [
          ...['node', 'console', 'home', 'keys', 'tls', 'database', 'row-security', 'clock', 'audit.checkpoints'],
          ...['audit.sealing', 'service.web', 'service.api', 'service.ingestion', 'csp'],
        ].map((id) => [id, 'ok']),
      ),
    )
    // How far the runner's enrolment has come, and how full the disk is, are not this test's to say.
    for (const status of [runners, runner, disk]) expect(['ok', 'warn']).toContain(status)
    expect({ code, ok: found.ok }).toEqual({ code: 0, ok: true })
    const people = await runToEnd(['doctor'], environment)
    expect(people.out).toMatch(/^ok {4}row security +forced on every tenant table/m)
    expect(people.out).toMatch(/\d+ ok, \d to look at, 0 to mend\n$/)
  })

  it('exits with 1 when others can read the keys, and says how to mend it', async () => {
    const keys = join(home, 'keys', 'master.json')
    await chmod(keys, 0o644)
    const { code, found } = await doctor()
    await chmod(keys, 0o600)
    expect({ code, ok: found.ok }).toEqual({ code: 1, ok: false })
    expect(found.checks.find(({ id }) => id === 'keys')).toMatchObject({
      status: 'fail',
      mend: expect.stringContaining(`chmod 600 ${keys}`),
    })
  })

  it('tells another program on a port from the service', async () => {
    const { code, found } = await doctor({ REDOUBT_API_PORT: environment['REDOUBT_WEB_PORT'] as string })
    expect(code).toBe(1)
    expect(found.checks.find(({ id }) => id === 'service.api')).toMatchObject({
      found: expect.stringContaining('another program'),
    })
  })

  it('makes nothing where there is no home', async () => {
    const { code, found } = await doctor({ REDOUBT_HOME: join(home, 'nowhere') })
    expect(code).toBe(1)
    expect(found.checks.find(({ id }) => id === 'home')).toMatchObject({ status: 'fail' })
    expect((await doctor({ REDOUBT_HOME: join(home, 'nowhere') })).found.checks.some(({ id }) => id === 'keys')).toBe(
      false,
    )
  })
})

describe('the database', () => {
  let t: TestPlatform
  beforeAll(async () => {
    t = await startTestPlatform()
  })
  afterAll(() => t.stop())
  const inspect = () => inspectDatabase(t.loginOf('redoubt_api'), t.keeper)
  const judge = async (running = true) =>
    judgeDatabase(await inspect(), { now: new Date(Date.now() + 60_000), running })
  const one = async (id: string, running?: boolean) => (await judge(running)).find((each) => each.id === id)

  test('before anybody set the platform up is said to wait for it', async () => {
    expect(statuses({ checks: await judge() })).toMatchObject({ 'set-up': 'warn', 'row-security': 'ok', clock: 'ok' })
  })

  test('whose audit events are not sealed fails while the platform runs, and warns while it does not', async () => {
    const organization = await t.organization()
    const admin = await t.member(organization)
    await t.call(admin, 'cases.open', { title: 'A case', severity: 'low' })
    expect(await one('audit.sealing')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining(organization.slug),
    })
    expect(await one('audit.sealing', false)).toMatchObject({ status: 'warn' })
    await t.startSequencer()
    await expect.poll(async () => (await one('audit.sealing'))?.status, { timeout: 10_000 }).toBe('ok')
    expect(await one('audit.checkpoints')).toMatchObject({ status: 'ok' })
    expect(await one('runners')).toMatchObject({ status: 'warn', found: expect.stringContaining(organization.slug) })
  })

  test('whose newest checkpoint was altered fails', async () => {
    await t.admin.query('alter table audit_checkpoints disable trigger append_only')
    await t.admin.query(`update audit_checkpoints set note = replace(note, E'\\n1\\n', E'\\n2\\n')`)
    expect(await one('audit.checkpoints')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('signature'),
    })
  })

  test('with a table whose row security is not forced fails, naming it and the statement that mends it', async () => {
    await t.admin.query('alter table cases no force row level security')
    expect(await one('row-security')).toMatchObject({
      status: 'fail',
      found: expect.stringMatching(/not forced on cases: alter table/),
    })
    await t.admin.query('alter table cases force row level security')
  })
})

describe('judgement', () => {
  const sound: DatabaseInspection = { version: '18.4', clockSkewMs: 3, unsafe: [], organizations: [] }
  const judged = (found: Partial<DatabaseInspection>) =>
    statuses({ checks: judgeDatabase({ ...sound, ...found }, { now: new Date(), running: true }) })

  test('of clocks: two seconds are worth a look, half the life of a tenant context is not worked with', () => {
    expect([3, -2000, 2500, -30_000].map((clockSkewMs) => judged({ clockSkewMs })['clock'])).toEqual([
      'ok',
      'warn',
      'warn',
      'fail',
    ])
  })

  test('of PostgreSQL: 18 alone', () => {
    expect(['18.4', '17.9', '19.0'].map((version) => judged({ version })['database'])).toEqual(['ok', 'fail', 'fail'])
  })

  test('of Node.js: the pinned version is fine, another of its line is worth a look', () => {
    expect(['26.10.0', '26.9.1', '24.1.0'].map((version) => checkNode(version, '26.10.0').status)).toEqual([
      'ok',
      'warn',
      'fail',
    ])
  })

  test('of the disk', () => {
    expect([50_000, 2000, 100].map((freeMb) => judgeDisk(freeMb).status)).toEqual(['ok', 'warn', 'fail'])
  })

  test('of TLS: beyond loopback the console has to be an https address', () => {
    const tls = (host: string, publicUrl: string) => checkTls({ host, publicUrl }).status
    expect(tls('127.0.0.1', 'http://localhost:3000')).toBe('ok')
    expect(tls('0.0.0.0', 'http://soc.example.com')).toBe('warn')
    expect(tls('0.0.0.0', 'https://soc.example.com')).toBe('ok')
  })

  test('of the content security policy: one directive less or one inline source more is weak', () => {
    const strict = "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'"
    expect(judgeCsp(strict)).toBe(true)
    for (const weak of [
      null,
      '',
      strict.replace("script-src 'self'; ", ''),
      strict.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'"),
    ]) {
      expect(judgeCsp(weak), String(weak)).toBe(false)
    }
  })
})
