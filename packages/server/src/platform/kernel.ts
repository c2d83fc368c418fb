import type { CertificateHolder } from '@redoubt/trust'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Fields } from './fields.ts'
import type { KeeperClient, SigningUse } from './keeper-protocol.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { SigningKeys } from './signing-keys.ts'

/** What a service is built from; made in one place, `services/kernel.ts`. Its keys are the service's own. */
export type Kernel = {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly keeper: KeeperClient
  readonly signing: Readonly<Record<SigningUse, SigningKeys>>
  readonly fields: Fields
  /** What the service proves itself with to other services and to runners. */
  readonly certificate: CertificateHolder
}

/** Ends a service: no new work, finish what is in hand. */
export type Stop = () => Promise<void>
