import { describe, expect, it } from 'vitest'
import { ChangeLog } from './change-log.ts'

describe('what changed lately', () => {
  it('is told from a position on, each thing once', async () => {
    const log = new ChangeLog()
    const { position } = await log.since(0)
    log.add('kek')
    log.add('trust')
    log.add('kek')
    expect(await log.since(position)).toEqual({ position: position + 3, changed: ['kek', 'trust'] })
  })

  it('wakes whoever waits for it', async () => {
    const log = new ChangeLog()
    const { position } = await log.since(0)
    const waiting = log.since(position)
    log.add('signing:access')
    expect((await waiting).changed).toEqual(['signing:access'])
  })

  it('is everything for whoever was away for too long, or asks a keeper that began anew', async () => {
    const log = new ChangeLog()
    const { position } = await log.since(0)
    for (let times = 0; times < 300; times += 1) log.add(`secret:a/${times}`)
    expect((await log.since(position)).changed).toEqual(['everything'])
    expect((await new ChangeLog().since(position - 1)).changed).toEqual(['everything'])
    expect((await new ChangeLog().since(position + 1_000_000_000)).changed).toEqual(['everything'])
  })

  it('lets all who wait go when the keeper ends', async () => {
    const log = new ChangeLog()
    const { position } = await log.since(0)
    const waiting = log.since(position)
    log.close()
    expect((await waiting).changed).toEqual([])
  })
})
