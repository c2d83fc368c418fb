import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, OperatorAnswers } from '@redoubt/server'
import type { Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { type Check, check, reportOf } from './doctor/check.ts'
import { judgeDatabase } from './doctor/database-checks.ts'
import { checkConsole, checkDisk, checkHome, checkNode, checkTls, pinnedNode } from './doctor/machine-checks.ts'
import { checkServices } from './doctor/service-checks.ts'
import { runningKeeper } from './keeper-line.ts'

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
  return reportOf(config.home, checks)
}

async function checkDatabase(config: Config, running: boolean): Promise<Check[]> {
  const title = 'PostgreSQL'
  const { fail, warn } = check('database', title)
  const keeper = await runningKeeper(config)
  if (keeper) {
    const { state } = await keeper.ask('status')
    if (state === 'sealed')
      return [warn(`${title} was not looked at: the keys are sealed`, 'redoubt unseal opens them')]
    return judged(await keeper.ask('doctor.database'), running)
  }
  // Opening an installation without keys would make new ones, and lock the old data away.
  if (!existsSync(join(config.home, 'keys', 'keks.json')) && config.secretStore.kind === 'embedded') return []
  const { databaseAddress, holdHome, inspectDatabase, KeeperError, openKeeper, StartError, systemClock } = await import(
    '@redoubt/server'
  )
  try {
    const letGo = await holdHome(config.home, 0)
    try {
      const { keeper: opened } = await openKeeper(config, systemClock, undefined, 'look')
      const found = await inspectDatabase(databaseAddress(config), opened).finally(() => opened.close())
      return judged(JSON.parse(JSON.stringify(found)), running)
    } finally {
      letGo()
    }
  } catch (error) {
    if (!(error instanceof StartError || error instanceof KeeperError)) throw error
    if (error instanceof KeeperError && error.code === 'sealed')
      return [warn(`${title} was not looked at: ${error.message}`, 'start the platform and run redoubt unseal')]
    const mend =
      config.databaseUrl === undefined ? 'start the platform: npm start' : 'check DATABASE_URL and that PostgreSQL runs'
    return [fail(error.message, mend)]
  }
}

function judged(found: OperatorAnswers['doctor.database'], running: boolean): Check[] {
  const date = (text: string | null) => (text === null ? null : new Date(text))
  const organizations = found.organizations.map(({ slug, log, runners }) => ({
    slug,
    log: { ...log, sealedAt: date(log.sealedAt), oldestWaitingAt: date(log.oldestWaitingAt) },
    runners: runners.map(({ name, lastSeenAt }) => ({ name, lastSeenAt: date(lastSeenAt) })),
  }))
  return judgeDatabase({ ...found, organizations }, { now: new Date(), running })
}
