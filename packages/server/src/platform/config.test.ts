import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Config, knownVariables, publicAddress, readConfig, serviceNames } from './config.ts'

describe('where a service is reached from outside', () => {
  const ports = { web: 3000, api: 4000, ingestion: 4100, runner: 5678 }

  it('is its own port beside the console of a machine without a reverse proxy', () => {
    const publicUrl = 'http://localhost:3000'
    expect(publicAddress({ publicUrl, ports }, 'api')).toBe('http://localhost:4000')
    expect(publicAddress({ publicUrl, ports }, 'ingestion')).toBe('http://localhost:4100')
  })

  it('is the public address behind a reverse proxy', () => {
    for (const publicUrl of ['https://soc.example.com', 'https://soc.example.com:8443']) {
      expect(publicAddress({ publicUrl, ports }, 'api')).toBe(publicUrl)
      expect(publicAddress({ publicUrl, ports }, 'ingestion')).toBe(publicUrl)
    }
  })
})

const refusal = (environment: Record<string, string>): string => {
  try {
    readConfig(environment)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
const vault = {
  REDOUBT_VAULT_ADDR: 'https://vault.example.com:8200/',
  REDOUBT_VAULT_AUTH: 'approle',
  REDOUBT_VAULT_ROLE_ID: 'r',
  REDOUBT_VAULT_SECRET_ID_FILE: '/run/secret-id',
}

describe('the configuration', () => {
  it('of an empty environment is everything on this machine', () => {
    expect(readConfig({})).toMatchObject({
      databaseUrl: undefined,
      databasePassword: null,
      keeper: { port: 4200, url: 'https://127.0.0.1:4200' },
      runnerApiPort: 4443,
      trustDomain: 'redoubt.internal',
      masterKey: { kind: 'file' },
      secretStore: { kind: 'embedded' },
      backup: null,
      host: '127.0.0.1',
    } satisfies Partial<Config>)
    expect(serviceNames).toHaveLength(8)
  })

  it('looks for the password of a database of one’s own in the secret store', () => {
    const DATABASE_URL = 'postgresql://redoubt_owner@127.0.0.1/redoubt'
    expect(readConfig({ DATABASE_URL }).databasePassword).toBe('database/owner')
    const REDOUBT_DATABASE_PASSWORD = 'secret://postgres/main'
    expect(readConfig({ DATABASE_URL, REDOUBT_DATABASE_PASSWORD }).databasePassword).toBe('postgres/main')
  })

  it('takes a token, a vault and a bucket', () => {
    const config = readConfig({
      ...vault,
      REDOUBT_SECRET_STORE: 'vault',
      REDOUBT_VAULT_NAMESPACE: 'soc/prod',
      REDOUBT_MASTER_KEY: 'pkcs11',
      REDOUBT_PKCS11_MODULE: '/usr/lib/softhsm/libsofthsm2.so',
      REDOUBT_PKCS11_TOKEN: 'redoubt',
      REDOUBT_PKCS11_KEY: 'master',
      REDOUBT_PKCS11_PIN_FILE: '/run/pin',
      REDOUBT_BACKUP_TO: 's3://backups/redoubt/',
      REDOUBT_BACKUP_EVERY_HOURS: '6',
      REDOUBT_S3_ENDPOINT: 'https://s3.example.com/',
      REDOUBT_S3_ACCESS_KEY_ID: 'id',
      REDOUBT_S3_SECRET: 'secret://backup/s3',
      REDOUBT_KEEPER_PORT: '4300',
    })
    expect(config.masterKey).toEqual({
      kind: 'pkcs11',
      module: '/usr/lib/softhsm/libsofthsm2.so',
      token: 'redoubt',
      key: 'master',
      pinFile: '/run/pin',
    })
    const expected = {
      address: 'https://vault.example.com:8200',
      namespace: 'soc/prod',
      caFile: null,
      auth: { kind: 'approle', roleId: 'r', secretIdFile: '/run/secret-id' },
    }
    expect(config.secretStore).toEqual({ kind: 'vault', mount: 'secret', prefix: 'redoubt', vault: expected })
    expect(config.backup).toEqual({
      to: {
        kind: 's3',
        bucket: 'backups',
        prefix: 'redoubt',
        endpoint: 'https://s3.example.com',
        region: 'us-east-1',
        accessKeyId: 'id',
        secret: 'backup/s3',
      },
      everyHours: 6,
      keep: 14,
    })
    expect(config.keeper.url).toBe('https://127.0.0.1:4300')
  })

  it('takes a transit key with a pod’s own token, and a folder for backups', () => {
    const config = readConfig({
      VAULT_ADDR: 'http://127.0.0.1:8200',
      REDOUBT_MASTER_KEY: 'vault-transit',
      REDOUBT_VAULT_AUTH: 'kubernetes',
      REDOUBT_VAULT_ROLE: 'redoubt-keeper',
      REDOUBT_BACKUP_TO: '/backups',
    })
    expect(config.masterKey).toMatchObject({
      kind: 'vault-transit',
      key: 'redoubt',
      vault: {
        address: 'http://127.0.0.1:8200',
        auth: {
          kind: 'kubernetes',
          role: 'redoubt-keeper',
          jwtFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
        },
      },
    })
    expect(config.secretStore).toEqual({ kind: 'embedded' })
    expect(config.backup).toEqual({ to: { kind: 'folder', path: '/backups' }, everyHours: 24, keep: 14 })
  })

  it.each([
    [
      { REDOUBT_MASTER_KEY: 'pkcs11', REDOUBT_PKCS11_TOKEN: 'x' },
      'REDOUBT_MASTER_KEY=pkcs11 needs REDOUBT_PKCS11_MODULE, REDOUBT_PKCS11_KEY, REDOUBT_PKCS11_PIN_FILE.',
    ],
    [
      { REDOUBT_PKCS11_MODULE: '/x' },
      'REDOUBT_PKCS11_MODULE without REDOUBT_MASTER_KEY=pkcs11 changes nothing: set that too, or unset it.',
    ],
    [{ ...vault }, 'without REDOUBT_SECRET_STORE=vault or REDOUBT_MASTER_KEY=vault-transit changes nothing'],
    [{ REDOUBT_SECRET_STORE: 'vault' }, 'REDOUBT_SECRET_STORE=vault needs REDOUBT_VAULT_ADDR, such as https://'],
    [{ REDOUBT_SECRET_STORE: 'vault' }, 'needs REDOUBT_VAULT_AUTH: approle, kubernetes or token-file'],
    [
      { REDOUBT_SECRET_STORE: 'vault', REDOUBT_VAULT_ADDR: 'https://v', REDOUBT_VAULT_AUTH: 'token-file' },
      'REDOUBT_VAULT_AUTH=token-file needs REDOUBT_VAULT_TOKEN_FILE.',
    ],
    [
      { ...vault, REDOUBT_SECRET_STORE: 'vault', REDOUBT_VAULT_ROLE: 'x' },
      'REDOUBT_VAULT_ROLE without REDOUBT_VAULT_AUTH=kubernetes changes nothing',
    ],
    [
      { ...vault, REDOUBT_SECRET_STORE: 'vault', REDOUBT_VAULT_TRANSIT_KEY: 'x' },
      'REDOUBT_VAULT_TRANSIT_KEY without REDOUBT_MASTER_KEY=vault-transit changes nothing',
    ],
    [
      { ...vault, REDOUBT_SECRET_STORE: 'vault', REDOUBT_VAULT_ADDR: 'http://vault.example.com' },
      'REDOUBT_VAULT_ADDR must be https://…',
    ],
    [{ REDOUBT_DATABASE_PASSWORD: 'secret://database/owner' }, 'without DATABASE_URL changes nothing'],
    [
      { DATABASE_URL: 'postgresql://o@h/d', REDOUBT_DATABASE_PASSWORD: 'hunter2' },
      'REDOUBT_DATABASE_PASSWORD must refer to the secret store: secret://path',
    ],
    [{ REDOUBT_BACKUP_KEEP: '3' }, 'REDOUBT_BACKUP_KEEP without REDOUBT_BACKUP_TO changes nothing'],
    [{ REDOUBT_BACKUP_TO: 'ftp://x' }, 'REDOUBT_BACKUP_TO must be a folder or s3://bucket/prefix'],
    [
      { REDOUBT_BACKUP_TO: 's3://backups' },
      'REDOUBT_BACKUP_TO=s3://… needs REDOUBT_S3_ACCESS_KEY_ID, REDOUBT_S3_SECRET.',
    ],
    [
      { REDOUBT_BACKUP_TO: '/b', REDOUBT_S3_REGION: 'eu' },
      'REDOUBT_S3_REGION without REDOUBT_BACKUP_TO=s3://bucket/prefix changes nothing',
    ],
    [{ REDOUBT_KEEPER_URL: 'http://keeper:4200' }, 'REDOUBT_KEEPER_URL must be https://host:port'],
    [{ REDOUBT_TRUST_DOMAIN: 'Example/x' }, 'REDOUBT_TRUST_DOMAIN must be a name such as'],
    [{ REDOUBT_WEB_PORT: '99999' }, 'REDOUBT_WEB_PORT must be at most 65535.'],
    [{ REDOUBT_MASTER_KEY: 'hsm' }, 'REDOUBT_MASTER_KEY must be file, pkcs11 or vault-transit.'],
    [{ REDOUBT_HOME: '' }, 'REDOUBT_HOME must not be empty.'],
    [{ REDOUBT_S3_ACCESS_KEY_ID: 'x'.repeat(201) }, 'REDOUBT_S3_ACCESS_KEY_ID must be at most 200 characters.'],
    [{ REDOUBT_WEBPORT: '1' }, 'REDOUBT_WEBPORT is not known: did you mean REDOUBT_WEB_PORT?'],
    [{ DATABASE_URL: 'postgresql://o:hunter2@h/d' }, 'DATABASE_URL holds a password'],
    [{ VAULT_TOKEN: 'hunter2' }, 'VAULT_TOKEN is set'],
  ])('refuses %o in one sentence', (environment, sentence) => {
    const message = refusal(environment as Record<string, string>)
    expect(message).toContain(sentence)
    expect(message).not.toContain('hunter2')
  })

  it('names all that is wrong at once', () => {
    const message = refusal({ REDOUBT_WEB_PORT: 'eighty', DATABASE_URL: 'mysql://x', REDOUBT_HOSTS: 'x' })
    expect(message).toContain('REDOUBT_WEB_PORT must be a port number')
    expect(message).toContain('DATABASE_URL must be postgresql://user@host:port/database')
    expect(message).toContain('REDOUBT_HOSTS is not known: did you mean REDOUBT_HOST?')
  })

  it('is described in docs/guides/configuration.md, variable by variable', () => {
    const guide = readFileSync(join(import.meta.dirname, '../../../../docs/guides/configuration.md'), 'utf8')
    expect(knownVariables.filter((name) => !guide.includes(`\`${name}\``))).toEqual([])
  })
})
