import { setTimeout as sleep } from 'node:timers/promises'
import type { Plan } from '@redoubt/contract'
import type { CertificateHolder, Timers } from '@redoubt/trust'
import { type Logger, pino } from 'pino'
import { type ChannelCredentials, openCredentials } from './channel/credentials.ts'
import { awaitEnrolment } from './channel/enrolment.ts'
import { StartRefused } from './config.ts'
import { ControlPlane } from './control-plane.ts'
import { type Resolve, resolveBySystem } from './egress/guarded-request.ts'
import { Home, type Identity } from './home/home.ts'
import { Journal } from './home/journal.ts'
import { createServer, proveBy } from './http-server.ts'
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
  /** What the renewal of the certificate waits by. */
  readonly timers?: Timers
  /** First wait before an undelivered report is repeated, in milliseconds. */
  readonly reportBackoffMs?: number
}
export type RunningRunner = {
  /** `https://HOST:PORT`, over mutual TLS. */
  readonly url: string
  /** Takes no more plans, finishes the steps in hand, and gives the home back. Unfinished runs go on at the next start. */
  readonly stop: () => Promise<void>
}

const systemClock: Clock = { now: () => new Date(), sleep: async (ms) => void (await sleep(ms)) }

/** What exists once the runner knows who it is. */
type Enrolled = {
  readonly identity: Identity
  readonly holder: CertificateHolder
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

  const begin = (identity: Identity, credentials: ChannelCredentials): void => {
    const controlPlane = new ControlPlane({
      base: options.controlPlane ?? identity.controlPlane,
      key: home.signingKey(),
      ...{ identity, credentials, clock, log },
      ...(options.timers ? { timers: options.timers } : {}),
    })
    const reporter = new Reporter({
      journal,
      log,
      now: clock.now,
      backoffMs: options.reportBackoffMs ?? 500,
      deliver: (report) => controlPlane.report(report),
    })
    enrolled = { identity, holder: credentials.holder, controlPlane, reporter }
    proveBy(server, credentials.holder)
    journal.prune(clock.now())
    for (const plan of journal.unfinished()) scheduler.add(plan)
    reporter.wake()
    log.info({ runnerId: identity.runnerId }, 'the runner is enrolled and takes plans')
  }

  const health = () => ({ runnerId: enrolled?.identity.runnerId ?? null, running: scheduler.running })
  const server = createServer({ log, take, health, holder: () => enrolled?.holder })
  try {
    const identity = home.identity()
    // Before the port is open: what is damaged is said instead of half started.
    const credentials = identity === undefined ? undefined : openCredentials({ home, identity, clock, log })
    if (identity !== undefined) home.signingKey()
    const listening = await server.listen({ host: options.host ?? '127.0.0.1', port: options.port ?? 5678 })
    const url = options.url ?? listening
    if (identity !== undefined && credentials !== undefined) begin(identity, credentials)
    const enrolling =
      identity === undefined
        ? awaitEnrolment({
            ...{ home, url, log, clock, controlPlane: options.controlPlane, signal: stopping.signal },
            begin: (enrolled) => begin(enrolled, openCredentials({ home, identity: enrolled, clock, log })),
          })
        : undefined
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
