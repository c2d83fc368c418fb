import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { keeperConfig } from '../../test/keeper-of.ts'
import { ManualTime } from '../../test/manual-time.ts'
import { openAdminSocket } from './admin-socket.ts'
import { keyStatus } from './key-status.ts'
import { openKeeper } from './open-keeper.ts'

const day = 24 * 3_600_000
const homes: string[] = []
async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-keeper-'))
  homes.push(home)
  return home
}
afterEach(() => Promise.all(homes.splice(0).map((home) => rm(home, { recursive: true, force: true }))))

test('one key line that cannot rotate any more stops no other one', async () => {
  const home = await newHome()
  const time = new ManualTime()
  const { keeper } = await openKeeper(keeperConfig(home), time)
  // Until the line is as long as a secret may be.
  const full = async () => {
    for (;;) await keeper.rotate('checkpoint')
  }
  await expect(full()).rejects.toMatchObject({ code: 'invalid' })
  time.advance(90 * day)
  await expect(keeper.tend()).rejects.toMatchObject({ code: 'invalid' })
  const { keys } = await keyStatus(keeper, time.now())
  const newest = (name: string) => keys.find(({ key }) => key === name)?.versions[0]?.createdAt
  for (const name of ['access', 'plan', 'service:worker', 'authority', 'kek', 'secrets'])
    expect(newest(name), name).toBe(time.now().toISOString())
  await keeper.close()
  // Nor the next start.
  const again = await openKeeper(keeperConfig(home), time)
  await again.keeper.close()
})

test('no new keys are made where something was sealed under lost ones', async () => {
  const home = await newHome()
  const time = new ManualTime()
  const { keeper } = await openKeeper(keeperConfig(home), time)
  await keeper.close()
  const lost = join(home, 'keys', 'keks.json')
  await rm(lost)
  await expect(openKeeper(keeperConfig(home), time)).rejects.toMatchObject({ code: 'store_damaged' })
  await expect(stat(lost)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('the operator’s socket is in a folder of its owner alone, however the folder was before', async () => {
  const home = await newHome()
  const { keeper } = await openKeeper(keeperConfig(home), new ManualTime())
  await chmod(join(home, 'keys'), 0o777)
  const stop = await openAdminSocket(home, {})
  expect((await stat(join(home, 'keys'))).mode & 0o777).toBe(0o700)
  await stop()
  await keeper.close()
})

test('no KEK is destroyed on the word of a service while a data key hangs on it, or while nobody can look', async () => {
  const { keeper } = await openKeeper(keeperConfig(await newHome()), new ManualTime())
  await keeper.rotate('kek')
  const retire = () => keeper.handle('worker', 'kek.retire', { below: 2 })
  await expect(retire()).rejects.toMatchObject({ code: 'invalid' })
  let wrapped = 1
  keeper.lookBeforeRetiring(async () => wrapped)
  await expect(retire()).rejects.toMatchObject({ code: 'invalid' })
  expect(keeper.ring.versions()).toHaveLength(2)
  wrapped = 0
  await retire()
  expect(keeper.ring.versions()).toHaveLength(1)
  await keeper.close()
})

test('the authority is not rotated again before the new one has reached everybody', async () => {
  const time = new ManualTime()
  const { keeper } = await openKeeper(keeperConfig(await newHome()), time)
  await keeper.rotate('authority')
  await expect(keeper.rotate('authority')).rejects.toMatchObject({ code: 'invalid' })
  time.advance(3_600_000)
  await keeper.rotate('authority')
  await keeper.close()
})
