import type { Config, OperatorAnswers } from '@redoubt/server'
import { type Check, check } from './check.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** The keeper looks at what is due every minute. */
const lateMs = 10 * 60_000
const secretMaxAgeMs = 90 * dayMs

type KeyLines = OperatorAnswers['keys.status']['keys']
type Secrets = OperatorAnswers['secret.list']

/** How the master file is sealed; null where a token or a vault holds the key. */
export function judgeProtection({ kind, threshold, count }: OperatorAnswers['master.protection'], home: string): Check {
  const { ok, warn } = check('protection', 'protection')
  if (kind === null) return ok('the master key is not in a file')
  if (kind === 'passphrase') return ok('a start waits for the passphrase')
  if (kind === 'shares') return ok(`a start waits for ${threshold} of ${count} shares`)
  return warn(
    `whoever can read ${home} has the master key`,
    'redoubt keys protect --passphrase or --shares 2/3, or an HSM or Vault: REDOUBT_MASTER_KEY',
  )
}

/** Ages: rotations that should have happened, and signing keys past KEY_MAX_AGE (KEY-5). */
export function judgeKeys(
  lines: KeyLines,
  { now, isRunning, keyMaxAgeMs }: { now: Date; isRunning: boolean; keyMaxAgeMs: number },
): Check[] {
  return [judgeRotations(lines, now, isRunning), judgeKek(lines, now), judgeSigningKeys(lines, now, keyMaxAgeMs)]
}

function judgeRotations(lines: KeyLines, now: Date, isRunning: boolean): Check {
  const { ok, warn, fail } = check('rotations', 'rotations')
  const late = lines.filter(({ nextRotationAt }) => now.getTime() - Date.parse(nextRotationAt) > lateMs)
  if (late.length === 0) return ok(`${lines.length} keys, none overdue`)
  const found = `overdue: ${late.map(({ key, nextRotationAt }) => `${key} since ${day(nextRotationAt)}`).join(', ')}`
  return isRunning
    ? fail(found, 'the keeper’s log says why; redoubt keys rotate KEY tries at once')
    : warn(found, 'start the platform, which rotates them')
}

function judgeKek(lines: KeyLines, now: Date): Check {
  const { ok, fail } = check('kek', 'key-encryption key')
  const newest = lines.find(({ key }) => key === 'kek')?.versions[0]
  if (!newest) return fail('there is none', 'restore keys/ from a backup')
  const days = Math.floor((now.getTime() - Date.parse(newest.createdAt)) / dayMs)
  return days < 180
    ? ok(`version ${newest.version}, ${days} days old`)
    : fail(`version ${newest.version} is ${days} days old`, 'redoubt keys rotate kek')
}

function judgeSigningKeys(lines: KeyLines, now: Date, keyMaxAgeMs: number): Check {
  const { ok, fail } = check('signing', 'signing keys')
  const old = lines
    .filter(({ key }) => key === 'access' || key === 'plan')
    .filter(({ versions }) => {
      const active = versions.find(({ state }) => state === 'active')
      return !active || now.getTime() - Date.parse(active.createdAt) >= keyMaxAgeMs
    })
  if (old.length === 0) return ok(`younger than ${Math.round(keyMaxAgeMs / dayMs)} days`)
  const names = old.map(({ key }) => key)
  return fail(
    `${names.join(' and ')} past KEY_MAX_AGE: the platform is DEGRADED`,
    names.map((name) => `redoubt keys rotate ${name}`).join('; '),
  )
}

/** Certificates of services that were heard of: they renew themselves at half of their day. */
export function judgeCertificates(services: OperatorAnswers['services.list'], now: Date): Check[] {
  const { ok, warn, fail } = check('certificates', 'certificates')
  const held = services.flatMap(({ service, certificate }) => (certificate ? [{ service, ...certificate }] : []))
  const left = ({ notAfter }: { notAfter: string }) => Date.parse(notAfter) - now.getTime()
  const named = (some: typeof held) => some.map(({ service, notAfter }) => `${service} until ${notAfter}`).join(', ')
  const ended = held.filter((each) => left(each) <= 0)
  const soon = held.filter((each) => left(each) > 0 && left(each) < 4 * hourMs)
  const result =
    ended.length > 0
      ? fail(`ended: ${named(ended)}`, 'start the service again; if it is refused, redoubt service enrol NAME')
      : soon.length > 0
        ? warn(`not renewed: ${named(soon)}`, 'look at the service’s log: it does not reach the keeper')
        : ok(held.length === 0 ? 'none issued since the keeper’s start' : `${held.length} valid`)
  const denied = services.filter((service) => service.denied).map(({ service }) => service)
  const list = check('deny-list', 'deny-list')
  return [
    result,
    denied.length === 0
      ? list.ok('no service is denied')
      : list.warn(`denied: ${denied.join(', ')}`, 'redoubt service admit NAME, once it is trusted again'),
  ]
}

/** What the configuration refers to, and what people have not renewed for long. */
export function judgeSecrets(
  secrets: Secrets,
  config: Pick<Config, 'databasePassword' | 'backup'>,
  now: Date,
): Check[] {
  const { databasePassword, backup } = config
  const referred = [databasePassword, backup?.to.kind === 's3' ? backup.to.secret : null].filter(
    (path) => path !== null,
  )
  const missing = referred.filter((path) => !secrets.some((secret) => secret.path === path))
  const there = check('secrets', 'secrets')
  const old = secrets.filter(
    ({ renewedBy, writtenAt }) => renewedBy === null && now.getTime() - Date.parse(writtenAt) >= secretMaxAgeMs,
  )
  const age = check('secrets.age', 'age of secrets')
  return [
    missing.length === 0
      ? there.ok(referred.length === 0 ? 'the configuration refers to none' : `${referred.join(', ')} are there`)
      : there.fail(
          `the configuration refers to ${missing.join(', ')}`,
          missing.map((path) => `redoubt secret set ${path}`).join('; '),
        ),
    old.length === 0
      ? age.ok('none that people set is older than 90 days')
      : age.warn(
          `older than 90 days: ${old.map(({ path }) => path).join(', ')}`,
          old.map(({ path }) => `redoubt secret rotate ${path}`).join('; '),
        ),
  ]
}

/** @param stored the archives; null without a configuration of backups, an error when they cannot be listed */
export function judgeBackups(
  stored: readonly { readonly createdAt: string }[] | Error | null,
  secrets: Secrets,
  { backup }: Pick<Config, 'backup'>,
  now: Date,
): Check[] {
  return [judgeRecovery(secrets), judgeArchives(stored, backup, now)]
}

function judgeRecovery(secrets: Secrets): Check {
  const { ok, warn } = check('recovery', 'recovery file')
  const written = (path: string) => secrets.find((secret) => secret.path === path)?.writtenAt
  const [made, exported] = [written('backup/key'), written('backup/recovery')]
  const mend = 'redoubt backup key --out FILE, and keep that offline'
  if (exported === undefined) return warn('never written: without it no backup opens once this home is lost', mend)
  if (made !== undefined && Date.parse(made) > Date.parse(exported)) return warn('the backup key is newer', mend)
  return ok(`written on ${day(exported)}`)
}

function judgeArchives(
  stored: readonly { readonly createdAt: string }[] | Error | null,
  backup: Config['backup'],
  now: Date,
): Check {
  const { ok, warn, fail } = check('backups', 'backups')
  if (!backup || stored === null) return warn('none are made by themselves', 'set REDOUBT_BACKUP_TO')
  if (stored instanceof Error) return fail(stored.message, 'mend the place of the backups')
  const [newest] = stored
  if (!newest) return fail('there is none yet', 'redoubt backup')
  const hours = Math.floor((now.getTime() - Date.parse(newest.createdAt)) / hourMs)
  const found = `the newest of ${stored.length} is ${hours} h old`
  return hours <= 2 * backup.everyHours
    ? ok(found)
    : fail(`${found}, one is due every ${backup.everyHours} h`, 'the keeper’s log says why; redoubt backup makes one')
}

const day = (timestamp: string): string => timestamp.slice(0, 10)
