import { mkdir } from 'node:fs/promises'
import { createAccess } from '../modules/access/index.ts'
import { issueSetUpLink } from '../modules/identity/index.ts'
import { inviteLocalRunner } from '../modules/playbooks/index.ts'
import { StartError } from '../platform/app-error.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Config, ServiceName } from '../platform/config.ts'
import { type Database, openDatabase } from '../platform/database.ts'
import { type Installation, openInstallation, type ServiceRole } from '../platform/installation.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { LiveFeed } from '../platform/live.ts'
import { createLog } from '../platform/log.ts'
import { createMetrics } from '../platform/metrics.ts'
import { startPostgres } from '../platform/postgres-server.ts'
import {
  createOwner,
  type DatabaseAddress,
  type Login,
  prepareDatabase,
  withClient,
} from '../platform/prepare-database.ts'
import { startApi } from './api.ts'
import { startIngestion } from './ingestion.ts'
import { composeGuards, composeOperations } from './operations.ts'
import { startWeb } from './web.ts'
import { startWorker } from './worker.ts'
import { startWorkflowProcessor } from './workflow-processor.ts'

/** A platform that runs: all its services in this process, each with its own role, pool and keys. */
export type Platform = {
  readonly kernel: Kernel
  readonly urls: { readonly web: string; readonly api: string; readonly ingestion: string }
  readonly address: DatabaseAddress
  /**
   * Calls back with a one-time enrolment token for the runner on this machine: at once, or as soon as the platform is set
   * up. @returns a function that stops waiting
   */
  onLocalRunner(enrol: (token: string) => void): () => void
  /** One-time link while nobody has set the platform up; null afterwards. */
  readonly setUpLink: string | null
  readonly stop: Stop
}

/**
 * Starts everything, telling each step as it is done.
 * @throws StartError one clear sentence; whatever was started is stopped again
 */
export async function startPlatform(
  config: Config,
  options: { clock?: Clock; onStep?: (line: string) => void } = {},
): Promise<Platform> {
  const onStep = options.onStep ?? (() => undefined)
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    await mkdir(config.home, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
      throw new StartError(
        `${config.home} cannot be made (${cause.code}): choose another REDOUBT_HOME or mend its permissions.`,
        { cause },
      )
    })
    const { installation, created } = await openInstallation(config.home)
    onStep(created ? `keys made in ${config.home}/keys` : `keys read from ${config.home}/keys`)
    const kernel: Kernel = {
      config,
      clock: options.clock ?? systemClock,
      log: createLog(config),
      metrics: createMetrics(),
      installation,
    }

    const owner =
      config.databaseUrl === undefined
        ? await embeddedDatabase(config, installation, stops, onStep)
        : loginOf(config.databaseUrl)
    stops.push(await holdAlone(owner, config))
    const { applied } = await prepareDatabase(owner, installation)
    onStep(
      applied > 0
        ? `database migrated (${applied} steps), roles and row security in place`
        : 'database up to date, roles and row security in place',
    )

    const address: DatabaseAddress = {
      host: owner.host,
      port: owner.port,
      database: owner.database,
      ...(owner.ssl ? { ssl: true } : {}),
    }
    const open = async (role: ServiceRole, connections?: number): Promise<Database> => {
      const database = await openDatabase(
        address,
        role,
        installation.rolePasswords[role],
        installation.contextKeys[role],
        connections === undefined ? {} : { connections },
      )
      stops.push(() => database.close())
      return database
    }
    const feed = async (database: Database): Promise<LiveFeed> => {
      const live = new LiveFeed(database, kernel.log)
      await live.start()
      stops.push(async () => live.stop())
      return live
    }
    const login = (role: ServiceRole): Login => ({
      ...address,
      user: role,
      password: installation.rolePasswords[role].reveal(),
    })
    const access = createAccess()
    onStep('access policies valid')

    const worker = await open('redoubt_worker', 4)
    stops.push(await startWorker(kernel, worker, login('redoubt_worker'), await feed(worker)))
    const workflow = await open('redoubt_workflow', 4)
    stops.push(await startWorkflowProcessor(kernel, workflow, login('redoubt_workflow')))
    onStep('worker and workflow-processor run, no port open')

    const ingestion = await startIngestion(kernel, await open('redoubt_ingestion'))
    stops.push(ingestion.stop)
    onStep(`ingestion at ${ingestion.url}`)

    const apiDatabase = await open('redoubt_api')
    const apiGuards = composeGuards(kernel, apiDatabase, await feed(apiDatabase), access)
    const api = await startApi(kernel, apiDatabase, composeOperations(kernel, apiDatabase, access), apiGuards)
    stops.push(api.stop)
    onStep(`api at ${api.url}/api/v1`)

    const webDatabase = await open('redoubt_web')
    const webLive = await feed(webDatabase)
    const web = await startWeb(
      kernel,
      webDatabase,
      webLive,
      composeOperations(kernel, webDatabase, access),
      composeGuards(kernel, webDatabase, webLive, access),
    )
    stops.push(web.stop)
    onStep(`web at ${web.url}`)

    const setUpLink = await issueSetUpLink(kernel, webDatabase)
    const onLocalRunner: Platform['onLocalRunner'] = (enrol) => {
      let waiting = true
      const attempt = async () => {
        if (!waiting) return
        const token = await inviteLocalRunner(kernel, webDatabase).catch(() => null)
        if (token === null || !waiting) return
        off()
        waiting = false
        enrol(token)
      }
      const off = webLive.onNotice(({ topics }) => {
        if (topics.includes('audit')) void attempt()
      })
      void attempt()
      return () => {
        waiting = false
        off()
      }
    }
    return {
      kernel,
      onLocalRunner,
      urls: { web: web.url, api: api.url, ingestion: ingestion.url },
      address,
      setUpLink,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The services in the order they stop accepting; for help texts and the doctor. */
export const startedServices: readonly ServiceName[] = ['web', 'api', 'ingestion', 'workflow-processor', 'worker']

async function embeddedDatabase(
  config: Config,
  installation: Installation,
  stops: Stop[],
  onStep: (line: string) => void,
): Promise<Login> {
  const server = await startPostgres(config.home, installation.superuserPassword.reveal())
  const owner = await createOwner({ host: server.host, port: server.port, database: 'redoubt' }, installation)
  // Only who holds the home alone may stop its database: this is pushed before the lock and undone when the lock fails.
  stops.push(async () => {
    if (await isAlone(owner)) await server.stop()
  })
  onStep('PostgreSQL 18 (embedded) answers')
  return owner
}

const lockKey = 'redoubt.platform'

/** One platform per database: a session lock that dies with the process, so that a kill leaves nothing to clean up. */
async function holdAlone(owner: Login, config: Config): Promise<Stop> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ ...owner, application_name: 'redoubt.lock' })
  client.on('error', () => undefined)
  await withClient(owner, async () => undefined)
  await client.connect()
  const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock(hashtext($1)) as held', [lockKey])
  if (!rows[0]?.held) {
    await client.end()
    throw new StartError(
      `Redoubt runs already on ${config.databaseUrl === undefined ? config.home : `the database ${owner.database}`}: stop it first, or set REDOUBT_HOME to another folder.`,
    )
  }
  return () => client.end()
}

async function isAlone(owner: Login): Promise<boolean> {
  return withClient(owner, async (client) => {
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock(hashtext($1)) as held', [
      lockKey,
    ])
    return rows[0]?.held === true
  }).catch(() => false)
}

/** The owner's login out of DATABASE_URL. */
export function loginOf(databaseUrl: string): Login {
  const url = new URL(databaseUrl)
  const mode = url.searchParams.get('sslmode')
  return {
    host: url.searchParams.get('host') ?? decodeURIComponent(url.hostname),
    port: Number(url.port || url.searchParams.get('port') || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || 'redoubt',
    ...(mode !== null && mode !== 'disable' ? { ssl: true } : {}),
  }
}
