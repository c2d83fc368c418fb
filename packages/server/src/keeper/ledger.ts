import type { KeeperInput, KeeperRequest, ServiceIdentity } from '../platform/keeper-protocol.ts'
import { policy } from './policy.ts'

export type KeyUse = {
  readonly service: ServiceIdentity
  readonly key: string
  readonly times: number
  readonly lastAt: Date
}

/** The secret key that an answered request gave into a service's memory or used for it; none for the others. */
const keyOf: { readonly [R in KeeperRequest]?: (input: KeeperInput<R>, caller: ServiceIdentity) => string | null } = {
  'data-key.create': ({ dataClass }) => `data:${dataClass}`,
  'data-key.open': ({ dataClass }) => `data:${dataClass}`,
  'data-key.rewrap': ({ dataClass }) => `data:${dataClass}`,
  // Everybody is told the public halves.
  'signing.line': ({ use }, caller) => (policy[caller].signs.includes(use) ? use : null),
  'secret.read': ({ path }) => `secret:${path}`,
  'identity.certify': () => 'authority',
  'identity.keys': (_input, caller) => `service:${caller}`,
  'runner.certify': () => 'authority',
}

/**
 * Who used what since the keeper started (KEY-6). It counts what was answered, so its size is bounded by services and
 * the paths their policy names.
 */
export class Ledger {
  readonly since: Date
  readonly #uses = new Map<string, KeyUse>()

  constructor(since: Date) {
    this.since = since
  }

  note<R extends KeeperRequest>(service: ServiceIdentity, request: R, input: KeeperInput<R>, at: Date): void {
    const key = keyOf[request]?.(input, service) ?? null
    if (key === null) return
    const entry = `${service}|${key}`
    this.#uses.set(entry, { service, key, times: (this.#uses.get(entry)?.times ?? 0) + 1, lastAt: at })
  }

  /** By key, then service. */
  uses(): readonly KeyUse[] {
    return [...this.#uses.values()].toSorted((a, b) => order(a.key, b.key) || order(a.service, b.service))
  }
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
