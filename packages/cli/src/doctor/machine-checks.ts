import { existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Config } from '@redoubt/server'
import { type Check, check } from './check.ts'

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])

/** Whether this is the Node.js that the tests ran on. */
export function checkNode(running: string, pinned: string): Check {
  const { ok, warn, fail } = check('node', 'Node.js')
  const mend = `npm ci, then npm start or npm run redoubt, which use ${pinned}`
  if (running === pinned) return ok(`${running}, as pinned`)
  const sameMajor = running.split('.')[0] === pinned.split('.')[0]
  return (sameMajor ? warn : fail)(`${running}, tested is ${pinned}`, mend)
}

/** The version of the Node.js that comes with the installation. */
export const pinnedNode = (): string =>
  (createRequire(import.meta.url)('node/package.json') as { version: string }).version

/** The home and its keys are for their owner alone. Only the first check when there is no home yet. */
export function checkHome(home: string): Check[] {
  const folder = check('home', 'home')
  if (!existsSync(home)) return [folder.fail(`${home} does not exist`, 'start the platform once, or set REDOUBT_HOME')]
  const keys = join(home, 'keys', 'master.json')
  return [
    modeOf(home) === 0o700
      ? folder.ok(`${home}, for its owner alone`)
      : folder.fail(`${home} has mode ${octal(home)}`, `chmod 700 ${home}`),
    checkKeys(keys),
  ]
}

function checkKeys(path: string): Check {
  const { ok, fail } = check('keys', 'keys')
  if (!existsSync(path))
    return fail(`${path} is missing`, 'restore it from a backup; without it the data of this home stays shut')
  if (modeOf(path) !== 0o600) {
    return fail(
      `${path} has mode ${octal(path)}`,
      `chmod 600 ${path}; if others could read it, treat its keys as known`,
    )
  }
  return ok('readable by their owner alone')
}

const failBelowMb = 200
const warnBelowMb = 2048

/** PostgreSQL stops when the disk is full, and does not start with less than 200 MB. */
export async function checkDisk(home: string): Promise<Check> {
  const { bavail, bsize } = await statfs(home)
  return judgeDisk(Math.floor((Number(bavail) * Number(bsize)) / 1_048_576))
}

export function judgeDisk(freeMb: number): Check {
  const { ok, warn, fail } = check('disk', 'disk space')
  const found = freeMb < 10_240 ? `${freeMb} MB free` : `${Math.floor(freeMb / 1024)} GB free`
  const mend = 'free some space, or move REDOUBT_HOME to another disk'
  if (freeMb < failBelowMb) return fail(`${found}, PostgreSQL needs ${failBelowMb} MB to start`, mend)
  return freeMb < warnBelowMb ? warn(found, mend) : ok(found)
}

/** Beyond this machine nothing may travel in the clear (NET-2). */
export function checkTls({ host, publicUrl }: Pick<Config, 'host' | 'publicUrl'>): Check {
  const { ok, warn } = check('tls', 'TLS')
  if (loopback.has(host)) return ok(`the services listen on ${host} alone`)
  if (publicUrl.startsWith('https://')) return ok(`${publicUrl} is reached over TLS`)
  return warn(
    `the services listen on ${host} without TLS in front`,
    'put a reverse proxy with TLS before them and set REDOUBT_PUBLIC_URL to its https:// address, or unset REDOUBT_HOST',
  )
}

/** The console's files come from a build. */
export function checkConsole(): Check {
  const { ok, fail } = check('console', 'console')
  const index = join(import.meta.dirname, '..', '..', '..', 'console', 'dist', 'index.html')
  return existsSync(index) ? ok('built') : fail('not built', 'npm run build --workspace packages/console')
}

const modeOf = (path: string): number => statSync(path).mode & 0o777
const octal = (path: string): string => modeOf(path).toString(8).padStart(4, '0')
