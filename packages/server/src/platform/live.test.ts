import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Database } from './database.ts'
import { echoEveryMs, echoWithinMs, LiveFeed } from './live.ts'
import { createLog } from './log.ts'

const log = createLog({ logLevel: 'silent' })

class Client extends EventEmitter {
  released = 0
  channels: readonly string[] = []
  readonly query: (sql: string) => Promise<void>
  constructor(query: (client: Client) => Promise<void>) {
    super()
    this.query = (sql) => {
      this.channels = [...sql.matchAll(/listen (\w+)/g)].map(([, channel]) => channel as string)
      return query(this)
    }
  }
  release(): void {
    this.released++
  }
}
const listening = () => new Client(async () => undefined)
const breaking = () =>
  new Client(async (client) => {
    client.emit('error', new Error('gone'))
    throw new Error('gone')
  })

/** A feed over these connections, one after the other. */
function feedOver(clients: readonly Client[]) {
  const given: Client[] = []
  const connect = async () => {
    const client = clients[given.length] as Client
    given.push(client)
    return client
  }
  // The database: it passes a notice on to who listens and is not deaf.
  const network = { deaf: new Set<Client>(), down: false, sent: 0 }
  const query = async (_sql: string, [channel, payload]: [string, string]) => {
    network.sent++
    if (network.down) throw new Error('gone')
    for (const client of given)
      if (client.channels.includes(channel) && !network.deaf.has(client))
        client.emit('notification', { channel, payload })
  }
  return { feed: new LiveFeed({ pool: { connect, query } } as unknown as Database, log), given, network }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a connection that breaks while the feed begins to listen is given back, and one other takes its place', async () => {
  const clients = [listening(), breaking(), breaking(), listening(), listening()]
  const { feed, given } = feedOver(clients)
  await feed.start()
  clients[0]?.emit('end')
  expect(feed.connected).toBe(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(feed.connected).toBe(true)
  expect(given).toHaveLength(4)
  expect(given.map(({ released }) => released)).toEqual([1, 1, 1, 0])
})

test('a feed that is stopped while it connects keeps no connection, which would hold up the end of the pool', async () => {
  const { feed, given } = feedOver([listening()])
  const started = feed.start()
  feed.stop()
  await started
  expect(given.map(({ released }) => released)).toEqual([1])
  expect(feed.connected).toBe(false)
})

test('a connection that has gone deaf without a word is noticed within half a minute, and another takes its place', async () => {
  const clients = [listening(), listening()] as const
  const { feed, given, network } = feedOver(clients)
  let gaps = 0
  feed.onReconnected(() => gaps++)
  await feed.start()
  await vi.advanceTimersByTimeAsync(5 * echoEveryMs)
  expect(given).toHaveLength(1)
  expect(network.sent).toBe(5)

  network.deaf.add(clients[0])
  await vi.advanceTimersByTimeAsync(echoEveryMs + echoWithinMs - 1)
  expect(feed.connected).toBe(true)
  await vi.advanceTimersByTimeAsync(1)
  expect(feed.connected).toBe(false)
  expect(echoEveryMs + echoWithinMs).toBeLessThanOrEqual(30_000)

  await vi.advanceTimersByTimeAsync(200)
  expect(feed.connected).toBe(true)
  expect(given.map(({ released }) => released)).toEqual([1, 0])
  // Whoever caches is told that something may have been missed.
  expect(gaps).toBe(2)
  await vi.advanceTimersByTimeAsync(5 * echoEveryMs)
  expect(given).toHaveLength(2)
  feed.stop()
})

test('what a connection still says after it was given up does not vouch for its successor', async () => {
  const clients = [listening(), listening(), listening()] as const
  const { feed, network } = feedOver(clients)
  await feed.start()
  network.deaf.add(clients[0]).add(clients[1])
  await vi.advanceTimersByTimeAsync(echoEveryMs + echoWithinMs + 200 + echoEveryMs + 1000)
  clients[0].emit('notification', { channel: clients[0].channels.at(-1), payload: '' })
  await vi.advanceTimersByTimeAsync(echoWithinMs)
  expect(clients.map(({ released }) => released)).toEqual([1, 1, 0])
  feed.stop()
})

test('a feed whose questions no longer reach the database does not pass for one that hears', async () => {
  const { feed, network } = feedOver([listening(), listening()])
  await feed.start()
  network.down = true
  await vi.advanceTimersByTimeAsync(echoEveryMs + echoWithinMs)
  expect(feed.connected).toBe(false)
  feed.stop()
})

test('a feed that is stopped asks nothing more', async () => {
  const { feed, given, network } = feedOver([listening(), listening()])
  await feed.start()
  await vi.advanceTimersByTimeAsync(echoEveryMs)
  feed.stop()
  await vi.advanceTimersByTimeAsync(10 * echoEveryMs)
  expect(network.sent).toBe(1)
  expect(given).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})
