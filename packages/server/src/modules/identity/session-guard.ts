import type { OrganizationId, SessionId, UserId } from '@redoubt/contract'
import { type AccessClaims, hashToken, TrustError, verifyAccessToken } from '@redoubt/trust'
import { AppError } from '../../platform/app-error.ts'
import type { Database } from '../../platform/database.ts'
import type { Membership } from '../../platform/dispatch.ts'
import type { Kernel } from '../../platform/kernel.ts'
import type { LiveFeed } from '../../platform/live.ts'
import type { Call, Person } from '../../platform/operation.ts'
import { inSystem } from '../../platform/tenant-tx.ts'
import { findMembership, findSession, type SessionRow, touchSession } from './store.ts'

const cacheMs = 30_000
const touchEveryMs = 60_000
const maxEntries = 20_000

/** Who an access token is for, on every service alike. */
export const tokenAudience = 'redoubt'

/**
 * Proves who calls (ZT-1). Sessions and memberships are remembered for 30 s on the strength of the live feed, which drops them
 * the moment they change (SESS-1); while the feed is down the database is asked each time.
 */
export class SessionGuard {
  readonly #kernel: Kernel
  readonly #database: Database
  readonly #live: LiveFeed
  readonly #sessions = new Map<string, { row: SessionRow; at: number }>()
  readonly #memberships = new Map<string, { membership: Membership | null; at: number }>()
  readonly #claims = new Map<string, AccessClaims>()
  /** Counts what was forgotten: an answer read before a revocation and arriving after it must not be remembered. */
  #forgotten = 0

  constructor(kernel: Kernel, database: Database, live: LiveFeed) {
    this.#kernel = kernel
    this.#database = database
    this.#live = live
    live.onRevoked((id) => this.#forget(id))
    live.onReconnected(() => this.#forget(null))
    // A token by a key that was withdrawn is not remembered as a good one.
    kernel.keeper.onChange((changed) => changed === 'signing:access' && this.#claims.clear())
  }

  /** @throws AppError unauthenticated */
  async person(call: Call): Promise<Person> {
    const { credentials } = call
    if (credentials.kind === 'browser') {
      const row = await this.#session(`browser:${hashToken(credentials.token)}`, {
        tokenHash: hashToken(credentials.token),
      })
      return personOf(row, null)
    }
    if (credentials.kind === 'bearer') {
      const claims = await this.#verify(credentials.token)
      const row = await this.#session(`token:${claims.sid}`, { id: claims.sid })
      if (row.userId !== claims.sub) throw unauthenticated()
      return personOf(row, claims.org as OrganizationId)
    }
    throw new AppError('unauthenticated', 'Sign in first: this needs a session or an access token.')
  }

  async membership(person: Person, organizationId: string): Promise<Membership | null> {
    const key = `${person.userId}|${organizationId}`
    const known = this.#memberships.get(key)
    if (known && this.#fresh(known.at)) return known.membership
    const before = this.#forgotten
    const membership = await inSystem(this.#database, 'authenticate', (tx) =>
      findMembership(tx, person.userId, organizationId),
    )
    if (before === this.#forgotten) remember(this.#memberships, key, { membership, at: this.#now() })
    return membership
  }

  async #verify(token: string): Promise<AccessClaims> {
    const now = this.#kernel.clock.now()
    // A signature checked once stays checked; what can change since is time, and the session, which is asked anyway.
    const key = hashToken(token)
    const known = this.#claims.get(key)
    if (known && known.exp * 1000 > now.getTime()) return known
    try {
      const claims = await this.#claimsOf(token, now)
      remember(this.#claims, key, claims)
      return claims
    } catch (error) {
      if (error instanceof TrustError) {
        throw new AppError(
          'unauthenticated',
          error.code === 'token_expired'
            ? 'The access token has expired: refresh it.'
            : 'The access token is not valid.',
          { cause: error },
        )
      }
      throw error
    }
  }

  async #claimsOf(token: string, now: Date): Promise<AccessClaims> {
    const { config, signing } = this.#kernel
    const verify = () =>
      verifyAccessToken(token, signing.access, { issuer: config.publicUrl, audience: tokenAudience, now })
    try {
      return verify()
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== 'token_key_unknown') throw error
      // Another service may know of a new version already, when the notice of it was lost on the way here.
      await signing.access.lookAgain()
      return verify()
    }
  }

  async #session(key: string, by: { tokenHash: string } | { id: string }): Promise<SessionRow> {
    const now = this.#now()
    let entry = this.#sessions.get(key)
    if (!entry || !this.#fresh(entry.at)) {
      const before = this.#forgotten
      const row = await inSystem(this.#database, 'authenticate', (tx) => findSession(tx, by))
      if (!row) {
        this.#sessions.delete(key)
        throw unauthenticated()
      }
      entry = { row, at: now }
      if (before === this.#forgotten) remember(this.#sessions, key, entry)
    }
    const { row } = entry
    if (row.revokedAt !== null || row.expiresAt.getTime() <= now) throw unauthenticated()
    if (row.kind === 'browser' && row.lastSeenAt.getTime() + this.#kernel.config.sessionIdleMs <= now)
      throw unauthenticated()
    if (now - row.lastSeenAt.getTime() > touchEveryMs) {
      row.lastSeenAt = new Date(now)
      await inSystem(this.#database, 'authenticate', (tx) => touchSession(tx, row.id, new Date(now)))
    }
    return row
  }

  #fresh(at: number): boolean {
    return this.#live.connected && this.#now() - at < cacheMs
  }

  #now(): number {
    return this.#kernel.clock.now().getTime()
  }

  /** `id` is a session's or a person's; null forgets all. */
  #forget(id: string | null): void {
    this.#forgotten++
    for (const [key, { row }] of this.#sessions)
      if (id === null || row.id === id || row.userId === id) this.#sessions.delete(key)
    for (const key of this.#memberships.keys())
      if (id === null || key.startsWith(`${id}|`)) this.#memberships.delete(key)
  }
}

function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > maxEntries) map.delete(map.keys().next().value as K)
}

function personOf(row: SessionRow, organizationId: OrganizationId | null): Person {
  return {
    userId: row.userId as UserId,
    name: row.name,
    sessionId: row.id as SessionId,
    sessionExpiresAt: row.expiresAt,
    strength: 'aal1',
    organizationId,
  }
}

function unauthenticated(): AppError {
  return new AppError('unauthenticated', 'The session has ended: sign in again.')
}
