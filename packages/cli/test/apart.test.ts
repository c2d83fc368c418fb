import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { environmentOf, freePort, redoubt, type Started } from './start-process.ts'

const folders: string[] = []
const started: Started[] = []
afterAll(async () => {
  for (const { child } of started) child.kill('SIGTERM')
  await Promise.all(started.map((each) => each.ended()))
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
})

async function newEnvironment(): Promise<Record<string, string> & { REDOUBT_HOME: string }> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-apart-'))
  folders.push(home)
  const ports = { REDOUBT_KEEPER_PORT: String(await freePort()), REDOUBT_RUNNER_API_PORT: String(await freePort()) }
  return { ...(await environmentOf(home)), ...ports, REDOUBT_HOME: home }
}

function service(name: string, environment: Record<string, string>): Started {
  const process = redoubt(['start', '--service', name], environment)
  started.push(process)
  return process
}
const ready = /^Ready: /m

/** Addresses a process listens on, as /proc tells them. */
function listening(pid: number): string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        return []
      }
    }),
  )
  return ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`/proc/${pid}/net/${family}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A' && sockets.has(columns[9] ?? ''))
      .map((columns) => columns[1] ?? ''),
  )
}
const loopback = /^0100007F:/

describe('services in processes of their own', () => {
  let environment: Awaited<ReturnType<typeof newEnvironment>>
  const running = new Map<string, Started>()
  const names = ['web', 'api', 'ingestion', 'worker', 'workflow-processor', 'misp-processor', 'search-sync']

  beforeAll(async () => {
    environment = await newEnvironment()
    const keeper = service('keeper', environment)
    running.set('keeper', keeper)
    await keeper.until(ready)
    for (const name of names) running.set(name, service(name, environment))
    await Promise.all(names.map((name) => running.get(name)?.until(ready)))
  }, 60_000)

  const pidOf = (name: string) => running.get(name)?.child.pid as number
  const readiness = async () =>
    (await fetch(`http://127.0.0.1:${environment['REDOUBT_API_PORT']}/readyz`).catch(() => null))?.status

  it.skipIf(process.platform !== 'linux')('listen on loopback, and four of them on nothing at all', () => {
    for (const name of ['worker', 'workflow-processor', 'misp-processor', 'search-sync'])
      expect(listening(pidOf(name)), name).toEqual([])
    for (const name of ['keeper', 'web', 'api', 'ingestion']) {
      const addresses = listening(pidOf(name))
      expect(addresses.length, name).toBeGreaterThan(0)
      for (const address of addresses) expect(address, name).toMatch(loopback)
    }
  })

  it('go on with the keys in their memory when the keeper is killed, and find it again', async () => {
    expect(await readiness()).toBe(200)
    const keeper = running.get('keeper') as Started
    keeper.child.kill('SIGKILL')
    await keeper.ended()
    const jwks = await fetch(`http://127.0.0.1:${environment['REDOUBT_API_PORT']}/.well-known/jwks.json`)
    expect(((await jwks.json()) as { keys: unknown[] }).keys.length).toBeGreaterThan(0)

    const late = service('ingestion', { ...environment, REDOUBT_INGESTION_PORT: String(await freePort()) })
    expect(await late.ended()).toBe(1)
    expect(late.output()).toMatch(/The keeper at https:\S+ does not answer, and ingestion starts only with its keys/)

    const again = service('keeper', environment)
    running.set('keeper', again)
    await again.until(ready)
    expect(await readiness()).toBe(200)
  })

  it('with a key that the keeper does not know are refused in one sentence', async () => {
    const of = (home: string) => join(home, 'services', 'search-sync', 'identity.json')
    const forged = JSON.parse(await readFile(of(environment.REDOUBT_HOME), 'utf8')) as { keys: { key: string }[] }
    forged.keys = forged.keys.map((key) => ({ ...key, key: Buffer.alloc(32, 7).toString('base64') }))
    const thief = { ...environment, REDOUBT_HOME: (await newEnvironment()).REDOUBT_HOME }
    await mkdir(join(thief.REDOUBT_HOME, 'services', 'search-sync'), { recursive: true })
    await writeFile(of(thief.REDOUBT_HOME), JSON.stringify(forged), { mode: 0o600 })
    const refused = service('search-sync', thief)
    expect(await refused.ended()).toBe(1)
    expect(refused.output()).toMatch(/refuses search-sync \(http_signature_mac\): redoubt service enrol search-sync/)
  })

  it('that are denied say in one sentence who admits them, and nothing before it', async () => {
    const operator = (...args: string[]) => redoubt(['service', ...args], environment).ended()
    expect(await operator('deny', 'misp-processor', '--reason', 'a test')).toBe(0)
    const refused = service('misp-processor', environment)
    expect(await refused.ended()).toBe(1)
    expect(refused.output()).toMatch(
      /^The keeper at \S+ refuses misp-processor: \S+\/misp-processor is on the deny-list: redoubt service admit takes it off\.\n$/,
    )
    expect(await operator('admit', 'misp-processor')).toBe(0)
  })

  it('without an identity say how to get one', async () => {
    const elsewhere = await newEnvironment()
    const nobody = service('worker', elsewhere)
    expect(await nobody.ended()).toBe(1)
    expect(nobody.output()).toMatch(/worker has no identity at .*: redoubt service enrol worker/)
  })

  it('end with exit code 0 at SIGTERM, the keeper last', async () => {
    const keeper = running.get('keeper') as Started
    for (const name of names) running.get(name)?.child.kill('SIGTERM')
    expect(await Promise.all(names.map((name) => running.get(name)?.ended()))).toEqual(names.map(() => 0))
    keeper.child.kill('SIGTERM')
    expect(await keeper.ended()).toBe(0)
  })
})

it('the whole story runs across eight processes and a runner', async () => {
  const demo = redoubt(['demo', '--apart', '--once', '--json'], {})
  started.push(demo)
  expect(await demo.ended(), demo.output()).toBe(0)
  for (const name of [
    'keeper',
    'web',
    'api',
    'ingestion',
    'worker',
    'workflow-processor',
    'misp-processor',
    'search-sync',
  ])
    expect(demo.output()).toMatch(new RegExp(`✓ ${name}, process \\d+`))
  const trail = JSON.parse(demo.output().trim().split('\n').at(-1) as string) as object
  expect(Object.keys(trail).length).toBeGreaterThan(3)
}, 120_000)
