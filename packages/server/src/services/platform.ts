import { directClient } from '../keeper/direct-client.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { issueSetUpLink } from '../modules/identity/index.ts'
import { inviteLocalRunner } from '../modules/playbooks/index.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { DatabaseAddress } from '../platform/database-url.ts'
import type { ServiceIdentity } from '../platform/keeper-protocol.ts'
import type { Kernel, Stop } from '../platform/kernel.ts'
import { openServicesPort, type ServicesPort, type ServicesPortOptions } from './keeper.ts'
import { startKeeperCore } from './keeper-core.ts'
import { equip, type ServiceParts } from './kernel.ts'
import { type Running, roster } from './roster.ts'

/** A platform that runs: all its services in this process, each with its own role, pool and keys. */
export type Platform = {
  readonly kernel: Kernel
  readonly keeper: Keeper
  readonly urls: { readonly web: string; readonly api: string; readonly ingestion: string; readonly runners: string }
  readonly address: DatabaseAddress
  /**
   * Calls back with a one-time enrolment token for the runner on this machine: at once, or as soon as the platform is set
   * up. @returns a function that stops waiting
   */
  onLocalRunner(enrol: (token: string) => void): () => void
  /** Answers services in other processes too. */
  openServicesPort(at: ServicesPortOptions): Promise<ServicesPort>
  /** One-time link while nobody has set the platform up; null afterwards. */
  readonly setUpLink: string | null
  readonly stop: Stop
}

/**
 * Starts everything, telling each step as it is done.
 * @param options.signal ends the wait for people who unseal the keys
 * @throws StartError one clear sentence; whatever was started is stopped again
 */
export async function startPlatform(
  config: Config,
  options: { clock?: Clock; onStep?: (line: string) => void; signal?: AbortSignal } = {},
): Promise<Platform> {
  const { clock = systemClock, onStep = () => undefined } = options
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const core = await startKeeperCore(config, clock, stops, onStep, options.signal)
    const { keeper, ground } = core
    const { address } = ground
    const running = new Map<ServiceIdentity, Running & { readonly parts: ServiceParts }>()
    for (const [name, post] of Object.entries(roster)) {
      const service = name as keyof typeof roster
      const parts = await equip(ground, directClient(keeper, service), post)
      stops.push(parts.stop)
      const started = await post.start(parts)
      stops.push(started.stop)
      running.set(service, { ...started, parts })
      onStep(started.line)
    }
    const at = (service: ServiceIdentity) => running.get(service)?.url as string
    const web = running.get('web') as Running & { readonly parts: ServiceParts }
    const { kernel, database } = web.parts
    return {
      kernel,
      keeper,
      onLocalRunner: (enrol) => inviteWhenSetUp(web, enrol),
      urls: {
        web: at('web'),
        api: at('api'),
        ingestion: at('ingestion'),
        runners: running.get('api')?.runnersUrl as string,
      },
      address,
      openServicesPort: (at) => openServicesPort(core, at),
      setUpLink: await issueSetUpLink(kernel, database),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Invites the runner of this machine now, or as soon as there is an organization it can belong to. */
function inviteWhenSetUp(
  { live, parts: { kernel, database } }: Running & { readonly parts: ServiceParts },
  enrol: (token: string) => void,
): () => void {
  let waiting = true
  const attempt = async () => {
    if (!waiting) return
    const token = await inviteLocalRunner(kernel, database).catch(() => null)
    if (token === null || !waiting) return
    off()
    waiting = false
    enrol(token)
  }
  const off =
    live?.onNotice(({ topics }) => {
      if (topics.includes('audit')) void attempt()
    }) ?? (() => undefined)
  void attempt()
  return () => {
    waiting = false
    off()
  }
}
