import { issueSetUpLink } from '../modules/identity/index.ts'
import { StartError } from '../platform/app-error.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import { identityPath, readIdentity, writeIdentity } from '../platform/identity-file.ts'
import { KeeperRefusal, type ServiceIdentity } from '../platform/keeper-protocol.ts'
import type { Stop } from '../platform/kernel.ts'
import { createLog } from '../platform/log.ts'
import { createMetrics } from '../platform/metrics.ts'
import { remoteKeeper } from '../platform/remote-keeper.ts'
import { newCredentials } from '../platform/service-identity.ts'
import { databaseAddress } from './inspection.ts'
import { equip, type Ground } from './kernel.ts'
import { roster } from './roster.ts'

/** One service that runs in this process. */
export type Apart = {
  readonly url: string | null
  /** Of `web`, while nobody has set the platform up. */
  setUpLink(): Promise<string | null>
  readonly stop: Stop
}

/**
 * One service in a process of its own: proves itself to the keeper by its identity file, gets its certificate, its keys
 * and its database role, and starts.
 * @throws StartError one clear sentence; whatever was started is stopped again
 */
export async function startApart(
  config: Config,
  service: Exclude<ServiceIdentity, 'keeper'>,
  options: { clock?: Clock; onStep?: (line: string) => void } = {},
): Promise<Apart> {
  const { clock = systemClock, onStep = () => undefined } = options
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    let identity = await readIdentity(config.home, service)
    const { url } = config.keeper
    const credentials = newCredentials(service, identity.trustDomain, identity.rootsPem, clock)
    const keeper = remoteKeeper({ url, holder: credentials.holder, identity: () => identity, clock })
    stops.push(() => keeper.close())
    const log = createLog(config)
    const ground: Ground = { config, clock, log, metrics: createMetrics(), address: databaseAddress(config) }
    const post = roster[service]
    const parts = await equip(ground, keeper, post, credentials).catch(asRefusedStart(service, url))
    stops.push(parts.stop)
    onStep(`${service} has proved itself to the keeper at ${url}`)
    const learn = async () => {
      const keys = await keeper.call('identity.keys', {})
      const { rootsPem } = await keeper.call('identity.trust', {})
      identity = { ...identity, rootsPem, keys }
      await writeIdentity(identityPath(config.home, service), identity)
    }
    await learn()
    // Its next key and the next roots, as soon as the keeper has made them: before they are needed.
    keeper.onChange((changed) => {
      if ([`secret:services/${service}/key`, 'trust', 'everything'].includes(changed))
        learn().catch(() => log.warn({ service }, 'the new identity keys could not be fetched yet'))
    })
    const running = await post.start(parts)
    stops.push(running.stop)
    onStep(running.line)
    // Its one-time link goes to whoever may read the output of the console's process.
    const setUpLink = async () => (service === 'web' ? issueSetUpLink(parts.kernel, parts.database) : null)
    return { url: running.url, setUpLink, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function asRefusedStart(service: ServiceIdentity, url: string) {
  return (error: unknown): never => {
    // Its identity is good, and yet it may not: the keeper's sentence says what to do.
    if (error instanceof KeeperRefusal && error.code === 'not_allowed')
      throw new StartError(`The keeper at ${url} refuses ${service}: ${error.message}`, { cause: error })
    if (error instanceof KeeperRefusal)
      throw new StartError(
        `The keeper at ${url} refuses ${service} (${error.code}): redoubt service enrol ${service} gives it a new identity.`,
        { cause: error },
      )
    if (error instanceof Error && 'code' in error && error.code === 'unavailable')
      throw new StartError(
        `The keeper at ${url} does not answer, and ${service} starts only with its keys: run redoubt start --service keeper first.`,
        { cause: error },
      )
    throw error
  }
}
