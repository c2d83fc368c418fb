import type { NonceAnswer, NonceStore } from '@redoubt/trust'
import type { Database } from '../platform/database.ts'

/** Kept for longer than they live: a replica whose clock is ahead must not forget them for the others. */
const graceMs = 600_000
/** Live nonces of one service: hundreds of requests a second for a minute. A flood by one shuts out itself alone. */
const quota = 20_000

// One round trip. The insert decides: of two replicas with the same request only one inserts.
const takeNonce = `
  with ended as (delete from service_nonces where expires_at < $6),
       live as (select count(*) as n from service_nonces where key_id = $2 and expires_at >= $1),
       taken as (insert into service_nonces (key_id, nonce, expires_at) select $2, $3, $4 from live where n < $5
                 on conflict do nothing returning 1)
  select n as live, exists (select from taken) as fresh from live`

/**
 * Nonces in PostgreSQL, so that all replicas of the keeper see the same. A database that does not answer throws, and the
 * request is refused.
 */
export class DatabaseNonces implements NonceStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async take(keyId: string, nonce: string, expiresAt: Date, now: Date): Promise<NonceAnswer> {
    const { rows } = await this.#database.pool.query<{ live: number; fresh: boolean }>({
      name: 'take-nonce',
      text: takeNonce,
      values: [now, keyId, nonce, expiresAt, quota, new Date(now.getTime() - graceMs)],
    })
    const [answer] = rows
    if (answer?.fresh === true) return 'fresh'
    return answer !== undefined && Number(answer.live) < quota ? 'seen' : 'full'
  }
}
