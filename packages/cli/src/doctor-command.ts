import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '@redoubt/server'
import type { Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { displayText } from './display-text.ts'
import { type Check, check } from './doctor/check.ts'
import { judgeDatabase } from './doctor/database-checks.ts'
import { checkConsole, checkDisk, checkHome, checkNode, checkTls, pinnedNode } from './doctor/machine-checks.ts'
import { checkServices } from './doctor/service-checks.ts'
import type { Style } from './table.ts'

/** `redoubt doctor`: is this installation as it should be? */
export function addDoctorCommand(program: Command): void {
  teach(program.command('doctor'), {
    summary: 'check the installation on this machine',
    description:
      'Checks the home, its keys, the database, the services, the runner and the audit log of the installation that REDOUBT_HOME, DATABASE_URL and the REDOUBT_…_PORT variables name, as redoubt start reads them. Says how to mend what is wrong. Changes nothing. Exit code 1 if one check fails; a warning alone is 0.',
    examples: ['redoubt doctor', 'redoubt doctor --json | jq ".checks[] | select(.status != \\"ok\\")"'],
  }).action(run(doctor, 'Looking'))
}

async function doctor(): Promise<Report> {
  // The server is loaded for this command alone: the others start in a fraction of the time.
  const { readConfig } = await import('@redoubt/server')
  const config = readConfig()
  const services = await checkServices(config)
  const running = services.some(
    ({ id, status }) => id.startsWith('service.') && id !== 'service.runner' && status === 'ok',
  )
  const checks = [
    checkNode(process.versions.node, pinnedNode()),
    checkConsole(),
    ...checkHome(config.home),
    ...(existsSync(config.home) ? [await checkDisk(config.home)] : []),
    checkTls(config),
    ...(await checkDatabase(config, running)),
    ...services,
  ]
  const ok = checks.every(({ status }) => status !== 'fail')
  return { json: { ok, home: config.home, checks }, text: (style) => shown(checks, style), exitCode: ok ? 0 : 1 }
}

async function checkDatabase(config: Config, running: boolean): Promise<Check[]> {
  // Opening an installation without keys would make new ones, and lock the old data away.
  if (!existsSync(join(config.home, 'keys', 'installation.json'))) return []
  const { databaseAddress, inspectDatabase, openInstallation, StartError } = await import('@redoubt/server')
  try {
    const { installation } = await openInstallation(config.home)
    const found = await inspectDatabase(databaseAddress(config), installation)
    return judgeDatabase(found, { now: new Date(), running })
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    const mend =
      config.databaseUrl === undefined ? 'start the platform: npm start' : 'check DATABASE_URL and that PostgreSQL runs'
    return [check('database', 'PostgreSQL').fail(error.message, mend)]
  }
}

const colors = { ok: 32, warn: 33, fail: 31 } as const

function shown(checks: readonly Check[], { color }: Style): string {
  const width = Math.max(...checks.map(({ title }) => title.length))
  const lines = checks.flatMap(({ title, status, found, mend }) => {
    const word = status.padEnd(4)
    const marked = color ? `\u001b[${colors[status]}m${word}\u001b[39m` : word
    const first = `${marked}  ${title.padEnd(width)}  ${displayText(found)}`
    return mend === null ? [first] : [first, `${' '.repeat(6 + width)}  → ${displayText(mend)}`]
  })
  const count = (status: Check['status']) => checks.filter((each) => each.status === status).length
  return [...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend`].join('\n')
}
