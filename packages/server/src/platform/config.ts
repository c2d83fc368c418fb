import { resolve } from 'node:path'
import { z } from 'zod'
import { StartError } from './app-error.ts'
import { type BackupConfig, backupConfigOf, backupSettings } from './backup-config.ts'
import { refusePlaintextSecrets, unknownVariables } from './environment-check.ts'
import { type ServiceIdentity, serviceIdentities } from './keeper-protocol.ts'
import { keyConfigOf, keySettings, type MasterKeyConfig, type SecretStoreConfig } from './key-config.ts'
import { type Complain, port, secretPath, superfluous, whole, wordsOf } from './setting.ts'

export const serviceNames = serviceIdentities
export type ServiceName = ServiceIdentity

const Environment = z.object({
  REDOUBT_HOME: z.string().min(1).default('./.redoubt'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be postgresql://user@host:port/database' })
    .optional(),
  REDOUBT_DATABASE_PASSWORD: secretPath.optional(),
  REDOUBT_HOST: z.string().min(1).default('127.0.0.1'),
  REDOUBT_WEB_PORT: port(3000),
  REDOUBT_API_PORT: port(4000),
  REDOUBT_INGESTION_PORT: port(4100),
  REDOUBT_RUNNER_PORT: port(5678),
  REDOUBT_RUNNER_API_PORT: port(4443),
  REDOUBT_KEEPER_PORT: port(4200),
  REDOUBT_KEEPER_URL: z.url({ protocol: /^https$/, error: 'must be https://host:port' }).optional(),
  REDOUBT_TRUST_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$/, 'must be a name such as redoubt.example.com, in lower case')
    .default('redoubt.internal'),
  REDOUBT_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be the address of the console, such as https://soc.example.com' })
    .optional(),
  REDOUBT_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('warn'),
  REDOUBT_SESSION_IDLE_MINUTES: whole(/^\d{1,6}$/, 'must be a number of minutes').default(12 * 60),
  REDOUBT_SESSION_HOURS: whole(/^\d{1,5}$/, 'must be a number of hours').default(7 * 24),
  REDOUBT_KEY_MAX_AGE_DAYS: whole(/^([4-9]|[1-8]\d|90)$/, 'must be a number of days from 4 to 90').default(7),
  ...keySettings,
  ...backupSettings,
})

/** All that can be configured; parsed once and frozen. Durations carry their unit. */
export type Config = {
  readonly home: string
  readonly databaseUrl: string | undefined
  /** Path of the owner's password in the secret store; null with the embedded database. */
  readonly databasePassword: string | null
  readonly host: string
  readonly ports: { readonly web: number; readonly api: number; readonly ingestion: number; readonly runner: number }
  /** The console's origin, without a trailing slash. */
  readonly publicUrl: string
  /** Where the keeper listens, and where the other services reach it when they run apart. */
  readonly keeper: { readonly port: number; readonly url: string }
  /** Where runners enrol and report, by mutual TLS. */
  readonly runnerApiPort: number
  /** Of the SPIFFE ids: `spiffe://<trust domain>/service/<name>`. */
  readonly trustDomain: string
  readonly masterKey: MasterKeyConfig
  readonly secretStore: SecretStoreConfig
  /** KEY_MAX_AGE (KEY-5): the age at which a key that was not rotated makes the platform DEGRADED. */
  readonly keyMaxAgeMs: number
  /** Null when no backups are made by themselves. */
  readonly backup: BackupConfig | null
  readonly logLevel: z.output<typeof Environment>['REDOUBT_LOG_LEVEL']
  readonly sessionIdleMs: number
  readonly sessionAbsoluteMs: number
  readonly limits: Limits
}

/** Requests per window (RL-1, RL-2); tests and the bench open them up. */
export type Limits = {
  readonly signInPerMinute: number
  readonly anonymousPerSecond: number
  readonly expensivePerSecond: number
  readonly tenantPerSecond: number
  readonly ingestRequestsPerSecond: number
}
export const defaultLimits: Limits = {
  signInPerMinute: 5,
  anonymousPerSecond: 10,
  expensivePerSecond: 2,
  tenantPerSecond: 1000,
  ingestRequestsPerSecond: 100,
}

/** Every variable that the configuration reads. */
export const knownVariables: readonly string[] = Object.keys(Environment.shape)

/**
 * Reads the environment. The only file that does.
 * @throws StartError that names every wrong variable and how to mend it
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const wrong = unknownVariables(environment, knownVariables)
  const parsed = Environment.safeParse(environment, { error: wordsOf })
  if (!parsed.success) wrong.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`))
  const parts = parsed.success ? partsOf(parsed.data, (sentence) => wrong.push(sentence)) : undefined
  if (parts === undefined || wrong.length > 0)
    throw new StartError(`The configuration is not valid: ${wrong.join('; ')}.`)
  refusePlaintextSecrets(environment)
  return configOf(parts)
}

function partsOf(env: z.output<typeof Environment>, complain: Complain): ConfigParts {
  if (env.DATABASE_URL === undefined) superfluous(env, ['REDOUBT_DATABASE_PASSWORD'], 'DATABASE_URL', complain)
  const keeperPort = env.REDOUBT_KEEPER_PORT
  return {
    home: resolve(env.REDOUBT_HOME),
    databaseUrl: env.DATABASE_URL,
    databasePassword: env.DATABASE_URL === undefined ? null : (env.REDOUBT_DATABASE_PASSWORD ?? 'database/owner'),
    host: env.REDOUBT_HOST,
    ports: {
      web: env.REDOUBT_WEB_PORT,
      api: env.REDOUBT_API_PORT,
      ingestion: env.REDOUBT_INGESTION_PORT,
      runner: env.REDOUBT_RUNNER_PORT,
    },
    publicUrl: (env.REDOUBT_PUBLIC_URL ?? `http://localhost:${env.REDOUBT_WEB_PORT}`).replace(/\/+$/, ''),
    keeper: {
      port: keeperPort,
      url: (env.REDOUBT_KEEPER_URL ?? `https://127.0.0.1:${keeperPort}`).replace(/\/+$/, ''),
    },
    runnerApiPort: env.REDOUBT_RUNNER_API_PORT,
    trustDomain: env.REDOUBT_TRUST_DOMAIN,
    ...keyConfigOf(env, complain),
    keyMaxAgeMs: env.REDOUBT_KEY_MAX_AGE_DAYS * 24 * 3_600_000,
    backup: backupConfigOf(env, complain),
    logLevel: env.REDOUBT_LOG_LEVEL,
    sessionIdleMs: env.REDOUBT_SESSION_IDLE_MINUTES * 60_000,
    sessionAbsoluteMs: env.REDOUBT_SESSION_HOURS * 3_600_000,
  }
}

/**
 * Where a service is reached from outside, without a trailing slash: at the public address, or on a machine without a
 * reverse proxy, where the console is reached on the port of `web`, at the service's own port beside it.
 */
export function publicAddress(
  { publicUrl, ports }: Pick<Config, 'publicUrl' | 'ports'>,
  of: 'api' | 'ingestion',
): string {
  const url = new URL(publicUrl)
  if (url.port === '' || url.port !== String(ports.web)) return publicUrl
  url.port = String(ports[of])
  return url.origin
}

/** What a configuration from parts leaves out: everything in this process and on this machine. */
const embedded = {
  limits: defaultLimits,
  databasePassword: null,
  keeper: { port: 4200, url: 'https://127.0.0.1:4200' },
  runnerApiPort: 4443,
  trustDomain: 'redoubt.internal',
  masterKey: { kind: 'file' },
  secretStore: { kind: 'embedded' },
  keyMaxAgeMs: 7 * 24 * 3_600_000,
  backup: null,
} as const satisfies Partial<Config>

export type ConfigParts = Omit<Config, keyof typeof embedded> & Partial<Pick<Config, keyof typeof embedded>>

/** A configuration from parts, for composition in tests, the demo and the bench. */
export function configOf(parts: ConfigParts): Config {
  return Object.freeze({ ...embedded, ...parts })
}
