import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { keeperConfig } from '../../test/keeper-of.ts'
import { ManualTime } from '../../test/manual-time.ts'
import { openKeeper } from './open-keeper.ts'

const day = 24 * 3_600_000
const homes: string[] = []
afterEach(() => Promise.all(homes.splice(0).map((home) => rm(home, { recursive: true, force: true }))))

test('one key line that cannot rotate any more stops no other one', async () => {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-keeper-'))
  homes.push(home)
  const time = new ManualTime()
  const { keeper } = await openKeeper(keeperConfig(home), time)
  // Until the line is as long as a secret may be.
  const full = async () => {
    for (;;) await keeper.rotate('checkpoint')
  }
  await expect(full()).rejects.toMatchObject({ code: 'invalid' })
  time.advance(90 * day)
  await expect(keeper.tend()).rejects.toMatchObject({ code: 'invalid' })
  const { keys } = await keeper.status()
  const newest = (name: string) => keys.find(({ key }) => key === name)?.versions[0]?.createdAt
  for (const name of ['access', 'plan', 'service:worker', 'authority', 'kek', 'secrets'])
    expect(newest(name), name).toBe(time.now().toISOString())
  await keeper.close()
})
