import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Installation } from './installation.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What every service is built from; made in one place, `services/platform.ts`. */
export type Kernel = {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly installation: Installation
}

/** Ends a service: no new work, finish what is in hand. */
export type Stop = () => Promise<void>
