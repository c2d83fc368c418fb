import { StartError } from './app-error.ts'

/**
 * Variables of the same family that other programs read: the runner, the command line's client half, the tests. They may
 * stand in the environment of the platform too. `config.test.ts` holds this list against their sources.
 */
export const otherVariables = [
  'REDOUBT_RUNNER_CONTROL_PLANE',
  'REDOUBT_RUNNER_HOME',
  'REDOUBT_RUNNER_HOST',
  'REDOUBT_RUNNER_LOG',
  'REDOUBT_RUNNER_PORT',
  'REDOUBT_RUNNER_URL',
  'REDOUBT_ACCESS_TOKEN',
  'REDOUBT_ORGANIZATION',
  'REDOUBT_URL',
  'REDOUBT_DRILL_EMAIL',
  'REDOUBT_DRILL_ORGANIZATION',
  'REDOUBT_DRILL_PASSWORD',
  'REDOUBT_DRILL_OTHER_EMAIL',
  'REDOUBT_DRILL_OTHER_ORGANIZATION',
  'REDOUBT_DRILL_OTHER_PASSWORD',
  'REDOUBT_REAL_DATA',
  'REDOUBT_REAL_DATA_REQUIRED',
  'REDOUBT_SOFTHSM_REQUIRED',
] as const

type Environment = Readonly<Record<string, string | undefined>>

/** Letters that differ between a misspelt name and the one that was meant. */
const mostSlips = 4

/**
 * A misspelt setting would otherwise leave its default in force without a word, and some defaults are weaker.
 * @param known the names that the configuration reads
 * @returns one sentence for each `REDOUBT_…` that nobody reads
 */
export function unknownVariables(environment: Environment, known: readonly string[]): string[] {
  const allowed = [...known, ...otherVariables]
  return Object.keys(environment)
    .filter((name) => name.startsWith('REDOUBT_') && !allowed.includes(name))
    .sort()
    .map((name) => `${name} is not known: ${adviceFor(name, allowed)}`)
}

function adviceFor(name: string, allowed: readonly string[]): string {
  // What Kubernetes puts in for a Service called redoubt-web: REDOUBT_WEB_SERVICE_HOST, REDOUBT_WEB_PORT_3000_TCP_ADDR, …
  if (/_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP)/.test(name))
    return 'Kubernetes adds it for a Service of that name, so set enableServiceLinks: false in the pod'
  // What is a secret is read from a file.
  if (allowed.includes(`${name}_FILE`)) return `did you mean ${name}_FILE?`
  const distances = allowed.map((other) => ({ other, distance: editDistance(name, other) }))
  const nearest = distances.reduce((best, next) => (next.distance < best.distance ? next : best))
  // Further away it is no slip of the fingers, and the nearest name would send somebody the wrong way.
  return nearest.distance <= mostSlips ? `did you mean ${nearest.other}?` : 'it changes nothing, so unset it'
}

/** Levenshtein: how many letters to add, take out or change. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      const change = (row[j] as number) + (letter === other ? 0 : 1)
      next.push(Math.min(change, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

/** Named like secrets, but they name a kind of key, a token's or a key's label. */
const labels = new Set([
  'REDOUBT_MASTER_KEY',
  'REDOUBT_PKCS11_TOKEN',
  'REDOUBT_PKCS11_KEY',
  'REDOUBT_VAULT_TRANSIT_KEY',
])
/** Of a person at the command line, who types a command and is gone; no service reads them. */
const ofAPerson = new Set(['REDOUBT_ACCESS_TOKEN', 'REDOUBT_DRILL_PASSWORD', 'REDOUBT_DRILL_OTHER_PASSWORD'])

const secretName = /_(PASSWORD|PASSPHRASE|SECRET|TOKEN|KEY|PIN)$/
const userInfo = /^([a-z][a-z0-9+.-]*:\/\/[^/?#:@]*):[^/?#@]*@/i

/**
 * SEC-1. An environment is inherited by every child, shown by `docker inspect` and `/proc/PID/environ`, and written into
 * manifests and crash reports: no secret belongs there, only the path to one.
 * @throws StartError with the way to mend each; the secrets themselves are in no sentence
 */
export function refusePlaintextSecrets(environment: Environment): void {
  const wrong = [...databaseSecrets(environment), ...othersSecrets(environment), ...namedSecrets(environment)]
  if (wrong.length > 0) throw new StartError(`Secrets do not belong in the environment. ${wrong.join(' ')}`)
}

function databaseSecrets(environment: Environment): string[] {
  const url = environment['DATABASE_URL']
  if (!url) return []
  const wrong = []
  if (userInfo.test(url) || /[?&](password|sslpassword)=/i.test(url))
    wrong.push(
      'DATABASE_URL holds a password: store it with redoubt secret set database/owner, then set ' +
        `DATABASE_URL=${withoutPassword(url)}.`,
    )
  // node-postgres would take it where no other password is given.
  if (environment['PGPASSWORD'])
    wrong.push('PGPASSWORD is set: store it with redoubt secret set database/owner, then unset PGPASSWORD.')
  return wrong
}

function withoutPassword(databaseUrl: string): string {
  try {
    const url = new URL(databaseUrl)
    url.password = ''
    for (const name of [...url.searchParams.keys()]) if (/password/i.test(name)) url.searchParams.delete(name)
    return url.href
  } catch {
    return 'postgresql://redoubt_owner@host/redoubt'
  }
}

function othersSecrets(environment: Environment): string[] {
  const wrong = []
  if (environment['VAULT_TOKEN'])
    wrong.push(
      'VAULT_TOKEN is set: write the token into a file of mode 0600, set REDOUBT_VAULT_AUTH=token-file and ' +
        'REDOUBT_VAULT_TOKEN_FILE to its path, and unset VAULT_TOKEN.',
    )
  if (environment['AWS_SECRET_ACCESS_KEY'] && environment['REDOUBT_BACKUP_TO']?.startsWith('s3://'))
    wrong.push(
      'AWS_SECRET_ACCESS_KEY is set: store it with redoubt secret set backup/s3, set ' +
        'REDOUBT_S3_SECRET=secret://backup/s3, and unset AWS_SECRET_ACCESS_KEY.',
    )
  return wrong
}

function namedSecrets(environment: Environment): string[] {
  const wrong = []
  for (const [name, value] of Object.entries(environment)) {
    if (!value) continue
    const ours = name.startsWith('REDOUBT_')
    if ((ours || name === 'VAULT_ADDR') && userInfo.test(value)) {
      wrong.push(`${name} holds a password: take it out of the address.`)
    } else if (ours && secretName.test(name) && !labels.has(name) && !ofAPerson.has(name) && !isReference(value)) {
      const path = name.slice('REDOUBT_'.length).toLowerCase().replace('_', '/')
      wrong.push(`${name} holds a secret: store it with redoubt secret set ${path}, then set ${name}=secret://${path}.`)
    }
  }
  return wrong
}

/** `secret://noun/name`, as `redoubt secret set` takes it. */
export const secretReference = /^secret:\/\/[a-z0-9][a-z0-9_-]*(\/[a-z0-9][a-z0-9_-]*){0,7}$/
const isReference = (value: string) => secretReference.test(value)
