import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import type { TestOrganization } from '../../server/test/harness.ts'
import { addClientCommands } from '../src/client-commands.ts'
import { redoubt } from './command-process.ts'
import { type Installation, type Machine, password, startInstallation } from './signed-in.ts'
import { redoubt as startRedoubt } from './start-process.ts'

/** `org show` and so on, each with its command. */
const leaves = (command: Command, path: string[] = []): [string, Command][] =>
  command.commands.flatMap((each) => {
    const name = [...path, each.name()]
    return each.commands.length > 0 ? leaves(each, name) : [[name.join(' '), each] as [string, Command]]
  })
const program = new Command('redoubt')
addClientCommands(program)

describe('every command', () => {
  const all = leaves(program)

  it('is there, as the guide lists them', async () => {
    const guide = await readFile(
      join(import.meta.dirname, '..', '..', '..', 'docs', 'guides', 'command-line.md'),
      'utf8',
    )
    expect(all).toHaveLength(50)
    for (const [name] of all) expect(guide, name).toMatch(new RegExp(`\\$ redoubt ${name}\\b`))
  })

  it.each(all)('%s teaches: a summary, a description and an example of itself', (name, command) => {
    let help = ''
    command.configureOutput({
      writeOut: (text) => {
        help += text
      },
    })
    command.outputHelp()
    expect(command.summary().length).toBeGreaterThan(10)
    expect(command.description().length).toBeGreaterThan(command.summary().length)
    expect(help).toContain(`  $ redoubt ${name}`)
    if (name !== 'runner start') expect(help).toContain('--json')
    for (const argument of command.registeredArguments) expect(argument.description, argument.name()).not.toBe('')
  })
})

describe('exit codes', () => {
  it.each([
    [['org'], /Commands:/],
    [['nonsense'], /unknown command/],
    [['user', 'role', 'a@example.org', 'emperor'], /Allowed choices are viewer, user, moderator, admin/],
    [['alert', 'list', '--limit', '0'], /from 1 to 100000/],
    [['source', 'create', 'only-a-name'], /missing required argument/],
    [['runner', 'start', '--enrol', 'https://soc.example.com'], /two values/],
    [['runner', 'start', '--enrol', 'http://soc.example.com', 'run_0123456789abcdef'], /TLS alone/],
    [['runner', 'start', '--token-file', 'token'], /with --enrol/],
  ])('%j is written wrongly: 2', async (args, says) => {
    const { code, out, err } = await redoubt(args, { XDG_CONFIG_HOME: '/nonexistent' })
    expect({ code, out, err }).toEqual({ code: 2, out: '', err: expect.stringMatching(says) })
  })

  it('help is 0, and whoever is not signed in is told how, with 1', async () => {
    expect(await redoubt(['audit', 'proof', '--help'], {})).toMatchObject({ code: 0, err: '' })
    const environment = { XDG_CONFIG_HOME: '/nonexistent' }
    expect(await redoubt(['org', 'show'], environment)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/run redoubt login/),
    })
  })
})

describe('signed in as an admin', () => {
  let installation: Installation
  let organization: TestOrganization
  let machine: Machine
  let email: string
  beforeAll(async () => {
    installation = await startInstallation()
    organization = await installation.t.organization()
    email = (await installation.person(organization, 'admin')).email
    machine = installation.machine()
    expect(await machine.run(['login', '--email', email], `${password}\n`)).toMatchObject({ code: 0 })
  })
  afterAll(() => installation.stop())

  async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { code, out, err } = await machine.run([...args, '--json'])
    expect({ args, code, err }).toEqual({ args, code: 0, err: '' })
    return JSON.parse(out) as T
  }

  test('organizations: shows its own, makes a client and lists it', async () => {
    expect(await json('org', 'show')).toMatchObject({ slug: organization.slug, role: 'admin' })
    const slug = `${organization.slug}-client`
    const made = await machine.run(['org', 'create-client', 'Fabrikam Finance', slug])
    expect(made).toMatchObject({ code: 0, out: expect.stringContaining(`redoubt login --organization ${slug}`) })
    expect(await json('org', 'clients')).toMatchObject({ items: [{ slug, name: 'Fabrikam Finance' }] })
    const taken = await machine.run(['org', 'create-client', 'Again', slug, '--json'])
    expect(taken).toMatchObject({ code: 1, err: expect.stringContaining('is taken') })
    expect(JSON.parse(taken.out)).toMatchObject({ error: { code: 'conflict', requestId: expect.any(String) } })
  })

  test('a wrong field is named, with how to mend it', async () => {
    const { code, err } = await machine.run(['org', 'create-client', 'Fabrikam', 'Not A Slug'])
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringMatching(/slug: use lower-case letters.*\(request /),
    })
  })

  test('users: invites, changes a role by e-mail address, ends sessions and removes', async () => {
    const other = await installation.person(organization, 'viewer')
    const invited = await machine.run(['user', 'invite', 'grace@example.com', 'moderator'])
    expect(invited).toMatchObject({ code: 0, out: expect.stringMatching(/link +http/) })
    const open = await json<{ items: { id: string; email: string }[] }>('user', 'invitations')
    expect(open.items.map((each) => each.email)).toEqual(['grace@example.com'])
    expect(await json('user', 'withdraw', open.items[0]?.id as string)).toMatchObject({ done: true })
    expect((await json<{ items: object[] }>('user', 'invitations')).items).toEqual([])
    expect(await json('user', 'role', other.email, 'user')).toMatchObject({ email: other.email, role: 'user' })
    const { items } = await json<{ items: { email: string }[] }>('user', 'list')
    expect(items.map((each) => each.email)).toEqual(expect.arrayContaining([email, other.email]))
    const theirs = installation.machine()
    await theirs.run(['login', '--email', other.email], `${password}\n`)
    const { items: sessions } = await json<{ items: { kind: string }[] }>('user', 'sessions', other.email)
    expect(sessions.map(({ kind }) => kind).sort()).toEqual(['browser', 'token'])
    expect(await json('user', 'end-sessions', other.email)).toMatchObject({ ended: 2 })
    expect(await theirs.run(['org', 'show'])).toMatchObject({ code: 1 })
    expect(await json('user', 'remove', other.email)).toMatchObject({ done: true })
    const gone = await machine.run(['user', 'remove', other.email])
    expect(gone).toMatchObject({ code: 1, err: expect.stringContaining('No member is called') })
  })

  test('sources: creates with a mapping, shows credentials once, rotates, disables and removes', async () => {
    const mapping = join(installation.folder, 'mapping.json')
    await writeFile(mapping, JSON.stringify({ title: 'event.name' }))
    const made = await json<{ source: { id: string }; credentials: { token: string } }>(
      'source',
      'create',
      'Doors',
      'doors',
      'generic',
      '--tlp',
      'GREEN',
      '--mapping',
      mapping,
    )
    expect(made).toMatchObject({ source: { slug: 'doors', tlp: 'GREEN', mapping: { title: 'event.name' } } })
    const rotated = await json<{ token: string }>('source', 'rotate', 'doors')
    expect(rotated.token).not.toBe(made.credentials.token)
    expect(await json('source', 'disable', 'doors')).toMatchObject({ enabled: false })
    expect(await json('source', 'enable', made.source.id)).toMatchObject({ enabled: true })
    const { out } = await machine.run(['source', 'list'])
    expect(out).toMatch(/^SLUG +NAME +TYPE.*\ndoors +Doors +generic/)
    expect(out).not.toContain(rotated.token)
    expect(await json('source', 'remove', 'doors')).toMatchObject({ done: true })
    expect((await json<{ items: unknown[] }>('source', 'adapters')).items.length).toBeGreaterThan(10)
    await writeFile(mapping, JSON.stringify({ titel: 'event.name' }))
    const wrong = await machine.run(['source', 'create', 'D', 'doors-2', 'generic', '--mapping', mapping])
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('titel') })
  })

  test('alerts and cases: lists them, and shows a case by its number with what strangers wrote made harmless', async () => {
    const client = await installation.t.member(organization, 'admin')
    const title = 'Beacon \u202egnp.exe \u009b2J on fin-07'
    const opened = await installation.t.call(client, 'cases.open', { title, severity: 'high' })
    expect(await json('alert', 'list', '--state', 'new', '--severity', 'high')).toEqual({ items: [] })
    const listed = await json<{ items: { id: string }[] }>('case', 'list', '--open', '--severity', 'high')
    expect(listed.items.map(({ id }) => id)).toEqual([opened.id])
    const { code, out } = await machine.run(['case', 'show', String(opened.number)])
    expect(code).toBe(0)
    expect(out).toContain('Beacon \\u{202e}gnp.exe \\u{9b}2J on fin-07')
    for (const raw of ['\u202e', '\u009b', '\u001b']) expect(out).not.toContain(raw)
    expect(await json('case', 'show', opened.id)).toMatchObject({ title, timeline: [{ kind: 'opened' }] })
    const missing = await machine.run(['case', 'show', '4711'])
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('no case 4711') })
  })

  test('runners: one that was invited starts in the foreground, enrols, is listed, stops with 0 and is revoked', async () => {
    const invited = await machine.run(['runner', 'invite', 'Plant 3'])
    const [, url, token] = /redoubt runner start --enrol (\S+) (\S+)/.exec(invited.out) as unknown as [
      string,
      string,
      string,
    ]
    // The port of the configuration; in a test any free one is taken.
    expect(url).toBe('https://localhost:0')
    const environment = { REDOUBT_RUNNER_HOME: join(installation.folder, 'runner'), REDOUBT_RUNNER_PORT: '0' }
    const runner = startRedoubt(['runner', 'start', '--enrol', installation.runnersUrl, token], environment)
    await runner.until(/runner listening on https/)
    const enrolled = await eventually(async () => {
      const { items } = await json<{ items: { id: string; name: string; revoked: boolean }[] }>('runner', 'list')
      return items[0]
    })
    expect(enrolled).toMatchObject({ name: 'Plant 3', revoked: false })
    runner.child.kill('SIGTERM')
    expect(await runner.ended()).toBe(0)
    expect(await json('runner', 'revoke', 'Plant 3')).toMatchObject({ done: true, id: enrolled.id })
    const again = await machine.run(['runner', 'revoke', 'Plant 3'])
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('No runner is called') })
  })

  test('audit: what was done is listed, proven, exported and verified without the server', async () => {
    await installation.t.startSequencer()
    const event = await eventually(async () => {
      const { items } = await json<{ items: { id: string; seq: number | null }[] }>('audit', 'list', '--limit', '5')
      return items.find(({ seq }) => seq !== null)
    })
    const head = await json<{ verifier: string; size: number }>('audit', 'checkpoint')
    expect(head).toMatchObject({ verified: true })
    expect(await json('audit', 'proof', event.id)).toMatchObject({ ok: true, seq: event.seq })
    const file = join(installation.folder, 'log.ndjson')
    expect(await machine.run(['audit', 'export', '--out', file])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Saved [\d,]+ bytes/),
    })
    const alone = { XDG_CONFIG_HOME: '/nonexistent' }
    const whole = await redoubt(['audit', 'verify', file, '--key', head.verifier, '--json'], alone)
    expect({ code: whole.code, found: JSON.parse(whole.out) }).toMatchObject({ code: 0, found: { ok: true } })

    await writeFile(file, (await readFile(file, 'utf8')).replace('session.opened', 'session.closed'))
    expect(await redoubt(['audit', 'verify', file], alone)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/does NOT verify/),
    })
    expect(await redoubt(['audit', 'verify', `${file}.none`], alone)).toMatchObject({ code: 2 })
    const again = await machine.run(['audit', 'export', '--out', file])
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('exists already') })
    const otherKey = await machine.run(['audit', 'checkpoint', '--key', `${head.verifier.slice(0, -6)}AAAAA=`])
    expect(otherKey.code).toBe(1)
  })

  test('a viewer is refused in a sentence', async () => {
    const viewer = await installation.person(organization, 'viewer')
    const theirs = installation.machine()
    await theirs.run(['login', '--email', viewer.email], `${password}\n`)
    const refused = await theirs.run(['org', 'create-client', 'X', 'x-client'])
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/\(request [0-9a-f-]{36}\)\n$/) })
  })
})

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error('it did not happen')
}
