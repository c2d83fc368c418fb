import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { knownVariables } from './config.ts'
import { otherVariables, refusePlaintextSecrets, unknownVariables } from './environment-check.ts'

describe('variables that nobody reads', () => {
  it.each([
    ['REDOUBT_WEBPORT', 'REDOUBT_WEBPORT is not known: did you mean REDOUBT_WEB_PORT?'],
    ['REDOUBT_SESION_HOURS', 'REDOUBT_SESION_HOURS is not known: did you mean REDOUBT_SESSION_HOURS?'],
    ['REDOUBT_VAULT_TOKEN', 'REDOUBT_VAULT_TOKEN is not known: did you mean REDOUBT_VAULT_TOKEN_FILE?'],
    ['REDOUBT_RUNNER_CONTROLPLANE', 'did you mean REDOUBT_RUNNER_CONTROL_PLANE?'],
  ])('%s is answered with the nearest known name', (name, sentence) => {
    expect(unknownVariables({ [name]: 'x' }, knownVariables).join()).toContain(sentence)
  })

  it('are not answered with a name that has nothing to do with them, least of all one that takes a password', () => {
    expect(unknownVariables({ REDOUBT_SMTP_PASSWORD: 'x' }, knownVariables)).toEqual([
      'REDOUBT_SMTP_PASSWORD is not known: it changes nothing, so unset it',
    ])
  })

  it('are told apart from those of the runner, the command line and the tests, and from other programs', () => {
    const known = [...knownVariables, ...otherVariables, 'PATH', 'REDOUBTABLE']
    expect(unknownVariables(Object.fromEntries(known.map((name) => [name, '1'])), knownVariables)).toEqual([])
  })

  it('that Kubernetes adds for a Service are answered with how to be rid of them', () => {
    for (const name of ['REDOUBT_KEEPER_SERVICE_HOST', 'REDOUBT_KEEPER_PORT_4200_TCP_ADDR'])
      expect(unknownVariables({ [name]: '10.0.0.1' }, knownVariables).join()).toContain('enableServiceLinks: false')
  })

  it('of the other programs are listed as their sources read them', () => {
    const packages = join(import.meta.dirname, '..', '..', '..')
    const read = (path: string) => readFileSync(join(packages, path), 'utf8')
    const runner = read('runner/src/config.ts').match(/\bREDOUBT_[A-Z_]+/g) ?? []
    const client = read('cli/src/environment.ts').match(/\bREDOUBT_(?!DRILL\b|DRILL_OTHER\b)[A-Z_]+/g) ?? []
    expect(runner.length).toBeGreaterThan(0)
    expect(client.length).toBeGreaterThan(0)
    expect([...otherVariables]).toEqual(expect.arrayContaining([...runner, ...client]))
  })
})

const refusal = (environment: Record<string, string>): string => {
  try {
    refusePlaintextSecrets(environment)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a secret in the environment (SEC-1)', () => {
  const secret = 'hunter2-hunter2'
  it.each([
    [
      'a password in DATABASE_URL',
      { DATABASE_URL: `postgresql://redoubt_owner:${secret}@db.example.com:5433/redoubt?sslmode=verify-full` },
      'store it with redoubt secret set database/owner, then set DATABASE_URL=postgresql://redoubt_owner@db.example.com:5433/redoubt?sslmode=verify-full.',
    ],
    [
      'a password among its parameters',
      { DATABASE_URL: `postgresql://redoubt_owner@db.example.com/redoubt?password=${secret}&sslmode=verify-full` },
      'then set DATABASE_URL=postgresql://redoubt_owner@db.example.com/redoubt?sslmode=verify-full.',
    ],
    [
      'a password that ends in the wrong place',
      { DATABASE_URL: `postgresql://redoubt_owner:${secret}@x@db/redoubt` },
      'DATABASE_URL=postgresql://redoubt_owner@db/redoubt.',
    ],
    ['PGPASSWORD', { DATABASE_URL: 'postgresql://redoubt_owner@db/redoubt', PGPASSWORD: secret }, 'unset PGPASSWORD'],
    ['a Vault token', { VAULT_TOKEN: secret }, 'REDOUBT_VAULT_AUTH=token-file and REDOUBT_VAULT_TOKEN_FILE'],
    [
      'the secret half of an S3 key',
      { REDOUBT_BACKUP_TO: 's3://backups/redoubt', AWS_SECRET_ACCESS_KEY: secret },
      'redoubt secret set backup/s3, set REDOUBT_S3_SECRET=secret://backup/s3, and unset AWS_SECRET_ACCESS_KEY.',
    ],
    [
      'a setting that is named like one',
      { REDOUBT_DATABASE_PASSWORD: secret },
      'redoubt secret set database/password, then set REDOUBT_DATABASE_PASSWORD=secret://database/password.',
    ],
    ['one of a later version', { REDOUBT_SMTP_PASSWORD: secret }, 'set REDOUBT_SMTP_PASSWORD=secret://smtp/password.'],
    ['a passphrase', { REDOUBT_MASTER_PASSPHRASE: secret }, 'REDOUBT_MASTER_PASSPHRASE holds a secret'],
    [
      'a password in another address',
      { REDOUBT_VAULT_ADDR: `https://me:${secret}@vault` },
      'take it out of the address',
    ],
    ['a password in the usual address', { VAULT_ADDR: `https://me:${secret}@vault` }, 'VAULT_ADDR holds a password'],
  ])('is refused: %s, with the way to mend it and without repeating it', (_what, environment, mend) => {
    const message = refusal(environment as Record<string, string>)
    expect(message).toContain(mend)
    expect(message).not.toContain(secret)
  })

  it('may be referred to, by its path in the secret store or by a file', () => {
    expect(
      refusal({
        DATABASE_URL: 'postgresql://redoubt_owner@db.example.com/redoubt',
        REDOUBT_DATABASE_PASSWORD: 'secret://database/owner',
        REDOUBT_S3_SECRET: 'secret://backup/s3',
        REDOUBT_PKCS11_PIN_FILE: '/run/pin',
        REDOUBT_VAULT_TOKEN_FILE: '/run/token',
      }),
    ).toBe('')
  })

  it('is not seen in labels, in a person’s own variables, nor in what Redoubt does not use', () => {
    expect(
      refusal({
        REDOUBT_MASTER_KEY: 'pkcs11',
        REDOUBT_PKCS11_TOKEN: 'redoubt',
        REDOUBT_PKCS11_KEY: 'master',
        REDOUBT_VAULT_TRANSIT_KEY: 'redoubt',
        REDOUBT_ACCESS_TOKEN: 'eyJ…',
        REDOUBT_DRILL_PASSWORD: 'x',
        PGPASSWORD: 'of another program',
        AWS_SECRET_ACCESS_KEY: 'of another program',
      }),
    ).toBe('')
  })

  it('is not let through by a reference that only looks like one', () => {
    for (const value of ['secret://', 'secret://UPPER/Case', 'secret://../x', `secret://x ${secret}`, 'secret:/x'])
      expect(refusal({ REDOUBT_DATABASE_PASSWORD: value })).toContain('holds a secret')
  })
})
