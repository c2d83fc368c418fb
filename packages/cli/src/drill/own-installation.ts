import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backupPassword, configOf, databaseSecrets, defaultLimits, type Platform, startPlatform } from '@redoubt/server'
import { importSigningKey, Secret, type SigningKey } from '@redoubt/trust'
import { type RunnerProcess, startRunnerProcess } from '../runner-process.ts'
import { certificateFor, showing } from './channel.ts'
import { Databases } from './databases.ts'
import { bodyOf, Door } from './http.ts'
import { chronicle, ingestionPart, redCase, settle } from './inhabitants.ts'
import { bearer, eventually, type Organization } from './organization.ts'
import { Responder } from './responder.ts'
import { enrolRunner, identityIn } from './runner-identity.ts'
import { SealedData } from './sealed-data.ts'
import { ServiceTrail } from './service-trail.ts'
import { KeeperPort } from './services-port.ts'
import { StolenHome } from './stolen-home.ts'
import type { Parts, Terrain } from './terrain.ts'
import { WatchedMachine } from './watched-machine.ts'

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
        runnerApiPort: 0,
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
    const doors = {
      web: new Door(platform.urls.web),
      api: new Door(platform.urls.api),
      ingestion: new Door(platform.urls.ingestion),
    }
    const setUpToken = new URL(platform.setUpLink ?? '').searchParams.get('token') ?? ''
    const { operator, a, b, people, moderator } = await settle(doors, setUpToken, say)

    const runnerHome = join(home, 'runner-attacked')
    const runnersPort = showing(platform.urls.runners, null)
    let runner = await enrolledRunner(runnerHome, { api: doors.api, runnersPort }, a)
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
    const { store } = platform.keeper
    const database = new Databases(platform.address, await databaseSecrets(store), await backupPassword(store))
    // What planner statistics hold of other tenants is one of the things to be attacked.
    await database.superuser((client) => client.query('analyze'))
    const authority = await authorityOf(platform)
    const { trustDomain } = authority
    const deliverer = await certificateFor(authority, { trustDomain, kind: 'service', name: 'workflow-processor' })
    const services = await platform.openServicesPort({ host: '127.0.0.1', port: 0 })
    stops.push(services.stop)
    const stolenHome = await StolenHome.of(home)
    stops.push(stolenHome.remove)
    say('the keeper’s port for services that run apart')
    return {
      terrain: {
        ...doors,
        a,
        b,
        ingestion,
        runner: showing(runner.url, deliverer),
        runnersPort,
        authority,
        people: { ...people, red: { ...red, runId: run.id } },
        database,
        keys: {
          access: await signerOf(platform, 'access'),
          plan: await signerOf(platform, 'plan'),
          issuer: publicUrl,
          setUpToken,
        },
        responder,
        chronicles: { make: () => chronicle(doors.api, operator) },
        runnerProcess: { restart },
        operator,
        keeperPort: new KeeperPort(platform, services.url, authority),
        serviceTrail: new ServiceTrail(doors.api, operator),
        sealed: new SealedData(platform, database),
        stolenHome,
        machine: new WatchedMachine(stolenHome),
        runnerKeys: {
          a: identityIn(runnerHome, runnersPort),
          b: await enrolRunner({ api: doors.api, runnersPort }, b),
        },
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What only the keeper and the services that sign hold; the drill forges with it what an attacker could not. */
async function signerOf({ keeper }: Platform, use: 'access' | 'plan'): Promise<SigningKey> {
  return importSigningKey((await keeper.line(use)).at(-1)?.material)
}

/** The authority that only the keeper holds. */
async function authorityOf({ keeper }: Platform): Promise<Parts['authority']> {
  const material = (await keeper.desk.line()).at(-1)?.material
  if (!material) throw new Error('the installation has no authority')
  const { certificatePem, privateKeyPem } = material
  return { certificatePem, privateKeyPem: new Secret(privateKeyPem), trustDomain: keeper.desk.trustDomain }
}

async function enrolledRunner(
  home: string,
  { api, runnersPort }: { api: Door; runnersPort: Door },
  of: Organization,
): Promise<RunnerProcess> {
  const runner = await startRunnerProcess({ home, port: 0, quiet: true })
  const body = { name: 'Drill runner' }
  const invited = await api.post('/api/v1/runners/enrolments', body, bearer(of.admin))
  const { token } = bodyOf<{ token: string }>(invited)
  runner.enrol(runnersPort.url, token)
  await eventually('the runner enrols', async () => {
    const { items } = bodyOf<{ items: object[] }>(await api.get('/api/v1/runners', bearer(of.admin)))
    return items[0]
  })
  return runner
}
