import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configOf, defaultLimits, startPlatform } from '@redoubt/server'
import { exportSigningKey, generateSigningKey, importSigningKey } from '@redoubt/trust'
import { type RunnerProcess, startRunnerProcess } from '../runner-process.ts'
import { Databases } from './databases.ts'
import { bodyOf, Door } from './http.ts'
import { chronicle, ingestionPart, redCase, settle } from './inhabitants.ts'
import { bearer, eventually, type Organization } from './organization.ts'
import { Responder } from './responder.ts'
import type { Parts, RunnerKey, Terrain } from './terrain.ts'

/** An installation of the drill's own: every part of it can be attacked, and its defences switched off in a copy. */
export type OwnInstallation = {
  readonly terrain: Terrain & Parts
  /** Ends and removes everything. */
  readonly stop: () => Promise<void>
}

/** What tokens and links name; nothing listens there. */
const publicUrl = 'https://soc.drill.example'
// People sign in by the dozen from one address; the attack on this very limit fills it up all the same.
const limits = { ...defaultLimits, signInPerMinute: 30 }

/**
 * Starts platform and runner process on a temporary home and free ports, and settles them.
 * @throws StartError when the platform does not start; whatever was started is stopped again
 */
export async function startOwnInstallation(say: (line: string) => void): Promise<OwnInstallation> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-drill-'))
  const folders = [home]
  const remove = (folder: string) => rm(folder, { recursive: true, force: true })
  const stops: (() => Promise<unknown>)[] = [() => Promise.all(folders.map(remove))]
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const platform = await startPlatform(
      configOf({
        home,
        databaseUrl: undefined,
        host: '127.0.0.1',
        ports: { web: 0, api: 0, ingestion: 0, runner: 0 },
        publicUrl,
        logLevel: 'silent',
        sessionIdleMs: 12 * 3_600_000,
        sessionAbsoluteMs: 7 * 24 * 3_600_000,
        limits,
      }),
    )
    stops.push(() => platform.stop())
    // The database's socket lives beside the home, in a folder named after it.
    folders.push(platform.address.host)
    say('an installation of its own on a temporary home: database, services, keys')
    const { installation } = platform.kernel
    const doors = {
      web: new Door(platform.urls.web),
      api: new Door(platform.urls.api),
      ingestion: new Door(platform.urls.ingestion),
    }
    const setUpToken = new URL(platform.setUpLink ?? '').searchParams.get('token') ?? ''
    const { operator, a, b, people, moderator } = await settle(doors, setUpToken, say)

    const runnerHome = join(home, 'runner-attacked')
    let runner = await enrolledRunner(runnerHome, doors.api, a)
    stops.push(() => runner.stop())
    const restart = async () => {
      await runner.stop()
      runner = await startRunnerProcess({ home: runnerHome, port: Number(new URL(runner.url).port), quiet: true })
    }
    say(`the runner of ${a.slug}, a process of its own`)
    const ingestion = await ingestionPart(doors, a, b)
    const responder = new Responder(doors.api, a)
    const red = await redCase(doors, a, moderator)
    const tell = `steps:\n  - id: tell\n    type: case.comment\n    text: ${red.secret}\n`
    const run = await responder.run(tell, { caseId: red.caseId, by: moderator, tlp: 'RED' })
    say('alerts, cases (one of them RED), playbooks and a run')
    const database = new Databases(platform.address, installation)
    // What planner statistics hold of other tenants is one of the things to be attacked.
    await database.superuser((client) => client.query('analyze'))
    return {
      terrain: {
        ...doors,
        a,
        b,
        ingestion,
        runner: new Door(runner.url),
        people: { ...people, red: { ...red, runId: run.id } },
        database,
        keys: { installation, issuer: publicUrl, setUpToken },
        responder,
        chronicles: { make: () => chronicle(doors.api, operator) },
        runnerProcess: { restart },
        runnerKeys: { a: identityIn(runnerHome), b: await runnerIdentity(doors.api, b) },
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function enrolledRunner(home: string, api: Door, of: Organization): Promise<RunnerProcess> {
  const runner = await startRunnerProcess({ home, port: 0, quiet: true })
  const { token } = bodyOf<{ token: string }>(
    await api.post('/api/v1/runners/enrolments', { name: 'Drill runner' }, bearer(of.admin)),
  )
  runner.enrol(api.url, token)
  await eventually('the runner enrols', async () => {
    const { items } = bodyOf<{ items: object[] }>(await api.get('/api/v1/runners', bearer(of.admin)))
    return items[0]
  })
  return runner
}

/** Enrols a runner that is nothing but its key: what an attacker with a runner of another tenant holds. */
async function runnerIdentity(api: Door, of: Organization): Promise<RunnerKey> {
  const { token } = bodyOf<{ token: string }>(
    await api.post('/api/v1/runners/enrolments', { name: 'Attacker’s runner' }, bearer(of.admin)),
  )
  const key = generateSigningKey('ES256')
  const { kty, crv, x, y } = exportSigningKey(key) as { kty: 'EC'; crv: 'P-256'; x: string; y: string }
  const enrolled = await api.post('/api/v1/runner/enroll', {
    token,
    publicKey: { kty, crv, x, y },
    url: 'http://127.0.0.1:9',
  })
  return { id: bodyOf<{ runnerId: string }>(enrolled).runnerId, key }
}

/** The identity of A's runner, which only its own process and this drill read. */
function identityIn(home: string): RunnerKey {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(home, name), 'utf8'))
  return {
    id: (read('identity.json') as { runnerId: string }).runnerId,
    key: importSigningKey(read('runner-key.json')),
  }
}
