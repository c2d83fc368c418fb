import { BlockList, isIPv6 } from 'node:net'
import { AppError } from './app-error.ts'
import type { Clock } from './clock.ts'

/**
 * A sliding window over two fixed ones, weighted by how far the current one has come: a burst across the boundary is
 * not let through twice (RL-1). Memory is bounded by `maxKeys`; a full table forgets the stalest window first.
 */
export class RateLimit {
  readonly limit: number
  readonly #windowMs: number
  readonly #clock: Clock
  readonly #maxKeys: number
  #windows = new Map<string, { start: number; current: number; previous: number }>()

  constructor(options: { limit: number; windowMs: number; clock: Clock; maxKeys?: number }) {
    this.limit = options.limit
    this.#windowMs = options.windowMs
    this.#clock = options.clock
    this.#maxKeys = options.maxKeys ?? 100_000
  }

  /**
   * Counts one request.
   * @throws AppError rate_limited with the seconds to wait
   */
  take(key: string, what: string, cost = 1): void {
    const now = this.#clock.now().getTime()
    const start = Math.floor(now / this.#windowMs) * this.#windowMs
    let window = this.#windows.get(key)
    if (!window || window.start !== start) {
      const previous = window && window.start === start - this.#windowMs ? window.current : 0
      this.#windows.delete(key)
      window = { start, current: 0, previous }
      this.#windows.set(key, window)
      if (this.#windows.size > this.#maxKeys) {
        const oldest = this.#windows.keys().next().value
        if (oldest !== undefined) this.#windows.delete(oldest)
      }
    }
    const elapsed = (now - start) / this.#windowMs
    if (window.previous * (1 - elapsed) + window.current + cost > this.limit) {
      const retryAfter = Math.max(1, Math.ceil((start + this.#windowMs - now) / 1000))
      throw new AppError('rate_limited', `At most ${this.limit} ${what}; try again in ${retryAfter} s.`, { retryAfter })
    }
    window.current += cost
  }
}

const mapped = new BlockList()
mapped.addSubnet('::ffff:0:0', 96, 'ipv6')

/** The unit that addresses are counted by: an IPv4 address, or an IPv6 /64, since one client owns a whole one (RL-2). */
export function addressUnit(address: string): string {
  if (!isIPv6(address)) return address
  if (mapped.check(address, 'ipv6')) return address.slice(address.lastIndexOf(':') + 1)
  const [head = '', tail] = address.toLowerCase().split('%')[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = tail === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
