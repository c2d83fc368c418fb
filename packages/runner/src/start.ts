import { setTimeout as sleep } from 'node:timers/promises'
import type { Plan } from '@redoubt/contract'
import type { SigningKey } from '@redoubt/trust'
import { type Logger, pino } from 'pino'
import { StartRefused } from './config.ts'
import { ControlPlane, ControlPlaneRefused } from './control-plane.ts'
import { type Resolve, resolveBySystem } from './egress/guarded-request.ts'
import { type Enrolment, Home, type Identity } from './home/home.ts'
import { Journal } from './home/journal.ts'
import { createServer } from './http-server.ts'
import { DeliveryRefused, takePlan } from './intake.ts'
import { Reporter } from './reporter.ts'
import { type Clock, executeRun } from './run/execution.ts'
import { Sandbox } from './run/sandbox.ts'
import { Scheduler } from './run/scheduler.ts'

export type RunnerOptions = {
  readonly home: string
  readonly host?: string
  /** 0 takes any free port. */
  readonly port?: number
  /** Where the control plane reaches this runner, when it is not the address it listens on. */
  readonly url?: string | undefined
  readonly controlPlane?: string | undefined
  readonly log?: Logger
  readonly clock?: Clock
  readonly resolve?: Resolve
  /** First wait before an undelivered report is repeated, in milliseconds. */
  readonly reportBackoffMs?: number
}
export type RunningRunner = {
  readonly url: string
  /** Takes no more plans, finishes the steps in hand, and gives the home back. Unfinished runs go on at the next start. */
  readonly stop: () => Promise<void>
}

const systemClock: Clock = { now: () => new Date(), sleep: async (ms) => void (await sleep(ms)) }
const WATCH_INTERVAL_MS = 500
const ENROL_RETRY_MS = 2000

/** What exists once the runner knows who it is. */
type Enrolled = {
  readonly identity: Identity
  readonly key: SigningKey
  readonly controlPlane: ControlPlane
  readonly reporter: Reporter
}

/**
 * Starts a runner on its home. Without an identity it listens, takes no plan, and watches its home for an enrolment.
 * Throws {@link StartRefused} with one sentence: home in use, port taken, identity damaged.
 */
export const startRunner = async (options: RunnerOptions): Promise<RunningRunner> => {
  const log = options.log ?? pino()
  const clock = options.clock ?? systemClock
  const home = new Home(options.home)
  const journal = openJournal(home)
  const sandbox = new Sandbox()
  const stopping = new AbortController()
  let enrolled: Enrolled | undefined

  const scheduler = new Scheduler(async (plan: Plan) => {
    const { runId } = plan
    try {
      const ending = await executeRun(plan, {
        journal,
        sandbox,
        log,
        resolve: options.resolve ?? resolveBySystem,
        clock,
        stopping: () => stopping.signal.aborted,
        changed: () => enrolled?.reporter.wake(),
      })
      journal.prune(clock.now())
      log.info({ runId, ending }, 'a run ended')
    } catch (error) {
      log.error(
        { runId, fault: error instanceof Error ? error.message : '' },
        'a run was cut off; the next start resumes it',
      )
    }
  })

  const take = async (body: unknown): Promise<Plan> => {
    if (stopping.signal.aborted) throw new DeliveryRefused(503, 'stopping', 'the runner is stopping')
    if (enrolled === undefined) throw new DeliveryRefused(503, 'not_enrolled', 'the runner is not enrolled yet')
    const { identity, controlPlane, reporter } = enrolled
    const plan = await takePlan(body, { identity, controlPlane, journal, now: clock.now })
    reporter.wake()
    scheduler.add(plan)
    return plan
  }

  const begin = (identity: Identity): void => {
    const key = home.signingKey()
    const controlPlane = new ControlPlane(options.controlPlane ?? identity.controlPlane)
    const reporter = new Reporter({
      journal,
      log,
      now: clock.now,
      backoffMs: options.reportBackoffMs ?? 500,
      deliver: (report) => controlPlane.report(report, identity, key, clock.now()),
    })
    enrolled = { identity, key, controlPlane, reporter }
    journal.prune(clock.now())
    for (const plan of journal.unfinished()) scheduler.add(plan)
    reporter.wake()
    log.info({ runnerId: identity.runnerId }, 'the runner is enrolled and takes plans')
  }

  const health = () => ({ runnerId: enrolled?.identity.runnerId ?? null, running: scheduler.running })
  const server = createServer({ log, take, health })
  try {
    const identity = home.identity()
    const key = identity === undefined ? undefined : home.signingKey()
    const listening = await server.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 5678 })
    const url = options.url ?? listening
    if (identity !== undefined && key !== undefined) begin(identity)
    const enrolling =
      identity === undefined ? enrol({ home, url, log, options, begin, signal: stopping.signal }) : undefined
    const stop = async () => {
      stopping.abort()
      log.info('stopping: the steps in hand are finished first')
      await Promise.all([server.close(), scheduler.stop(), enrolling])
      await enrolled?.reporter.stop()
      await enrolled?.controlPlane.close()
      await sandbox.stop()
      journal.close()
    }
    let stopped: Promise<void> | undefined
    return {
      url,
      stop: () => {
        stopped ??= stop()
        return stopped
      },
    }
  } catch (error) {
    journal.close()
    throw asStartRefused(error, options)
  }
}

const openJournal = (home: Home): Journal => {
  try {
    return new Journal(home.path)
  } catch (error) {
    const busy = error instanceof Error && 'errcode' in error && error.errcode === 5
    if (busy)
      throw new StartRefused(`another runner uses the home ${home.path}; stop it, or give this one another home`)
    const reason = error instanceof Error ? error.message : ''
    throw new StartRefused(`the journal in ${home.path} cannot be opened: ${reason}`)
  }
}

const asStartRefused = (error: unknown, { host, port }: RunnerOptions): unknown => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') {
    return new StartRefused(`port ${port ?? 5678} is taken; stop what listens there, or set REDOUBT_RUNNER_PORT`)
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    return new StartRefused(`the runner cannot listen on ${host ?? '127.0.0.1'}:${port ?? 5678} (${code})`)
  }
  return error
}

type Enrolling = {
  readonly home: Home
  readonly url: string
  readonly log: Logger
  readonly options: RunnerOptions
  readonly begin: (identity: Identity) => void
  readonly signal: AbortSignal
}

/** Watches the home until an enrolment is there and the control plane has taken it. */
const enrol = async ({ home, url, log, options, begin, signal }: Enrolling): Promise<void> => {
  const pause = (ms: number) => sleep(ms, undefined, { signal, ref: false }).catch(() => {})
  let refused: string | undefined
  let announced = false
  while (!signal.aborted) {
    const enrolment = readEnrolment(home, log)
    if (enrolment === undefined || enrolment.token === refused) {
      if (!announced)
        log.info({ home: home.path }, 'not enrolled: waiting for enrolment.json in the home of the runner')
      announced = true
      await pause(WATCH_INTERVAL_MS)
      continue
    }
    const controlPlane = new ControlPlane(options.controlPlane ?? enrolment.controlPlane)
    try {
      // The key is on disk before anybody hears of it; a runner that dies here keeps it.
      const identity = await controlPlane.enrol(enrolment, home.signingKey(), url)
      home.saveIdentity(identity)
      begin(identity)
      return
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      if (error instanceof ControlPlaneRefused) {
        refused = enrolment.token
        log.error({ reason }, 'the enrolment token was refused; make a new one and put it into enrolment.json')
      } else log.warn({ reason }, 'the enrolment did not succeed yet')
      await pause(error instanceof ControlPlaneRefused ? WATCH_INTERVAL_MS : ENROL_RETRY_MS)
    } finally {
      await controlPlane.close()
    }
  }
}

/** A file that is only half there (somebody is just writing it) is looked at again. */
const readEnrolment = (home: Home, log: Logger): Enrolment | undefined => {
  try {
    return home.enrolment()
  } catch (error) {
    log.warn({ reason: error instanceof Error ? error.message : '' }, 'the enrolment cannot be read yet')
    return undefined
  }
}
