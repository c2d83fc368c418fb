import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { systemTimers, type Timers } from '@redoubt/trust'
import type pg from 'pg'
import type { Database } from './database.ts'
import type { Log } from './log.ts'
import type { LiveTopic } from './work.ts'

/** One notice: something of these kinds changed in this organization. */
export type LiveNotice = { readonly organizationId: string; readonly topics: readonly LiveTopic[] }

/** How long after one answer the feed asks again whether it still hears. */
export const echoEveryMs = 15_000
/** What it may take a notice to come back; both together are the longest that a deaf feed passes for a hearing one. */
export const echoWithinMs = 10_000

/**
 * Listens to the database's notices on one connection of the service. While that connection is down `connected` is
 * false, and whoever caches on the strength of it must ask the database instead: a missed revocation would be a hole.
 *
 * A connection whose other end went away without a word (a firewall that forgot it, a machine that lost its power) looks
 * as if nothing happened, for as long as nothing happens. So the feed sends itself a notice by another connection, and one
 * that does not come back counts as a broken connection.
 */
export class LiveFeed {
  readonly #database: Database
  readonly #log: Log
  readonly #timers: Timers
  readonly #events = new EventEmitter().setMaxListeners(0)
  /** This feed's own channel: nobody else is woken by its questions. */
  readonly #echo = `redoubt_echo_${randomUUID().replaceAll('-', '')}`
  #client: pg.PoolClient | null = null
  #stopped = false
  #forgetTimer = () => {}
  connected = false

  constructor(database: Database, log: Log, timers: Timers = systemTimers) {
    this.#database = database
    this.#log = log
    this.#timers = timers
  }

  async start(): Promise<void> {
    const client = await this.#database.pool.connect()
    let broken = false
    const lost = () => {
      broken = true
      this.#lost(client)
    }
    client.on('notification', ({ channel, payload }) => this.#receive(client, channel, payload ?? ''))
    client.once('error', lost)
    client.once('end', lost)
    try {
      await client.query(`listen redoubt_live; listen redoubt_revoked; listen ${this.#echo}`)
      if (broken) throw new Error('the connection broke as soon as it listened')
    } catch (error) {
      // Not ours yet, so nobody else gives it back or tries again: a flapping database must not use up the pool.
      client.release(true)
      throw error
    }
    if (this.#stopped) return client.release(true)
    this.#client = client
    this.connected = true
    this.#askLater(client)
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
    this.#forgetTimer()
    this.#client?.release(true)
    this.#client = null
  }

  #askLater(client: pg.PoolClient): void {
    this.#forgetTimer = this.#timers.after(echoEveryMs, () => this.#ask(client))
  }

  #ask(client: pg.PoolClient): void {
    const heard = () => {
      this.#forgetTimer()
      this.#askLater(client)
    }
    this.#forgetTimer = this.#timers.after(echoWithinMs, () => {
      this.#log.warn('the database connection that listens has gone deaf and is made anew')
      this.#lost(client)
    })
    this.#events.once('echo', heard)
    // One that cannot be sent is not heard either.
    this.#database.pool.query('select pg_notify($1, $2)', [this.#echo, '']).catch(() => undefined)
  }

  #receive(client: pg.PoolClient, channel: string, payload: string): void {
    if (channel === this.#echo) {
      // What a connection still says after it was given up proves nothing about its successor.
      if (client === this.#client) this.#events.emit('echo')
      return
    }
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
    this.#forgetTimer()
    this.#events.removeAllListeners('echo')
    client.release(true)
    if (!this.#stopped) this.#retry(100)
  }

  #retry(delayMs: number): void {
    this.#timers.after(delayMs, () => {
      if (this.#stopped) return
      this.start().catch(() => this.#retry(Math.min(delayMs * 2, 5000)))
    })
  }
}
