import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Authority,
  CertificateHolder,
  type CertificateState,
  keepRenewed,
  type SpiffeId,
  type Svid,
  svidRenewalAt,
  type Timers,
} from '../src/index.ts'
import { DAY_MS, newAuthority, newSvid, service } from './certificate-fixture.ts'

const start = new Date('2026-05-04T10:00:00Z')
const api = service('api')
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
let authority: Authority
beforeAll(async () => {
  authority = await newAuthority(start)
})

/** A clock turned by hand, whose timers run when their moment comes; between two of them all promises settle. */
function turnedByHand() {
  let now = start.getTime()
  const waiting: { at: number; run: () => void }[] = []
  const timers: Timers = {
    after(ms, run) {
      const timer = { at: now + ms, run }
      waiting.push(timer)
      return () => void (waiting.includes(timer) && waiting.splice(waiting.indexOf(timer), 1))
    },
  }
  const issuing = new Set<Promise<unknown>>()
  const settle = async () => {
    await Promise.allSettled(issuing)
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    clock: { now: () => new Date(now) },
    timers,
    waiting,
    settle,
    /** Issued on a thread of its own: the hand waits for it. */
    issue(by: Authority, id: SpiffeId, at: Date): Promise<Svid> {
      const issued = newSvid(by, id, at)
      issuing.add(issued)
      return issued.finally(() => issuing.delete(issued))
    },
    async turn(ms: number) {
      const until = now + ms
      await settle()
      for (;;) {
        const next = waiting.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        waiting.splice(waiting.indexOf(next), 1)
        now = Math.max(now, next.at)
        next.run()
        await settle()
      }
      now = until
    },
  }
}

type Issue = ReturnType<typeof turnedByHand>['issue']

function scene(renewal: (now: Date, issue: Issue) => Promise<Svid>, random = () => 0.5) {
  const hand = turnedByHand()
  const { clock, timers } = hand
  const rootsPem = [authority.certificatePem]
  const holder = new CertificateHolder({ spiffeId: api, rootsPem, clock, denied: () => false })
  const asked: number[] = []
  const states: CertificateState[] = []
  const failures: unknown[] = []
  const begin = () =>
    keepRenewed({
      holder,
      clock,
      timers,
      random,
      renew: () => {
        asked.push((clock.now().getTime() - start.getTime()) / MINUTE_MS)
        return renewal(clock.now(), hand.issue)
      },
      onState: (state) => states.push(state),
      onFailure: (error) => failures.push(error),
    })
  return { ...hand, holder, asked, states, failures, begin }
}

describe('a certificate', () => {
  test('is due at half its life, give or take a tenth of that', () => {
    const end = new Date(start.getTime() + DAY_MS)
    const hours = (random: number) => (svidRenewalAt(start, end, random).getTime() - start.getTime()) / HOUR_MS
    expect([hours(0), hours(0.5), hours(1)]).toEqual([10.8, 12, 13.2])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e10 }), fc.double({ min: 0, max: 1, noNaN: true }), (life, random) => {
        const at = svidRenewalAt(start, new Date(start.getTime() + life), random).getTime() - start.getTime()
        expect(at).toBeGreaterThanOrEqual(Math.floor(life * 0.45))
        expect(at).toBeLessThanOrEqual(Math.ceil(life * 0.55))
      }),
    )
  })

  test('is asked for at once when there is none, and renewed at half life for ever', async () => {
    const { begin, turn, asked, states, holder, waiting } = scene((now, issue) => issue(authority, api, now))
    const renewal = begin()
    await turn(0)
    expect(states).toEqual(['expired', 'fresh'])
    const first = holder.held?.serial
    await turn(2 * DAY_MS)
    // Issued a minute back, so half of 24 h 1 min, less that minute: every 11 h 59.5 min.
    expect(asked).toEqual([0, 719.5, 1439, 2158.5, 2878])
    expect(states).toEqual(['expired', 'fresh'])
    expect(holder.held?.serial).not.toBe(first)
    renewal.stop()
    expect(waiting).toEqual([])
  })

  test('is renewed at another moment by another draw, so that services do not ask together', async () => {
    const { begin, turn, asked } = scene(
      (now, issue) => issue(authority, api, now),
      () => 0,
    )
    begin()
    await turn(0.99 * DAY_MS)
    expect(asked).toEqual([0, 647.45, 1294.9])
  })

  test('that cannot be renewed is late, then expired; it is asked for ever more rarely, and fresh again at last', async () => {
    let away = false
    const { begin, turn, asked, states, failures } = scene(
      async (now, issue) => {
        if (away) throw new Error('the keeper is away')
        return issue(authority, api, now)
      },
      () => 0,
    )
    begin()
    await turn(11 * HOUR_MS - 20 * MINUTE_MS)
    expect(asked).toEqual([0])
    away = true
    await turn(20 * MINUTE_MS + 20 * MINUTE_MS)
    // The backoff: half a minute, then twice that each time up to a quarter of an hour.
    expect(asked.slice(1).map((at) => at - 647.45)).toEqual(
      [0, 0.5, 1.5, 3.5, 7.5, 15.5, 30.5].map((at) => expect.closeTo(at, 3)),
    )
    expect(states).toEqual(['expired', 'fresh', 'late'])
    expect(failures.length).toBe(asked.length - 1)
    await turn(13 * HOUR_MS - 20 * MINUTE_MS - 1)
    expect(states.at(-1)).toBe('late')
    await turn(1)
    expect(states.at(-1)).toBe('expired')
    away = false
    await turn(15 * MINUTE_MS)
    expect(states).toEqual(['expired', 'fresh', 'late', 'expired', 'fresh'])
  })

  test('that is not ours, or whose answer never comes, counts as a failure and is asked for again', async () => {
    const answers: ((now: Date, issue: Issue) => Promise<Svid>)[] = [
      (now, issue) => issue(authority, service('web'), now),
      () => new Promise(() => {}),
      (now, issue) => issue(authority, api, now),
    ]
    const { begin, turn, failures, states, asked, holder } = scene(
      (now, issue) => answers.shift()!(now, issue),
      () => 0,
    )
    begin()
    await turn(5 * MINUTE_MS)
    expect(asked).toEqual([0, 0.5, 2.5])
    expect(failures).toEqual([
      expect.objectContaining({ code: 'certificate_id' }),
      expect.objectContaining({ message: 'the authority did not answer in 60000 ms' }),
    ])
    expect(states).toEqual(['expired', 'fresh'])
    expect(holder.held?.spiffeId).toEqual(api)
  })

  test('can be renewed on demand, once for all who ask, and failing says why', async () => {
    let away = false
    const { begin, turn, settle, asked, holder } = scene(async (now, issue) => {
      if (away) throw new Error('the keeper is away')
      return issue(authority, api, now)
    })
    const renewal = begin()
    await turn(HOUR_MS)
    const before = holder.held?.serial
    const [one, other] = await Promise.all([renewal.renewNow(), renewal.renewNow()])
    expect(one).toBe(other)
    expect(holder.held?.serial).not.toBe(before)
    expect(asked).toEqual([0, 60])
    away = true
    await expect(renewal.renewNow()).rejects.toThrow('the keeper is away')
    renewal.stop()
    await settle()
  })

  test('under an authority that is about to end is asked for no more often than twice a minute', async () => {
    const ending = await newAuthority(start, 'redoubt.test', 4 * MINUTE_MS)
    const { begin, turn, asked } = scene((now, issue) => issue(ending, api, now))
    begin()
    await turn(4 * MINUTE_MS - 1)
    expect(asked.length).toBeLessThan(9)
    expect(asked.length).toBeGreaterThan(2)
  })

  test('is noticed to have ended within a quarter of an hour by a machine whose clock was set', async () => {
    const hand = scene((now, issue) => issue(authority, api, now))
    let ahead = 0
    const clock = { now: () => new Date(hand.clock.now().getTime() + ahead) }
    const states: CertificateState[] = []
    let away = false
    const { timers } = hand
    const rootsPem = [authority.certificatePem]
    const holder = new CertificateHolder({ spiffeId: api, rootsPem, clock, denied: () => false })
    keepRenewed({
      holder,
      clock,
      timers,
      random: () => 0,
      renew: async () => {
        if (away) throw new Error('the keeper is away')
        return hand.issue(authority, api, clock.now())
      },
      onState: (state) => states.push(state),
      onFailure: () => {},
    })
    await hand.turn(HOUR_MS)
    away = true
    ahead = 3 * DAY_MS
    await hand.turn(15 * MINUTE_MS)
    expect(states).toEqual(['expired', 'fresh', 'expired'])
  })
})
