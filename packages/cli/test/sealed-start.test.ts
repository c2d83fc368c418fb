import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redoubt as runToEnd } from './command-process.ts'
import { environmentOf, redoubt, type Started } from './start-process.ts'
import { atTerminal, terminalProgram } from './terminal.ts'

const passphrase = 'five unrelated words are enough'
const homes: string[] = []
const running: Started[] = []
afterAll(async () => {
  for (const { child } of running) child.kill('SIGTERM')
  await Promise.all(running.map((each) => each.ended()))
  await Promise.all(homes.map((home) => rm(home, { recursive: true, force: true })))
})
async function newInstallation() {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-sealed-'))
  homes.push(home)
  const environment = await environmentOf(home)
  const run = (args: string[], input = '') => runToEnd(args, environment, input)
  const ask = (port: 'WEB' | 'API' | 'INGESTION', path: string) =>
    fetch(`http://127.0.0.1:${environment[`REDOUBT_${port}_PORT`]}${path}`)
  const start = () => {
    const started = redoubt(['start'], environment)
    running.push(started)
    return started
  }
  return { home, environment, run, ask, start }
}
const sealed = /sealed: waits for/
const ready = /Ready after/

describe('a platform whose master key is sealed by a passphrase', () => {
  let installation: Awaited<ReturnType<typeof newInstallation>>
  let started: Started
  beforeAll(async () => {
    installation = await newInstallation()
    expect(await installation.run(['keys', 'protect', '--passphrase'], `${passphrase}\n`)).toMatchObject({ code: 0 })
    started = installation.start()
    await started.until(sealed)
  })

  it('keeps the key in no readable form', async () => {
    const file = JSON.parse(await readFile(join(installation.home, 'keys', 'master.json'), 'utf8'))
    expect(file.protection).toMatchObject({ kind: 'passphrase' })
    expect(file.protection).not.toHaveProperty('key')
  })

  it('answers health alone, and refuses everything else with the reason', async () => {
    for (const port of ['WEB', 'API', 'INGESTION'] as const) {
      const health = await installation.ask(port, '/healthz')
      expect({ status: health.status, body: await health.json() }).toEqual({ status: 200, body: { status: 'sealed' } })
      for (const path of ['/', '/readyz', '/api/v1/cases', '/trpc/auth.me', '/.well-known/jwks.json', '/ingest/x']) {
        const refused = await installation.ask(port, path)
        expect(refused.status, path).toBe(503)
        expect(await refused.json()).toMatchObject({ code: 'unavailable', detail: expect.stringContaining('sealed') })
      }
    }
  })

  it('is told apart from another program by redoubt doctor', async () => {
    const { checks } = JSON.parse((await installation.run(['doctor', '--json'])).out)
    for (const service of ['web', 'api', 'ingestion'])
      expect(checks).toContainEqual(
        expect.objectContaining({ id: `service.${service}`, status: 'fail', mend: 'redoubt unseal' }),
      )
  })

  it('does nothing else for the command line either', async () => {
    for (const args of [['secret', 'list'], ['keys', 'status'], ['backup'], ['keys', 'rotate', 'kek']]) {
      const { code, err } = await installation.run(args)
      expect({ code, err }).toEqual({ code: 1, err: 'The platform is sealed: redoubt unseal opens it.\n' })
    }
  })

  it('is not opened by a wrong passphrase or an empty one, and neither is repeated', async () => {
    const wrong = await installation.run(['unseal', '--json'], 'six unrelated words are not it\n')
    expect(wrong).toMatchObject({ code: 1, err: 'The passphrase is wrong, or keys/master.json was altered.\n' })
    expect(JSON.parse(wrong.out)).toMatchObject({ error: { code: 'master_refuses' } })
    expect(wrong.out + wrong.err).not.toContain('unrelated')
    expect(await installation.run(['unseal'], '')).toMatchObject({ code: 2 })
    expect((await installation.ask('API', '/healthz')).status).toBe(200)
  })

  it('takes no passphrase as an argument', async () => {
    expect(await installation.run(['unseal', passphrase])).toMatchObject({ code: 2 })
    expect(await installation.run(['unseal', '--passphrase', passphrase])).toMatchObject({ code: 2 })
  })

  it('ends at once on SIGTERM, as one that runs does', async () => {
    started.child.kill('SIGTERM')
    expect(await started.ended()).toBe(0)
    expect(started.output()).toContain('Stopped before its keys were unsealed.')
    started = installation.start()
    await started.until(sealed)
  })

  it('waits again after kill -9, and opens then', async () => {
    started.child.kill('SIGKILL')
    expect(await started.ended()).toBe('SIGKILL')
    expect(existsSync(join(installation.home, 'keys', 'keeper.sock'))).toBe(true)
    expect(await installation.run(['unseal'], `${passphrase}\n`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Nothing waits on'),
    })
    started = installation.start()
    await started.until(sealed)
    expect(await installation.run(['unseal'], `${passphrase}\n`)).toEqual({
      code: 0,
      out: 'Unsealed: the platform goes on with its start.\n',
      err: '',
    })
    await started.until(ready)
    expect((await installation.ask('API', '/readyz')).status).toBe(200)
    expect(started.output()).not.toContain(passphrase)
    expect(await installation.run(['unseal'])).toMatchObject({ code: 0, out: 'The platform is not sealed.\n' })
  })

  it('does not start a second time on the same home, even on other ports', async () => {
    const second = redoubt(['start'], { ...(await environmentOf(installation.home)), REDOUBT_HOME: installation.home })
    expect(await second.ended()).toBe(1)
    expect(second.output()).toContain(`Redoubt runs already on ${installation.home}`)
    expect(await installation.run(['keys', 'status'])).toMatchObject({ code: 0 })
  })

  it('asks for the passphrase when a command opens the keys itself', async () => {
    started.child.kill('SIGTERM')
    expect(await started.ended()).toBe(0)
    expect(await installation.run(['secret', 'list'], 'not it at all\n')).toMatchObject({ code: 1 })
    expect(
      await installation.run(['secret', 'set', 'smtp/password'], `${passphrase}\na value\nof two lines\n`),
    ).toMatchObject({
      code: 0,
      out: 'smtp/password is set, version 1.\n',
    })
    expect(await installation.run(['keys', 'protect', '--none'], `${passphrase}\n`)).toMatchObject({ code: 0 })
    expect(await installation.run(['secret', 'list', 'smtp/'])).toMatchObject({ code: 0 })
  })
})

describe('a platform whose master key is sealed by 2 of 3 shares', { skip: !existsSync(terminalProgram) }, () => {
  let installation: Awaited<ReturnType<typeof newInstallation>>
  let shares: string[]
  let older: string[]
  const shareIn = (screen: string) => screen.match(/rdshare1-\S+/g) ?? []
  async function protect(): Promise<{ screen: string; code: number | null; shares: string[] }> {
    const done = await atTerminal(['keys', 'protect', '--shares', '2/3'], installation.environment, [
      [/Type one of them/, () => 'rdshare1-none-of-them'],
      [/none of the new shares[\s\S]*Type one of them/, (screen) => shareIn(screen)[1] as string],
    ])
    return { ...done, shares: [...new Set(shareIn(done.screen))].filter((share) => share.includes('-2of3-')) }
  }
  beforeAll(async () => {
    installation = await newInstallation()
  })

  it('shows the shares once, on a terminal alone, and only then lets go of the earlier protection', async () => {
    const refused = await installation.run(['keys', 'protect', '--shares', '2/3'])
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('on a terminal alone') })
    const masterFile = join(installation.home, 'keys', 'master.json')
    expect(JSON.parse(await readFile(masterFile, 'utf8')).protection.kind).toBe('plain')
    const unsure = await atTerminal(
      ['keys', 'protect', '--shares', '2/3'],
      installation.environment,
      Array.from({ length: 3 }, () => [/Type one of them/, () => 'lost'] as const),
    )
    expect(unsure.code).toBe(1)
    expect(JSON.parse(await readFile(masterFile, 'utf8')).protection.kind).toBe('plain')
    older = [...new Set(shareIn(unsure.screen))]

    const { code, shares: shown, screen } = await protect()
    expect({ code, shown: shown.length }).toEqual({ code: 0, shown: 3 })
    expect(screen).toContain('2 of the 3 shares open the master key')
    expect(JSON.parse(await readFile(masterFile, 'utf8')).protection.kind).toBe('shares')
    shares = shown
  })

  it('opens by two of them, given one by one, and says what is wrong with any other', async () => {
    const started = installation.start()
    await started.until(/waits for 2 of its 3 shares/)
    const [first = '', second = '', third = ''] = shares
    const give = async (share: string) => {
      const { code, out, err } = await installation.run(['unseal'], `${share}\n`)
      if (share.length > 40) expect(out + err).not.toContain(share.slice(30, 40))
      return { code, says: out + err }
    }
    const typo = `${first.slice(0, -10)}${first.at(-10) === '7' ? '8' : '7'}${first.slice(-9)}`
    expect(await give(typo)).toEqual({ code: 1, says: expect.stringContaining('there is a typo in this share') })
    expect(await give('rdshare1')).toEqual({ code: 1, says: expect.stringContaining('this is not a share') })
    expect(await give(older[0] as string)).toEqual({ code: 1, says: expect.stringContaining('belongs to set') })
    expect(await give(first)).toEqual({ code: 0, says: 'The share is taken; 1 more is needed.\n' })
    expect(await give(first)).toEqual({ code: 1, says: expect.stringContaining('was given already') })
    expect((await installation.ask('WEB', '/')).status).toBe(503)
    expect(await give(third.toUpperCase())).toEqual({ code: 0, says: expect.stringContaining('Unsealed') })
    await started.until(ready)
    expect((await installation.ask('API', '/readyz')).status).toBe(200)
    for (const share of [first, second, third]) expect(started.output()).not.toContain(share)
    started.child.kill('SIGTERM')
    expect(await started.ended()).toBe(0)
  })
})
