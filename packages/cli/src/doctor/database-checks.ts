import type { DatabaseInspection } from '@redoubt/server'
import { type Check, check } from './check.ts'

const skewWarnMs = 2000
// A tenant context is valid for 60 s by the database's clock: with half of it gone, slow requests begin to fail.
const skewFailMs = 30_000
/** Events are sealed within a second; this much later the sequencer does not work. */
const sealingLateMs = 10_000
const supportedMajor = '18'

/**
 * What the database tells.
 * @param running whether the platform runs; events that wait are then late rather than left for the next start
 */
export function judgeDatabase(found: DatabaseInspection, { now, running }: { now: Date; running: boolean }): Check[] {
  return [
    judgeVersion(found.version),
    judgeRoles(found.unsafe),
    judgeClock(found.clockSkewMs),
    ...(found.unsafe.length > 0 ? [] : judgeOrganizations(found.organizations, now, running)),
  ]
}

function judgeVersion(version: string): Check {
  const { ok, fail } = check('database', 'PostgreSQL')
  const major = version.split('.')[0]
  return major === supportedMajor
    ? ok(`${version} answers`)
    : fail(`${version} answers, tested is ${supportedMajor}`, `use PostgreSQL ${supportedMajor}, or unset DATABASE_URL`)
}

function judgeRoles(unsafe: DatabaseInspection['unsafe']): Check {
  const { ok, fail } = check('row-security', 'row security')
  if (unsafe.length === 0) return ok('forced on every tenant table; no service role owns, is superuser or bypasses it')
  // The boot check's sentences end with the statement that mends it.
  const sentences = [...new Set(unsafe.map(({ problem }) => problem))]
  return fail(sentences.join(' '), 'correct it as the sentence says; the platform does not start before')
}

function judgeClock(skewMs: number): Check {
  const { ok, warn, fail } = check('clock', 'clocks')
  const size = Math.abs(skewMs)
  const found = `the database is ${size} ms ${skewMs < 0 ? 'behind' : 'ahead'}`
  const mend = 'let both machines set their clocks by NTP'
  if (size >= skewFailMs) return fail(found, mend)
  return size >= skewWarnMs ? warn(found, mend) : ok(found)
}

function judgeOrganizations(organizations: DatabaseInspection['organizations'], now: Date, running: boolean): Check[] {
  if (organizations.length === 0) {
    return [check('set-up', 'set-up').warn('no organization yet', 'open the one-time link that npm start prints')]
  }
  return [judgeCheckpoints(organizations), judgeSealing(organizations, now, running), judgeRunners(organizations)]
}

function judgeCheckpoints(organizations: DatabaseInspection['organizations']): Check {
  const { ok, fail } = check('audit.checkpoints', 'audit checkpoints')
  const broken = organizations.filter(({ log }) => log.problem !== null)
  if (broken.length === 0) return ok(`the newest of ${logs(organizations.length)} verifies`)
  return fail(
    broken.map(({ slug, log }) => `${slug}: ${log.problem}`).join('; '),
    'the log may have been tampered with, or the keys replaced: keep the database as evidence, and compare with exported logs',
  )
}

function judgeSealing(organizations: DatabaseInspection['organizations'], now: Date, running: boolean): Check {
  const { ok, warn, fail } = check('audit.sealing', 'audit sealing')
  const late = organizations.filter(({ log }) => {
    const { oldestWaitingAt } = log
    return oldestWaitingAt !== null && now.getTime() - oldestWaitingAt.getTime() > sealingLateMs
  })
  if (late.length === 0) {
    const newest = Math.max(...organizations.map(({ log }) => log.sealedAt?.getTime() ?? 0))
    return ok(newest === 0 ? 'nothing recorded yet' : `up to date, last at ${new Date(newest).toISOString()}`)
  }
  const found = late
    .map(({ slug, log }) => `${slug}: ${log.waiting} since ${log.oldestWaitingAt?.toISOString()}`)
    .join('; ')
  return running
    ? fail(`events wait to be sealed: ${found}`, 'the worker seals them: look at its log, and restart the platform')
    : warn(`events wait to be sealed: ${found}`, 'start the platform; its worker seals them')
}

function judgeRunners(organizations: DatabaseInspection['organizations']): Check {
  const { ok, warn } = check('runners', 'runners')
  const without = organizations.filter(({ runners }) => runners.length === 0).map(({ slug }) => slug)
  if (without.length > 0) {
    return warn(
      `no runner is enrolled in ${without.join(', ')}, so no playbook can run there`,
      'redoubt runner invite NAME, then redoubt runner start --enrol URL TOKEN',
    )
  }
  const runners = organizations.flatMap((each) => each.runners)
  const seen = Math.max(...runners.map(({ lastSeenAt }) => lastSeenAt?.getTime() ?? 0))
  return ok(
    `${runners.length} enrolled, ${seen === 0 ? 'none has reported a run yet' : `last heard of at ${new Date(seen).toISOString()}`}`,
  )
}

const logs = (count: number): string => (count === 1 ? 'the one log' : `each of ${count} logs`)
