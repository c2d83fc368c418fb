import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type RunnerOptions, type RunningRunner, startRunner } from '../src/index.ts'
import { FakeControlPlane } from './fake-control-plane.ts'
import { FakeTarget } from './fake-target.ts'

/** An enrolled runner in this process, a control plane and a target; `close` takes all of it down. */
export class RunnerFixture {
  readonly home = mkdtempSync(join(tmpdir(), 'redoubt-runner-'))
  readonly controlPlane = new FakeControlPlane()
  readonly target = new FakeTarget()
  runner: RunningRunner | undefined

  /** Both edges, and the enrolment in the home; the runner itself is started by `start`. */
  async prepare(): Promise<this> {
    await this.controlPlane.start()
    await this.target.start()
    const enrolment = { controlPlane: this.controlPlane.url, token: this.controlPlane.enrolmentToken }
    writeFileSync(join(this.home, 'enrolment.json'), JSON.stringify(enrolment))
    return this
  }

  async start(options: Partial<RunnerOptions> = {}): Promise<string> {
    this.runner = await startRunner({
      home: this.home,
      port: 0,
      log: pino({ level: 'silent' }),
      reportBackoffMs: 10,
      ...options,
    })
    await this.enrolled(this.runner.url)
    return this.runner.url
  }

  async close(): Promise<void> {
    await this.runner?.stop()
    await this.target.stop()
    await this.controlPlane.stop()
    rmSync(this.home, { recursive: true, force: true })
  }

  /** Resolves when the runner at this address says that it is enrolled; before, no handshake with it succeeds. */
  async enrolled(url: string): Promise<void> {
    for (;;) {
      const health = await this.controlPlane.ask(`${url}/v1/health`).catch(() => undefined)
      if ((health?.json as { status?: string } | undefined)?.status === 'ok') return
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
