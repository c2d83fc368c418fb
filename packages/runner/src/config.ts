import { resolve } from 'node:path'
import { z } from 'zod'

/** Where the control plane takes its runners: the port for mutual TLS (SVC-4), also on this machine. */
export const ControlPlaneUrl = z
  .url({ protocol: /^https$/, error: 'use https://HOST:4443, the address for runners; they speak mutual TLS alone' })
  .max(500)

/** What the operator can set. This file alone reads the environment. */
const Environment = z.object({
  REDOUBT_RUNNER_HOME: z.string().min(1).default('.redoubt-runner'),
  REDOUBT_RUNNER_HOST: z.string().min(1).default('127.0.0.1'),
  REDOUBT_RUNNER_PORT: z.coerce.number().int().min(0).max(65_535).default(5678),
  /** Where the control plane pushes plans to, when it is not `https://HOST:PORT`. */
  REDOUBT_RUNNER_URL: z
    .url({ protocol: /^https$/, error: 'use https://HOST:PORT; plans are taken over mutual TLS alone' })
    .optional(),
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
