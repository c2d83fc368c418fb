import { describe, expect, it } from 'vitest'
import { AppError } from '../../../platform/app-error.ts'
import { KeeperRefusal } from '../../../platform/keeper-protocol.ts'
import type { Kernel } from '../../../platform/kernel.ts'
import { runnerChannel } from './channel.ts'

const ids = {
  organizationId: '018f3c1e-7b1a-7c00-8000-000000000001',
  runnerId: '018f3c1e-7b1a-7c00-8000-000000000002',
}
const away = () => Promise.reject(new AppError('unavailable', 'The keeper does not answer.'))

/** The channel over a keeper that answers by these, one after the other. */
function channelOver(...answers: (() => Promise<unknown>)[]) {
  const asked: [string, unknown][] = []
  const keeper = {
    call(request: string, input: unknown) {
      asked.push([request, input])
      return (answers[asked.length - 1] as () => Promise<unknown>)()
    },
  }
  const log = { warn: () => undefined, error: () => undefined }
  const config = { trustDomain: 'redoubt.test' }
  const clock = { now: () => new Date('2026-05-01T00:00:00Z') }
  return { channel: runnerChannel({ keeper, log, config, clock } as unknown as Kernel), asked }
}

describe('the revocation of a runner', () => {
  it('is tried again when somebody else changed the deny-list at that moment', async () => {
    const conflict = () => Promise.reject(new KeeperRefusal('store_conflict', 'changed meanwhile'))
    const { channel, asked } = channelOver(conflict, async () => ({}))
    expect(await channel.deny(ids, 'revoked')).toBe(true)
    const subject = `spiffe://redoubt.test/runner/${ids.organizationId}/${ids.runnerId}`
    expect(asked).toEqual(
      Array(2).fill(['services.deny', { subject, reason: 'revoked', until: '2026-05-02T01:00:00.000Z' }]),
    )
  })

  it('does not wait for a keeper that is away, and says so', async () => {
    expect(await channelOver(away).channel.deny(ids, 'revoked')).toBe(false)
  })
})

describe('whom a runner is to trust', () => {
  const told = { rootsPem: ['root'], denied: ['0123', 'spiffe://redoubt.test/service/web'] }

  it('is what the keeper says, without the runners of anybody', async () => {
    const { channel } = channelOver(async () => ({
      ...told,
      denied: [...told.denied, `spiffe://redoubt.test/runner/${ids.organizationId}/${ids.runnerId}`],
    }))
    expect(await channel.trust()).toEqual(told)
  })

  it('is what it said last while it is away, and unknown when it never said anything', async () => {
    const { channel } = channelOver(async () => told, away)
    await channel.trust()
    expect(await channel.trust()).toEqual(told)
    await expect(channelOver(away).channel.trust()).rejects.toThrow('does not answer')
  })
})
