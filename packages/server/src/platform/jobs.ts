import type { OrganizationId } from '@redoubt/contract'
import { hmacSha256, utf8, verifyHmacSha256 } from '@redoubt/trust'
import { Logger, type Runner, type RunnerOptions, run, runOnce } from 'graphile-worker'
import { z } from 'zod'
import { describe } from './http.ts'
import type { ServiceRole } from './installation.ts'
import type { Kernel, Stop } from './kernel.ts'
import { connectionString, type Login, withClient } from './prepare-database.ts'
import type { Tasks } from './work.ts'

/** A task's work; thrown errors are retried with growing pauses, twelve times in all. */
export type TaskHandler<T extends keyof Tasks> = (
  payload: Tasks[T] & { readonly organizationId: OrganizationId },
  attempt: { readonly last: boolean },
) => Promise<void>
export type TaskHandlers = { readonly [T in keyof Tasks]?: TaskHandler<T> }

/** Takes jobs of the given tasks until stopped; stopping waits for the jobs in hand. */
export async function startJobs(
  kernel: Kernel,
  login: Login,
  handlers: TaskHandlers,
  options: { concurrency?: number } = {},
): Promise<Stop> {
  await freeAbandonedJobs(login, Object.keys(handlers))
  const runner: Runner = await run({
    ...optionsOf(kernel, login, handlers),
    concurrency: options.concurrency ?? 2,
    maxPoolSize: 4,
    pollInterval: 1000,
  })
  return () => runner.stop()
}

/**
 * Frees the jobs that a killed process had in hand; the queue itself would keep them for four hours. Another process of
 * the same service may still be at one of them: every task bears to be run twice, also at once.
 */
function freeAbandonedJobs(login: Login, tasks: readonly string[]): Promise<void> {
  return withClient(login, async (client) => {
    await client.query(
      `select graphile_worker.force_unlock_workers(array(
         select distinct locked_by from graphile_worker.jobs where locked_by is not null and task_identifier = any($1)))`,
      [tasks],
    )
  })
}

/** Runs the jobs that are due and returns when none is left. */
export function runJobsOnce(kernel: Kernel, login: Login, handlers: TaskHandlers): Promise<void> {
  return runOnce(optionsOf(kernel, login, handlers))
}

function optionsOf(kernel: Kernel, login: Login, handlers: TaskHandlers): RunnerOptions {
  const { log, metrics } = kernel
  const key = hmacSha256(kernel.installation.contextKeys[login.user as ServiceRole].reveal(), utf8('redoubt.job'))
  const taskList = Object.fromEntries(
    Object.entries(handlers).map(([task, handle]) => [
      task,
      async (payload: unknown, helpers: { job: { attempts: number; max_attempts: number } }) => {
        try {
          await (handle as (p: unknown, a: { last: boolean }) => Promise<void>)(openJob(task, payload, key), {
            last: helpers.job.attempts >= helpers.job.max_attempts,
          })
          metrics.jobs.inc({ task, result: 'done' })
        } catch (error) {
          metrics.jobs.inc({ task, result: 'failed' })
          log.error({ task, err: describe(error) }, 'job failed and will be tried again')
          throw error
        }
      },
    ]),
  )
  return {
    connectionString: connectionString(login),
    noHandleSignals: true,
    taskList,
    logger: new Logger(() => (level, message) => {
      // A failed task has been logged above, without the payload that the queue's own line may quote.
      if (level === 'error' && !message.startsWith('Failed task')) log.error({ message }, 'job queue')
      else log.debug({ message }, 'job queue')
    }),
  }
}

const Sealed = z.strictObject({ body: z.string(), mac: z.string().regex(/^[0-9a-f]{64}$/) })

/** What `redoubt.enqueue` sealed for this task. @throws Error for a job that anything else put there or changed */
function openJob(task: string, payload: unknown, key: Uint8Array): unknown {
  const sealed = Sealed.safeParse(payload)
  if (
    !sealed.success ||
    !verifyHmacSha256(key, utf8(sealed.data.body), Buffer.from(sealed.data.mac, 'hex')) ||
    !sealed.data.body.startsWith(`${task}|`)
  ) {
    throw new Error('this job was not put on the queue by the platform')
  }
  return JSON.parse(sealed.data.body.slice(task.length + 1))
}
