import { resolve } from 'node:path'
import { z } from 'zod'

/**
 * Where the control plane is. Its keys and the enrolment token travel there, so whoever listened or answered in between
 * on a plain connection could sign plans of his own (NET-2).
 */
export const ControlPlaneUrl = z
  .url({ protocol: /^https?$/ })
  .max(500)
  .refine((url) => /^https:|^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:|\/|$)/.test(url), {
    message: 'use https://; plain http:// is for this machine alone (127.0.0.1, [::1], localhost)',
  })

/** What the operator can set. This file alone reads the environment. */
const Environment = z.object({
  REDOUBT_RUNNER_HOME: z.string().min(1).default('.redoubt-runner'),
  REDOUBT_RUNNER_HOST: z.string().min(1).default('127.0.0.1'),
  REDOUBT_RUNNER_PORT: z.coerce.number().int().min(0).max(65_535).default(5678),
  /** Where the control plane pushes plans to, when it is not `http://HOST:PORT`. */
  REDOUBT_RUNNER_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Overrides the address that was written down at the enrolment, when the control plane has moved. */
  REDOUBT_RUNNER_CONTROL_PLANE: ControlPlaneUrl.optional(),
  REDOUBT_RUNNER_LOG: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type RunnerConfig = {
  readonly home: string
  readonly host: string
  readonly port: number
  readonly url: string | undefined
  readonly controlPlane: string | undefined
  readonly logLevel: z.output<typeof Environment>['REDOUBT_RUNNER_LOG']
}

/** The start is refused; the message is one sentence for the operator. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** Throws {@link StartRefused} naming the variable that is wrong. */
export const readConfig = (environment: Readonly<Record<string, string | undefined>> = process.env): RunnerConfig => {
  const parsed = Environment.safeParse(environment)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new StartRefused(`${String(issue?.path[0])} is wrong: ${issue?.message}`)
  }
  const read = parsed.data
  return Object.freeze({
    home: resolve(read.REDOUBT_RUNNER_HOME),
    host: read.REDOUBT_RUNNER_HOST,
    port: read.REDOUBT_RUNNER_PORT,
    url: read.REDOUBT_RUNNER_URL,
    controlPlane: read.REDOUBT_RUNNER_CONTROL_PLANE,
    logLevel: read.REDOUBT_RUNNER_LOG,
  })
}
