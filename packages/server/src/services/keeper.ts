import { DatabaseNonces } from '../keeper/database-nonces.ts'
import { enrolHome } from '../keeper/enrolment.ts'
import { startWire } from '../keeper/wire-server.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { Config } from '../platform/config.ts'
import type { Stop } from '../platform/kernel.ts'
import type { Apart } from './apart.ts'
import { type KeeperCore, startKeeperCore } from './keeper-core.ts'

/** A port for services that run apart, and how it is closed. */
export type ServicesPort = { readonly url: string; readonly stop: Stop }
export type ServicesPortOptions = {
  readonly host: string
  /** 0 for a free one. */
  readonly port: number
  /** `host:port` that requests are signed for; replicas of one keeper share it. Unless told, that of the port itself. */
  readonly authority?: string
  readonly clock?: Clock
}

/**
 * The keeper as a process of its own (docs/decisions/0012): lays the ground for all others, then answers them over mutual
 * TLS.
 * @throws StartError one clear sentence; whatever was started is stopped again
 */
export async function startKeeper(
  config: Config,
  options: { clock?: Clock; onStep?: (line: string) => void; signal?: AbortSignal } = {},
): Promise<Apart> {
  const { clock = systemClock, onStep = () => undefined } = options
  const stops: Stop[] = []
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const core = await startKeeperCore(config, clock, stops, onStep, options.signal)
    await enrolHome(core.keeper, config.home, clock.now())
    const { host } = new URL(config.keeper.url)
    const wire = await openServicesPort(core, { host: config.host, port: config.keeper.port, authority: host, clock })
    stops.push(wire.stop)
    onStep(`keeper at https://${host}, for services with a certificate and a key`)
    return { url: `https://${host}`, setUpLink: async () => null, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Answers services that run apart; what they may not is in the operator's log. @throws StartError */
export async function openServicesPort(
  { keeper, parts, trail }: KeeperCore,
  { host, port, authority = `${host}:${port}`, clock = systemClock }: ServicesPortOptions,
): Promise<ServicesPort> {
  const wire = await startWire(
    {
      keeper,
      holder: parts.kernel.certificate,
      nonces: new DatabaseNonces(parts.database),
      clock,
      onRefused: trail.refused,
    },
    { host, port, authority },
  )
  return { url: `https://${host}:${wire.port}`, stop: wire.stop }
}
