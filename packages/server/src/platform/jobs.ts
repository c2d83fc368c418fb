import type { OrganizationId } from '@redoubt/contract'
import { hmacSha256, systemTimers, type Timers, utf8, verifyHmacSha256 } from '@redoubt/trust'
import { Logger, type Runner, type RunnerOptions, run, runOnce } from 'graphile-worker'
import pg from 'pg'
import { z } from 'zod'
import { describe } from './http.ts'
import type { Kernel, Stop } from './kernel.ts'
import { type ServiceLogin, withClient } from './prepare-database.ts'
import type { Tasks } from './work.ts'

/** A task's work; after a thrown error it is tried again with growing pauses, as often as `redoubt.enqueue` says. */
export type TaskHandler<T extends keyof Tasks> = (
  payload: Tasks[T] & { readonly organizationId: OrganizationId },
  attempt: { readonly last: boolean },
) => Promise<void>
export type TaskHandlers = { readonly [T in keyof Tasks]?: TaskHandler<T> }

/**
 * Takes jobs of the given tasks until stopped; stopping waits for the jobs in hand. When the database goes away in the
 * middle, the queue cannot note what became of a job and ends itself; it is then started again, as soon as the database is
 * back, and the jobs it had in hand are run anew.
 * @throws StartError when the database cannot be reached at the start
 */
export async function startJobs(
  kernel: Kernel,
  login: ServiceLogin,
  handlers: TaskHandlers,
  options: { concurrency?: number; timers?: Timers } = {},
): Promise<Stop> {
  const { concurrency = 2, timers = systemTimers } = options
  const stopping = new AbortController()
  const begin = async (): Promise<Queue> => {
    await freeAbandonedJobs(login, Object.keys(handlers))
    const pool = openPool(login, 4)
    try {
      const runner = await run({ ...optionsOf(kernel, login, handlers), pgPool: pool, concurrency, pollInterval: 1000 })
      return { runner, pool }
    } catch (error) {
      await pool.end()
      throw error
    }
  }
  let queue: Queue | null = await begin()
  const supervised = (async () => {
    while (queue) {
      // One that came up while the stop was asked for.
      if (stopping.signal.aborted) void queue.runner.stop().catch(() => undefined)
      await queue.runner.promise.catch(() => undefined)
      await queue.pool.end()
      queue = null
      if (!stopping.signal.aborted)
        kernel.log.warn({ tasks: Object.keys(handlers) }, 'the job queue has lost its database and is started again')
      for (let pauseMs = 250; !queue && !stopping.signal.aborted; pauseMs = Math.min(pauseMs * 2, 5000)) {
        await pause(timers, pauseMs, stopping.signal)
        if (!stopping.signal.aborted) queue = await begin().catch(() => null)
      }
    }
  })()
  return async () => {
    stopping.abort()
    // One that has just ended by itself says so instead of stopping twice.
    await queue?.runner.stop().catch(() => undefined)
    await supervised
  }
}

type Queue = { readonly runner: Runner; readonly pool: pg.Pool }

/** Ours instead of the queue's own: it checks the database's certificate as all others do (NET-3). */
function openPool(login: ServiceLogin, max: number): pg.Pool {
  const pool = new pg.Pool({
    ...login,
    max,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: `${login.user}.jobs`,
  })
  // The pool listens to idle connections alone, and an error that nobody listens to ends the process. Whoever uses the
  // connection sees its query rejected.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Ends early when `signal` does. */
function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = timers.after(ms, resolve)
    signal.addEventListener('abort', () => {
      cancel()
      resolve()
    })
  })
}

/**
 * Frees the jobs that a killed process had in hand; the queue itself would keep them for four hours. Another process of
 * the same service may still be at one of them: every task bears to be run twice, also at once.
 */
function freeAbandonedJobs(login: ServiceLogin, tasks: readonly string[]): Promise<void> {
  return withClient(login, async (client) => {
    await client.query(
      `select graphile_worker.force_unlock_workers(array(
         select distinct locked_by from graphile_worker.jobs where locked_by is not null and task_identifier = any($1)))`,
      [tasks],
    )
  })
}

/** Runs the jobs that are due and returns when none is left. */
export async function runJobsOnce(kernel: Kernel, login: ServiceLogin, handlers: TaskHandlers): Promise<void> {
  const pool = openPool(login, 2)
  try {
    await runOnce({ ...optionsOf(kernel, login, handlers), pgPool: pool })
  } finally {
    await pool.end()
  }
}

function optionsOf(kernel: Kernel, login: ServiceLogin, handlers: TaskHandlers): RunnerOptions {
  const { log, metrics } = kernel
  const key = hmacSha256(login.contextKey.reveal(), utf8('redoubt.job'))
  const taskList = Object.fromEntries(
    Object.entries(handlers).map(([task, handle]) => [
      task,
      async (payload: unknown, helpers: { job: { attempts: number; max_attempts: number } }) => {
        const last = helpers.job.attempts >= helpers.job.max_attempts
        try {
          await (handle as (p: unknown, a: { last: boolean }) => Promise<void>)(openJob(task, payload, key), { last })
          metrics.jobs.inc({ task, result: 'done' })
        } catch (error) {
          metrics.jobs.inc({ task, result: 'failed' })
          log.error({ task, err: describe(error) }, last ? 'job failed for good' : 'job failed and will be tried again')
          throw error
        }
      },
    ]),
  )
  return {
    // By default the queue does not wait for its notes about finished jobs: one that the database no longer takes is then a
    // rejection that nobody handles, which ends the process, and stopping may overtake it. As a batch of its own, even one
    // that waits for nobody, it is both handled and waited for.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
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
