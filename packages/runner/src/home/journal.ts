import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { type Json, type Plan, RunReport, type StepReport } from '@redoubt/contract'
import { canonicalSha256 } from '@redoubt/trust'

/** Why a verified plan is not taken. */
export type RefusalCode = 'plan_replayed' | 'plan_changed' | 'run_in_progress' | 'run_finished' | 'run_unknown'
export class PlanRefusal extends Error {
  override readonly name = 'PlanRefusal'
  readonly code: RefusalCode
  constructor(code: RefusalCode, message: string) {
    super(message)
    this.code = code
  }
}

export type RunStatus = RunReport['status']
export type StepRecord = StepReport & { readonly output?: Json }
export type PendingReport = { readonly id: number; readonly attempts: number; readonly report: RunReport }

const schema = `
  create table if not exists plan_seen (jti text primary key, expires_at integer not null) strict;
  create table if not exists run (
    run_id text primary key, plan text not null, fingerprint text not null, status text not null,
    waiting_for text, sequence integer not null, updated_at integer not null) strict;
  create table if not exists step (
    run_id text not null references run (run_id) on delete cascade, step_id text not null, position integer not null,
    report text not null, output text, primary key (run_id, step_id)) strict;
  create table if not exists outbox (
    id integer primary key autoincrement, run_id text not null, sequence integer not null, report text not null,
    attempts integer not null, due_at integer not null, unique (run_id, sequence)) strict;
`

/** A plan token is remembered this long after it expired, against a clock that is set back. */
const SEEN_MARGIN_MS = 24 * 60 * 60 * 1000
const RUN_KEPT_MS = 30 * 24 * 60 * 60 * 1000

/**
 * What the runner must not forget: which plans it has seen, how far each run is, and which reports are still to be
 * delivered. SQLite with `synchronous = full`: when a method returns, its change survives `kill -9` and power loss.
 */
export class Journal {
  readonly #database: DatabaseSync

  /** Throws an error with `errcode` 5 (SQLITE_BUSY) when another process has this home. */
  constructor(home: string) {
    this.#database = new DatabaseSync(join(home, 'journal.db'), { timeout: 0 })
    // The exclusive lock is the lock of the home; the system gives it back whatever happens to the process.
    this.#database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full')
    this.#database.exec(`pragma foreign_keys = on; begin immediate; ${schema} commit`)
  }

  close(): void {
    this.#database.close()
  }

  /**
   * Takes a verified plan: burns its token and starts or resumes its run, in one transaction, so that "replayed" always
   * means "taken". Throws {@link PlanRefusal}; a refused plan burns its token too.
   */
  accept(plan: Plan, token: { readonly jti: string; readonly expiresAt: Date }, now: Date): void {
    const refusal = this.#atomically((): PlanRefusal | undefined => {
      const burnt = this.#run(
        'insert into plan_seen values (?, ?) on conflict do nothing',
        token.jti,
        token.expiresAt.getTime(),
      )
      if (burnt === 0) return new PlanRefusal('plan_replayed', 'this plan was received before')
      const fingerprint = fingerprintOf(plan)
      const run = this.#row('select status, fingerprint from run where run_id = ?', plan.runId)
      if (run === undefined) {
        // Somebody approved a step of this run, so it has begun, but not here: starting it would repeat what it did.
        if (plan.approvals.length > 0) {
          return new PlanRefusal(
            'run_unknown',
            'this runner has no record of the run that is to go on; start a new run',
          )
        }
        this.#run(
          `insert into run values (?, ?, ?, 'running', null, 0, ?)`,
          plan.runId,
          JSON.stringify(plan),
          fingerprint,
          now.getTime(),
        )
        this.#report(plan.runId, now)
        return undefined
      }
      if (run['fingerprint'] !== fingerprint) {
        const message = 'the steps, inputs or egress of a run cannot change while it runs; start a new run'
        return new PlanRefusal('plan_changed', message)
      }
      if (run['status'] === 'running') return new PlanRefusal('run_in_progress', 'this run is in progress')
      if (run['status'] !== 'waiting') return new PlanRefusal('run_finished', 'this run is finished')
      this.#run(
        `update run set status = 'running', waiting_for = null, plan = ?, updated_at = ? where run_id = ?`,
        JSON.stringify(plan),
        now.getTime(),
        plan.runId,
      )
      return undefined
    })
    if (refusal !== undefined) throw refusal
  }

  /** Plans of runs that were neither finished nor waiting when the last process ended. */
  unfinished(): readonly Plan[] {
    return this.#rows(`select plan from run where status = 'running' order by updated_at`).map(
      (row) => JSON.parse(String(row['plan'])) as Plan,
    )
  }

  steps(runId: string): ReadonlyMap<string, StepRecord> {
    const rows = this.#rows('select report, output from step where run_id = ? order by position', runId)
    return new Map(
      rows.map((row) => {
        const report = JSON.parse(String(row['report'])) as StepReport
        const output = row['output'] === null ? {} : { output: JSON.parse(String(row['output'])) as Json }
        return [report.stepId, { ...report, ...output }]
      }),
    )
  }

  /** Writes steps down, and the report that tells of them, in one transaction. */
  recordSteps(runId: string, steps: readonly StepRecord[], now: Date): void {
    this.#atomically(() => {
      for (const step of steps) this.#putStep(runId, step)
      this.#report(runId, now)
    })
  }

  /** Ends or suspends a run, with the step that did it. The outputs of a finished run are forgotten. */
  recordEnd(
    runId: string,
    status: Exclude<RunStatus, 'running'>,
    waitingFor: RunReport['waitingFor'] | undefined,
    steps: readonly StepRecord[],
    now: Date,
  ): void {
    this.#atomically(() => {
      for (const step of steps) this.#putStep(runId, step)
      const waiting = waitingFor === undefined ? null : JSON.stringify(waitingFor)
      this.#run('update run set status = ?, waiting_for = ? where run_id = ?', status, waiting, runId)
      if (status !== 'waiting') this.#run('update step set output = null where run_id = ?', runId)
      this.#report(runId, now)
    })
  }

  /** The first report that is due; the reports of one run leave in their order. */
  dueReport(now: Date): PendingReport | undefined {
    const row = this.#row(
      `select id, attempts, report from outbox as candidate where due_at <= ? and not exists (
         select 1 from outbox as earlier where earlier.run_id = candidate.run_id and earlier.sequence < candidate.sequence)
       order by id limit 1`,
      now.getTime(),
    )
    if (row === undefined) return undefined
    return {
      id: Number(row['id']),
      attempts: Number(row['attempts']),
      report: JSON.parse(String(row['report'])) as RunReport,
    }
  }

  /** When the next report is due, if there is one. */
  nextDue(): Date | undefined {
    const row = this.#row(
      `select min(due_at) as due from outbox as candidate where not exists (
         select 1 from outbox as earlier where earlier.run_id = candidate.run_id and earlier.sequence < candidate.sequence)`,
    )
    return typeof row?.['due'] === 'number' ? new Date(row['due']) : undefined
  }

  removeReport(id: number): void {
    this.#run('delete from outbox where id = ?', id)
  }

  postponeReport(id: number, dueAt: Date): void {
    this.#run('update outbox set attempts = attempts + 1, due_at = ? where id = ?', dueAt.getTime(), id)
  }

  /** Forgets tokens that can no longer be valid, and of runs that ended long ago all but that they were. */
  prune(now: Date): void {
    this.#atomically(() => {
      this.#run('delete from plan_seen where expires_at < ?', now.getTime() - SEEN_MARGIN_MS)
      const ended = `status not in ('running', 'waiting') and plan <> '' and updated_at < ?`
      const before = now.getTime() - RUN_KEPT_MS
      this.#run(`delete from step where run_id in (select run_id from run where ${ended})`, before)
      this.#run(`update run set plan = '' where ${ended}`, before)
    })
  }

  #putStep(runId: string, { output, ...report }: StepRecord): void {
    this.#run(
      `insert into step values (?, ?, (select count(*) from step where run_id = ?), ?, ?)
       on conflict (run_id, step_id) do update set report = excluded.report, output = excluded.output`,
      runId,
      report.stepId,
      runId,
      JSON.stringify(report),
      output === undefined ? null : JSON.stringify(output),
    )
  }

  #report(runId: string, now: Date): void {
    this.#run('update run set sequence = sequence + 1, updated_at = ? where run_id = ?', now.getTime(), runId)
    const run = this.#row('select plan, status, waiting_for, sequence from run where run_id = ?', runId)
    if (run === undefined) return
    const steps = [...this.steps(runId).values()].map(({ output: _, ...step }) => step)
    const waitingFor = run['waiting_for'] === null ? {} : { waitingFor: JSON.parse(String(run['waiting_for'])) }
    const { planId } = JSON.parse(String(run['plan'])) as Plan
    const { status, sequence } = run
    const report = RunReport.parse({ runId, planId, sequence, status, ...waitingFor, steps })
    this.#run(
      'insert into outbox (run_id, sequence, report, attempts, due_at) values (?, ?, ?, 0, ?)',
      runId,
      report.sequence,
      JSON.stringify(report),
      now.getTime(),
    )
  }

  #atomically<T>(work: () => T): T {
    this.#database.exec('begin immediate')
    try {
      const result = work()
      this.#database.exec('commit')
      return result
    } catch (error) {
      this.#database.exec('rollback')
      throw error
    }
  }

  #run(sql: string, ...values: (string | number | null)[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes)
  }

  #rows(sql: string, ...values: (string | number | null)[]): readonly Record<string, SQLOutputValue>[] {
    return this.#database.prepare(sql).all(...values)
  }

  #row(sql: string, ...values: (string | number | null)[]): Record<string, SQLOutputValue> | undefined {
    return this.#database.prepare(sql).get(...values)
  }
}

/** Everything of a plan that must stay the same from its first plan to the last resumption of its run. */
const fingerprintOf = ({ planId: _id, issuedAt: _at, approvals: _approvals, ...rest }: Plan): string =>
  canonicalSha256(rest)
