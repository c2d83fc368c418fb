import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Database } from './database.ts'
import { LiveFeed } from './live.ts'
import { createLog } from './log.ts'

const log = createLog({ logLevel: 'silent' })

class Client extends EventEmitter {
  released = 0
  readonly query: () => Promise<void>
  constructor(query: (client: Client) => Promise<void>) {
    super()
    this.query = () => query(this)
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
  return { feed: new LiveFeed({ pool: { connect } } as unknown as Database, log), given }
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
