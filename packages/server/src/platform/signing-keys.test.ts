import { exportSigningKey, generateSigningKey, importVerifyingKey, type PrivateJwk, rotateLine } from '@redoubt/trust'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualTime } from '../../test/manual-time.ts'
import { rotationRules } from '../keeper/rotation-rules.ts'
import { AppError } from './app-error.ts'
import { type KeeperClient, KeeperRefusal, type ServiceIdentity, type SigningVersion } from './keeper-protocol.ts'
import { heardForMs, lateMs, refreshEveryMs, retryEveryMs } from './signing-key-state.ts'
import { SigningKeys } from './signing-keys.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const rule = rotationRules.access
const maxAgeMs = 7 * day
const tokenMs = 15 * minute

/** A keeper with one key line, that can be away, and whose notices can be lost on the way to single services. */
class FakeKeeper {
  readonly time: ManualTime
  isAway = false
  asked = 0
  readonly deaf = new Set<ServiceIdentity>()
  readonly #listeners = new Map<ServiceIdentity, Set<(changed: string) => void>>()
  #line: readonly (Omit<SigningVersion, 'publicJwk' | 'privateJwk'> & { readonly jwk: PrivateJwk })[] = []

  constructor(time: ManualTime) {
    this.time = time
    this.rotate()
  }

  rotate(): void {
    const now = this.time.now()
    const make = (times: Omit<SigningVersion, 'publicJwk' | 'privateJwk' | 'succession'>) => ({
      ...times,
      succession: null,
      jwk: exportSigningKey(generateSigningKey('ES256')),
    })
    this.#line = rotateLine(this.#line, rule, now, make as never)
    this.tell('signing:access')
  }

  tell(changed: string): void {
    for (const [service, listeners] of this.#listeners)
      if (!this.deaf.has(service)) for (const listener of listeners) listener(changed)
  }

  client(service: ServiceIdentity): KeeperClient {
    const own = new Set<(changed: string) => void>()
    this.#listeners.set(service, own)
    const call = async () => {
      this.asked += 1
      if (this.isAway) throw new AppError('unavailable', 'The keeper does not answer; try again in a few seconds.')
      const now = this.time.now()
      return this.#line
        .filter(({ endsAt }) => endsAt === null || now < endsAt)
        .map(({ jwk, ...version }) => ({ ...version, publicJwk: importVerifyingKey(jwk).jwk, privateJwk: jwk }))
    }
    return {
      service,
      call: call as unknown as KeeperClient['call'],
      onChange(listener) {
        own.add(listener)
        return () => own.delete(listener)
      },
    }
  }
}

const settle = () => new Promise<void>((done) => setImmediate(done))

/** Lets time pass as it does: each timer's work is done before the next one is due. */
async function pass(time: ManualTime, ms: number): Promise<void> {
  let left = ms
  for (;;) {
    const next = time.next()
    if (next === null || next > left) break
    const step = Math.max(next, 0)
    time.advance(step)
    left -= step
    await settle()
  }
  time.advance(left)
  await settle()
}

async function start(services: readonly ServiceIdentity[] = ['api']) {
  const time = new ManualTime()
  const keeper = new FakeKeeper(time)
  const fetch = (service: ServiceIdentity) =>
    SigningKeys.fetch(keeper.client(service), 'access', { clock: time, timers: time, maxAgeMs })
  const keys = await Promise.all(services.map(fetch))
  return { time, keeper, fetch, keys, key: keys[0] as SigningKeys }
}

describe('the signing key of a service (KEY-5)', () => {
  test('is fetched at the start, and the start fails when the keeper is away or refuses', async () => {
    const { keeper, fetch, key } = await start()
    expect(key.state()).toBe('READY')
    expect(key.find(key.active().kid)).toBeDefined()
    keeper.isAway = true
    await expect(fetch('web')).rejects.toMatchObject({ name: 'StartError', message: /web cannot start.*access key/ })
    const refusing: KeeperClient = {
      ...keeper.client('worker'),
      call: () => Promise.reject(new KeeperRefusal('sealed', 'The secret store is sealed: redoubt unseal.')),
    }
    const sealed = SigningKeys.fetch(refusing, 'access', { clock: keeper.time, timers: keeper.time, maxAgeMs })
    await expect(sealed).rejects.toThrow('redoubt unseal')
  })

  test('is asked of the keeper by no request, however many there are', async () => {
    const { keeper, key } = await start()
    const before = keeper.asked
    for (let i = 0; i < 1000; i += 1) {
      key.find(key.active().kid)
      key.find(`unknown ${i}`)
      key.jwks()
    }
    await settle()
    expect(keeper.asked).toBe(before)
  })

  test('of an id that is not known is asked for once a second at most', async () => {
    const { time, keeper, key } = await start()
    time.advance(2 * second)
    const before = keeper.asked
    await Promise.all(Array.from({ length: 50 }, () => key.lookAgain()))
    for (let i = 0; i < 50; i += 1) await key.lookAgain()
    expect(keeper.asked).toBe(before + 1)
    time.advance(second)
    await key.lookAgain()
    expect(keeper.asked).toBe(before + 2)
  })

  test('is in the key set before it signs, and stays there until its last token has expired', async () => {
    const { time, keeper, key } = await start()
    const old = key.active().kid
    keeper.rotate()
    await settle()
    expect(key.state()).toBe('ROTATING')
    const [fresh] = key.jwks().keys.map(({ kid }) => kid)
    expect(fresh).not.toBe(old)
    await pass(time, rule.leadMs - 1)
    expect(key.active().kid).toBe(old)
    await pass(time, 1)
    expect(key.active().kid).toBe(fresh)
    await pass(time, tokenMs)
    expect(key.find(old)).toBeDefined()
    expect(key.state()).toBe('ROTATING')
    await pass(time, rule.outlivesMs - tokenMs)
    expect(key.find(old)).toBeUndefined()
    expect(key.jwks().keys.map(({ kid }) => kid)).toEqual([fresh])
    expect(key.state()).toBe('READY')
  })

  test('changes at a notice, and when that is lost within five minutes', async () => {
    const { time, keeper, keys } = await start(['api', 'web'])
    keeper.deaf.add('web')
    keeper.rotate()
    await settle()
    expect(keys.map((each) => each.jwks().keys.length)).toEqual([2, 1])
    await pass(time, refreshEveryMs)
    expect(keys.map((each) => each.jwks().keys.length)).toEqual([2, 2])
  })

  test('asks again after a change that came while it was asking', async () => {
    const { keeper, key } = await start()
    const first = key.refresh()
    keeper.rotate()
    await first
    await settle()
    expect(key.jwks().keys).toHaveLength(2)
  })

  test('goes on in memory while the keeper is away, and says so until it answers again', async () => {
    const { time, keeper, key } = await start()
    const { kid } = key.active()
    const seen: string[] = []
    key.onHealth(({ state }) => seen.at(-1) !== state && seen.push(state))
    keeper.isAway = true
    await pass(time, refreshEveryMs)
    expect(key.state()).toBe('OUTAGE')
    await pass(time, day)
    expect([key.active().kid, key.find(kid)?.kid]).toEqual([kid, kid])
    keeper.isAway = false
    await pass(time, retryEveryMs)
    expect(key.state()).toBe('READY')
    expect(seen).toEqual(['OUTAGE', 'READY'])
  })

  test('notices an outage at once when the line to the keeper breaks', async () => {
    const { time, keeper, key } = await start()
    await pass(time, minute)
    keeper.isAway = true
    keeper.tell('unreachable')
    await settle()
    expect(key.state()).toBe('OUTAGE')
    const before = keeper.asked
    for (let i = 0; i < 10; i += 1) {
      await pass(time, 2 * second)
      keeper.tell('unreachable')
    }
    expect(keeper.asked).toBe(before)
  })

  test('does not turn during an outage, although the next version is published already', async () => {
    const { time, keeper, key } = await start()
    const old = key.active().kid
    keeper.rotate()
    await settle()
    keeper.isAway = true
    await pass(time, 2 * hour)
    expect(key.active().kid).toBe(old)
    expect(key.find(old)).toBeDefined()
    keeper.isAway = false
    await pass(time, retryEveryMs)
    expect(key.active().kid).not.toBe(old)
    // A colleague may have signed with it a moment ago.
    expect(key.find(old)).toBeDefined()
    await pass(time, lateMs)
    expect(key.find(old)).toBeUndefined()
  })

  test('is DEGRADED past KEY_MAX_AGE, still signs, and is well again once a younger version signs', async () => {
    const { time, keeper, key } = await start()
    await pass(time, maxAgeMs)
    expect(key.health()).toMatchObject({ state: 'READY', isOverAge: false })
    await pass(time, refreshEveryMs)
    expect(key.health()).toMatchObject({ state: 'DEGRADED', isOverAge: true, isAway: false })
    expect(key.find(key.active().kid)).toBeDefined()
    keeper.rotate()
    await pass(time, rule.leadMs)
    expect(key.state()).toBe('ROTATING')
    await pass(time, rule.outlivesMs)
    expect(key.state()).toBe('READY')
  })

  test('that ages during an outage is DEGRADED and known to be away as well', async () => {
    const { time, keeper, key } = await start()
    keeper.isAway = true
    await pass(time, maxAgeMs + hour)
    expect(key.health()).toMatchObject({ state: 'DEGRADED', isAway: true, isOverAge: true })
    expect(key.active()).toBeDefined()
  })

  test('never reaches KEY_MAX_AGE while rotations go through', () => {
    for (const { periodMs, leadMs } of [rotationRules.access, rotationRules.plan])
      expect(periodMs + leadMs + refreshEveryMs).toBeLessThan(maxAgeMs)
  })

  test('of which a version is published before every service has had the time to ask', () => {
    for (const { leadMs } of [rotationRules.access, rotationRules.plan])
      expect(leadMs).toBeGreaterThan(refreshEveryMs + heardForMs)
  })

  test('asks no more once it is closed', async () => {
    const { time, keeper, key } = await start()
    key.close()
    const before = keeper.asked
    await pass(time, day)
    keeper.tell('signing:access')
    await settle()
    expect(keeper.asked).toBe(before)
  })
})

type Step =
  | { readonly do: 'rotate'; readonly lostOn: readonly number[] }
  | { readonly do: 'outage'; readonly ms: number }
  | { readonly do: 'pass' | 'sleep' | 'set back'; readonly ms: number }
  | { readonly do: 'sign'; readonly by: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('rotate' as const), lostOn: fc.subarray([0, 1, 2]) }),
  fc.record({ do: fc.constant('outage' as const), ms: fc.integer({ min: second, max: 3 * hour }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: second, max: 40 * minute }) }),
  fc.record({ do: fc.constant('sleep' as const), ms: fc.integer({ min: second, max: 5 * hour }) }),
  fc.record({ do: fc.constant('set back' as const), ms: fc.integer({ min: second, max: 30 * second }) }),
  fc.record({ do: fc.constant('sign' as const), by: fc.integer({ min: 0, max: 2 }) }),
)

test('whatever rotations, outages, lost notices and clocks do, every token is accepted everywhere until it expires', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const services = ['api', 'web', 'worker'] as const
      const { time, keeper, keys } = await start(services)
      let tokens: { readonly kid: string; readonly expiresAt: number }[] = []
      /** How a service looks at a token: in its key set, and if need be once more after it has asked. */
      const accepts = async (service: SigningKeys, kid: string) => {
        if (service.find(kid)) return true
        await service.lookAgain()
        return service.find(kid) !== undefined
      }
      const check = async () => {
        const now = time.now().getTime()
        tokens = tokens.filter(({ expiresAt }) => now < expiresAt)
        for (const { kid } of tokens)
          for (const service of keys)
            if (!(await accepts(service, kid))) throw new Error(`refused by ${keys.indexOf(service)}`)
      }
      const sign = (by: SigningKeys) => {
        tokens.push({ kid: by.active().kid, expiresAt: time.now().getTime() + tokenMs })
      }
      // Every service signs at every turn, so that every turn is tried.
      const everybody = async () => {
        for (const each of keys) sign(each)
        await settle()
        await check()
      }
      const passing = async (ms: number) => {
        for (let left = ms; left > 0; left -= 100 * second) {
          await pass(time, Math.min(left, 100 * second))
          await everybody()
        }
      }
      for (const now of steps) {
        if (now.do === 'rotate') {
          for (const index of now.lostOn) keeper.deaf.add(services[index] as ServiceIdentity)
          keeper.rotate()
          keeper.deaf.clear()
          await settle()
        } else if (now.do === 'outage') {
          keeper.isAway = true
          await passing(now.ms)
          keeper.isAway = false
          // One that pauses for less than the time between two questions is one outage.
          await pass(time, 2 * second)
          await everybody()
          await passing(retryEveryMs)
        } else if (now.do === 'pass') await passing(now.ms)
        else if (now.do === 'sleep') {
          time.sleep(now.ms)
          await everybody()
        } else if (now.do === 'set back') time.sleep(-now.ms)
        else if (now.do === 'sign') sign(keys[now.by] as SigningKeys)
        await check()
      }
      // At rest, what has ended is refused by all, and there is one key again.
      tokens = []
      await pass(time, rule.leadMs + rule.outlivesMs + lateMs)
      expect(new Set(keys.map((each) => JSON.stringify(each.jwks()))).size).toBe(1)
      expect(keys[0]?.jwks().keys).toHaveLength(1)
      for (const each of keys) each.close()
    }),
    { numRuns: 40 },
  )
}, 120_000)
