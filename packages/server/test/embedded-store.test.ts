import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@redoubt/trust'
import { afterAll, describe, expect, it } from 'vitest'
import { EmbeddedStore } from '../src/keeper/embedded-store.ts'
import { KekRing } from '../src/keeper/kek-ring.ts'
import { createMasterFile, openPlain } from '../src/keeper/master-file.ts'
import { fileAt } from '../src/keeper/open-keeper.ts'
import { describeSecretStore } from './secret-store-suite.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function newHome() {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-store-'))
  folders.push(home)
  const { master } = await createMasterFile(home, { kind: 'plain' })
  const ring = await KekRing.open(fileAt(join(home, 'keys', 'keks.json')), master, new Date())
  const path = join(home, 'keys', 'secrets.json')
  return { home, ring, path, open: () => EmbeddedStore.open(fileAt(path), ring, () => new Date()) }
}

describeSecretStore('the embedded store', async () => {
  const { open } = await newHome()
  const store = await open()
  return { store, another: null, poll: async () => undefined, cut: null, close: () => store.close() }
})

describe('the embedded store at rest', () => {
  it('shows paths and versions, never a value, to its owner alone', async () => {
    const { open, path } = await newHome()
    const store = await open()
    await store.write('smtp/password', new Secret('hunter2hunter2'), 0)
    const text = await readFile(path, 'utf8')
    expect(text).toContain('smtp/password')
    expect(text).not.toContain('hunter2')
    expect(text).not.toContain(Buffer.from('hunter2hunter2').toString('base64'))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await store.close()
  })

  it('does not open a value that was put under another path, or an old one that was put back', async () => {
    const { open, path } = await newHome()
    const store = await open()
    await store.write('smtp/password', new Secret('first'), 0)
    const old = JSON.parse(await readFile(path, 'utf8'))
    await store.write('smtp/password', new Secret('second'), 1)
    await store.write('webhook/key', new Secret('third'), 0)
    await store.write('webhook/key', new Secret('fourth'), 1)
    await store.close()
    const file = JSON.parse(await readFile(path, 'utf8'))
    const swapped = structuredClone(file)
    swapped.entries['smtp/password'].sealed = file.entries['webhook/key'].sealed
    await writeFile(path, JSON.stringify(swapped))
    await expect((await open()).read('smtp/password')).rejects.toThrow(/altered|belongs/)
    const rolledBack = structuredClone(file)
    rolledBack.entries['smtp/password'].sealed = old.entries['smtp/password'].sealed
    await writeFile(path, JSON.stringify(rolledBack))
    await expect((await open()).read('smtp/password')).rejects.toThrow(/altered|belongs/)
  })

  it('keeps every value when its key is rotated and rewrapped, and needs the old ones no more', async () => {
    const { open, ring, home, path } = await newHome()
    const store = await open()
    await store.write('a/one', new Secret('1'), 0)
    await store.write('a/two', new Secret('2'), 0)
    await store.remove('a/two')
    const before = JSON.parse(await readFile(path, 'utf8'))
    expect(await store.rotateKey()).toBe(2)
    await ring.rotate(new Date())
    await store.rewrap()
    await ring.destroyBelow(2)
    await store.close()
    const again = await EmbeddedStore.open(
      fileAt(path),
      await KekRing.open(fileAt(join(home, 'keys', 'keks.json')), await openPlain(home), new Date()),
      () => new Date(),
    )
    expect((await again.read('a/one'))?.value.reveal()).toBe('1')
    expect(await again.read('a/two')).toBeNull()
    const after = JSON.parse(await readFile(path, 'utf8'))
    expect(after.keys.map(({ version, kek }: { version: number; kek: number }) => [version, kek])).toEqual([[2, 2]])
    expect(after.entries['a/one'].sealed).not.toBe(before.entries['a/one'].sealed)
  })

  it('damaged, or of another installation, is told as such and left as it is', async () => {
    const { path, open } = await newHome()
    await (await open()).close()
    const foreign = await newHome()
    await (await foreign.open()).close()
    const others = await readFile(foreign.path, 'utf8')
    for (const text of ['{', others]) {
      await writeFile(path, text)
      await expect(open()).rejects.toMatchObject({ code: 'store_damaged' })
      expect(await readFile(path, 'utf8')).toBe(text)
    }
  })
})
