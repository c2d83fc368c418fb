import { resolve } from 'node:path'
import { z } from 'zod'
import { StartError } from './app-error.ts'

export const serviceNames = ['web', 'api', 'ingestion', 'worker', 'workflow-processor'] as const
export type ServiceName = (typeof serviceNames)[number]

const port = (fallback: number) =>
  z
    .string()
    .regex(/^\d{1,5}$/, 'must be a port number')
    .transform(Number)
    .pipe(z.int().max(65535))
    .default(fallback)

const Environment = z.object({
  REDOUBT_HOME: z.string().min(1).default('./.redoubt'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be postgresql://user:password@host:port/database' })
    .optional(),
  REDOUBT_HOST: z.string().min(1).default('127.0.0.1'),
  REDOUBT_WEB_PORT: port(3000),
  REDOUBT_API_PORT: port(4000),
  REDOUBT_INGESTION_PORT: port(4100),
  REDOUBT_RUNNER_PORT: port(5678),
  REDOUBT_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be the address of the console, such as https://soc.example.com' })
    .optional(),
  REDOUBT_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('warn'),
  REDOUBT_SESSION_IDLE_MINUTES: z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number)
    .default(12 * 60),
  REDOUBT_SESSION_HOURS: z
    .string()
    .regex(/^\d{1,5}$/)
    .transform(Number)
    .default(7 * 24),
})

/** All that can be configured; parsed once and frozen. Durations carry their unit. */
export type Config = {
  readonly home: string
  readonly databaseUrl: string | undefined
  readonly host: string
  readonly ports: { readonly web: number; readonly api: number; readonly ingestion: number; readonly runner: number }
  /** The console's origin, without a trailing slash. */
  readonly publicUrl: string
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

/**
 * Reads the environment. The only file that does.
 * @throws StartError that names every wrong variable and how to mend it.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const parsed = Environment.safeParse(environment)
  if (!parsed.success) {
    const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
    throw new StartError(`The configuration is not valid: ${wrong.join('; ')}.`)
  }
  const env = parsed.data
  return configOf({
    home: resolve(env.REDOUBT_HOME),
    databaseUrl: env.DATABASE_URL,
    host: env.REDOUBT_HOST,
    ports: {
      web: env.REDOUBT_WEB_PORT,
      api: env.REDOUBT_API_PORT,
      ingestion: env.REDOUBT_INGESTION_PORT,
      runner: env.REDOUBT_RUNNER_PORT,
    },
    publicUrl: (env.REDOUBT_PUBLIC_URL ?? `http://localhost:${env.REDOUBT_WEB_PORT}`).replace(/\/+$/, ''),
    logLevel: env.REDOUBT_LOG_LEVEL,
    sessionIdleMs: env.REDOUBT_SESSION_IDLE_MINUTES * 60_000,
    sessionAbsoluteMs: env.REDOUBT_SESSION_HOURS * 3_600_000,
  })
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

/** A configuration from parts, for composition in tests, the demo and the bench. */
export function configOf(parts: Omit<Config, 'limits'> & { readonly limits?: Limits }): Config {
  return Object.freeze({ limits: defaultLimits, ...parts })
}
