import { EventEmitter } from 'node:events'
import type pg from 'pg'
import type { Database } from './database.ts'
import type { Log } from './log.ts'
import type { LiveTopic } from './work.ts'

/** One notice: something of these kinds changed in this organization. */
export type LiveNotice = { readonly organizationId: string; readonly topics: readonly LiveTopic[] }

/**
 * Listens to the database's notices on one connection of the service. While that connection is down `connected` is
 * false, and whoever caches on the strength of it must ask the database instead: a missed revocation would be a hole.
 */
export class LiveFeed {
  readonly #database: Database
  readonly #log: Log
  readonly #events = new EventEmitter().setMaxListeners(0)
  #client: pg.PoolClient | null = null
  #stopped = false
  connected = false

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
  }

  async start(): Promise<void> {
    const client = await this.#database.pool.connect()
    let broken = false
    const lost = () => {
      broken = true
      this.#lost(client)
    }
    client.on('notification', ({ channel, payload }) => this.#receive(channel, payload ?? ''))
    client.once('error', lost)
    client.once('end', lost)
    try {
      await client.query('listen redoubt_live; listen redoubt_revoked')
      if (broken) throw new Error('the connection broke as soon as it listened')
    } catch (error) {
      // Not ours yet, so nobody else gives it back or tries again: a flapping database must not use up the pool.
      client.release(true)
      throw error
    }
    if (this.#stopped) return client.release(true)
    this.#client = client
    this.connected = true
    this.#events.emit('reconnected')
  }

  onNotice(listener: (notice: LiveNotice) => void): () => void {
    this.#events.on('notice', listener)
    return () => this.#events.off('notice', listener)
  }

  /** A session, a membership or a person changed: forget what is cached about this id. */
  onRevoked(listener: (id: string) => void): () => void {
    this.#events.on('revoked', listener)
    return () => this.#events.off('revoked', listener)
  }

  /** After a gap in the feed everything may have changed. */
  onReconnected(listener: () => void): () => void {
    this.#events.on('reconnected', listener)
    return () => this.#events.off('reconnected', listener)
  }

  stop(): void {
    this.#stopped = true
    this.connected = false
    this.#client?.release(true)
    this.#client = null
  }

  #receive(channel: string, payload: string): void {
    if (channel === 'redoubt_revoked') {
      this.#events.emit('revoked', payload)
      return
    }
    try {
      this.#events.emit('notice', JSON.parse(payload) as LiveNotice)
    } catch {
      this.#log.warn({ channel }, 'a notice that is not ours was ignored')
    }
  }

  #lost(client: pg.PoolClient): void {
    if (this.#client !== client) return
    this.#client = null
    this.connected = false
    client.release(true)
    if (!this.#stopped) this.#retry(100)
  }

  #retry(delayMs: number): void {
    setTimeout(() => {
      if (this.#stopped) return
      this.start().catch(() => this.#retry(Math.min(delayMs * 2, 5000)))
    }, delayMs).unref()
  }
}
