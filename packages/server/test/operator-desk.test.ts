import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openKeeper } from '../src/keeper/open-keeper.ts'
import { readConfig } from '../src/platform/config.ts'
import { openOperatorDesk } from '../src/services/operator.ts'
import { ManualTime } from './manual-time.ts'

const day = 24 * 3_600_000
const homes: string[] = []
afterEach(() => Promise.all(homes.splice(0).map((home) => rm(home, { recursive: true, force: true }))))

async function installation() {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-desk-'))
  homes.push(home)
  const clock = new ManualTime()
  const config = readConfig({ REDOUBT_HOME: home })
  const { keeper } = await openKeeper(config, clock)
  await keeper.close()
  const files = () =>
    Promise.all(['keks.json', 'secrets.json'].map((name) => readFile(join(home, 'keys', name), 'utf8')))
  const desk = () => openOperatorDesk(config, clock, false, () => Promise.reject(new Error('not sealed')))
  return { home, clock, config, files, desk }
}

test('whoever only looks rotates nothing, however late it is', async () => {
  const { clock, files, desk, config } = await installation()
  const before = await files()
  clock.sleep(200 * day)
  const opened = await desk()
  const { keys } = await opened.desk['keys.status']()
  await opened.desk['secret.list']({})
  await opened.desk['services.list']()
  await opened.desk['master.check']()
  await opened.close()
  expect(keys.every(({ nextRotationAt }) => new Date(nextRotationAt) < clock.now())).toBe(true)
  expect(await files()).toEqual(before)
  // What opens it to keep it does.
  const { keeper } = await openKeeper(config, clock)
  await keeper.close()
  expect(await files()).not.toEqual(before)
})

test('one process at a time has the keys of a home; another home is another matter', async () => {
  const { desk } = await installation()
  const other = await installation()
  const first = await desk()
  await expect(desk()).rejects.toMatchObject({
    code: 'store_conflict',
    message: expect.stringContaining('runs already'),
  })
  const elsewhere = await other.desk()
  await elsewhere.close()
  await first.close()
  const again = await desk()
  await again.close()
})

test('a copy of the keys carries no lock with it', async () => {
  const { home, desk, clock } = await installation()
  const first = await desk()
  const copy = await mkdtemp(join(tmpdir(), 'redoubt-desk-'))
  homes.push(copy)
  await cp(join(home, 'keys'), join(copy, 'keys'), { recursive: true })
  const second = await openOperatorDesk(readConfig({ REDOUBT_HOME: copy }), clock, false, () => Promise.reject())
  await second.close()
  await first.close()
})
