import { inspect } from 'node:util'
import { Secret } from '@redoubt/trust'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeeperError } from '../src/keeper/keeper-error.ts'
import type { SecretStore, SecretSummary } from '../src/keeper/secret-store.ts'

export type OpenedStore = {
  /** Empty. */
  readonly store: SecretStore
  /** A second line to the same secrets, or null when there is only ever one. */
  readonly another: SecretStore | null
  /** Lets the polling interval pass. */
  readonly poll: () => void
  /** Takes what holds the secrets away; null when this kind cannot be cut off. */
  readonly cut: (() => void) | null
  readonly close: () => Promise<void>
}

/** The contract of the SecretStore port: every store keeps all of it. */
export function describeSecretStore(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the secret store ${name}`, () => {
    let opened: OpenedStore
    let store: SecretStore
    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.close())

    const secret = (text: string) => new Secret(text)
    const codeOf = async (use: () => Promise<unknown>) => {
      try {
        await use()
        return 'nothing thrown'
      } catch (error) {
        return error instanceof KeeperError ? error.code : error
      }
    }
    const valueAt = async (path: string, from = store) => (await from.read(path))?.value.reveal() ?? null

    test('a path that was never written is null', async () => {
      expect(await store.read('smtp/password')).toBeNull()
      expect(await store.list('')).toEqual([])
      expect(await store.reachable()).toBe(true)
    })

    test('what was written is read with its path, version and time', async () => {
      expect(await store.write('smtp/password', secret('hunter2'), 0)).toBe(1)
      const read = await store.read('smtp/password')
      expect(read).toMatchObject({ path: 'smtp/password', version: 1 })
      expect(read?.value.reveal()).toBe('hunter2')
      expect(read?.writtenAt.getTime()).toBeGreaterThan(0)
    })

    test('versions count on, and the newest is read', async () => {
      for (const version of [1, 2, 3]) {
        expect(await store.write('smtp/password', secret(`v${version}`), version - 1)).toBe(version)
        expect(await valueAt('smtp/password')).toBe(`v${version}`)
      }
      expect(await store.list('')).toMatchObject([{ path: 'smtp/password', version: 3 }])
    })

    test('a write that expected another version is refused and changes nothing', async () => {
      expect(await codeOf(() => store.write('smtp/password', secret('x'), 1))).toBe('store_conflict')
      await store.write('smtp/password', secret('one'), 0)
      await store.write('smtp/password', secret('two'), 1)
      for (const expected of [0, 1, 3])
        expect(await codeOf(() => store.write('smtp/password', secret('x'), expected))).toBe('store_conflict')
      expect(await valueAt('smtp/password')).toBe('two')
    })

    test('of writers that saw the same version exactly one succeeds', async () => {
      for (const expected of [0, 1]) {
        const writes = Array.from({ length: 8 }, (_, at) =>
          codeOf(() => store.write('smtp/password', secret(`writer ${at}`), expected)),
        )
        const outcomes = await Promise.all(writes)
        expect(outcomes.filter((outcome) => outcome === 'nothing thrown')).toHaveLength(1)
        expect(outcomes.filter((outcome) => outcome === 'store_conflict')).toHaveLength(7)
        expect((await store.read('smtp/password'))?.version).toBe(expected + 1)
      }
    })

    test('writers of different paths do not disturb each other', async () => {
      const paths = Array.from({ length: 20 }, (_, at) => `worker/key-${at}`)
      await Promise.all(paths.map((path) => store.write(path, secret(path), 0)))
      for (const path of paths) expect(await valueAt(path)).toBe(path)
      expect(await store.list('worker/')).toHaveLength(20)
    })

    test('a list is in order of path, keeps to its prefix and shows no values', async () => {
      const paths = [
        'database/web/password',
        'database',
        'database-b',
        'database/api',
        'smtp/password',
        'd/1/2/3/4/5/6/7',
      ]
      for (const path of paths) await store.write(path, secret('hunter2'), 0)
      const listed = async (prefix: string) => (await store.list(prefix)).map(({ path }) => path)
      expect(await listed('')).toEqual([...paths].sort())
      expect(await listed('database/')).toEqual(['database/api', 'database/web/password'])
      expect(await listed('database/web/')).toEqual(['database/web/password'])
      expect(await listed('nothing/')).toEqual([])
      expect(JSON.stringify(await store.list(''))).not.toContain('hunter2')
      expect(Object.keys((await store.list('smtp/'))[0] ?? {}).sort()).toEqual(['path', 'version', 'writtenAt'])
    })

    test('a removed path is gone, and goes on counting when it is written again', async () => {
      await store.write('smtp/password', secret('one'), 0)
      await store.write('smtp/password', secret('two'), 1)
      await store.write('smtp/user', secret('kept'), 0)
      expect(await store.remove('smtp/password')).toBe(true)
      expect(await store.read('smtp/password')).toBeNull()
      expect((await store.list('')).map(({ path }) => path)).toEqual(['smtp/user'])
      expect(await store.remove('smtp/password')).toBe(false)
      expect(await store.remove('never/written')).toBe(false)
      // Whoever still holds version 2 does not bring the path back to life.
      expect(await codeOf(() => store.write('smtp/password', secret('x'), 2))).toBe('store_conflict')
      const again = await store.write('smtp/password', secret('three'), 0)
      expect(again).toBeGreaterThan(2)
      expect(await store.read('smtp/password')).toMatchObject({ version: again })
      expect(await valueAt('smtp/password')).toBe('three')
      expect(await store.write('smtp/password', secret('four'), again)).toBe(again + 1)
    })

    test('a watcher hears of every change below its prefix, and of nothing else', async () => {
      await store.write('smtp/password', secret('before'), 0)
      const heard: SecretSummary[] = []
      const stop = store.watch('smtp/', (summary) => heard.push(summary))
      const untilHeard = async (path: string, least: number) => {
        await vi.waitFor(() => {
          opened.poll()
          expect(heard.filter((each) => each.path === path).length).toBeGreaterThanOrEqual(least)
        })
      }
      const writer = opened.another ?? store
      await writer.write('database/password', secret('not ours'), 0)
      await writer.write('smtp/password', secret('after'), 1)
      await untilHeard('smtp/password', 1)
      expect(heard).toMatchObject([{ path: 'smtp/password', version: 2 }])
      await store.write('smtp/user', secret('new'), 0)
      await untilHeard('smtp/user', 1)
      await writer.remove('smtp/password')
      await untilHeard('smtp/password', 2)
      expect(await store.read('smtp/password')).toBeNull()
      expect(heard.map(({ path }) => path)).toEqual(['smtp/password', 'smtp/user', 'smtp/password'])
      expect(JSON.stringify(heard)).not.toContain('after')

      stop()
      const late: string[] = []
      store.watch('', ({ path }) => late.push(path))
      // Watch, then read: whatever changes after the reading is heard of.
      await store.read('smtp/user')
      await writer.write('smtp/user', secret('newer'), 1)
      await vi.waitFor(() => {
        opened.poll()
        expect(late).toContain('smtp/user')
      })
      expect(heard).toHaveLength(3)
    })

    test('a value has up to 64 KiB of UTF-8, also empty, and comes back as it was', async () => {
      const values = ['', ' spaces \n', '{"json":"\\u0000"}', 'Schlüssel 🔑', 'x'.repeat(65_536), 'ü'.repeat(32_768)]
      for (const [version, value] of values.entries()) {
        await store.write('smtp/password', secret(value), version)
        expect(await valueAt('smtp/password')).toBe(value)
      }
      for (const value of ['x'.repeat(65_537), 'ü'.repeat(32_769)])
        expect(await codeOf(() => store.write('smtp/password', secret(value), values.length))).toBe('invalid')
      expect((await store.read('smtp/password'))?.version).toBe(values.length)
    })

    test('a path outside of the rule reaches nothing', async () => {
      const outside = [
        '',
        '/smtp',
        'smtp/',
        'smtp//password',
        '../smtp',
        'smtp/../x',
        'smtp/.',
        'Smtp',
        'smtp password',
      ]
      const paths = [...outside, 'smtp?list=true', 'smtp#x', 'smtp%2fx', 'a/b/c/d/e/f/g/h/i', `a${'b'.repeat(200)}`]
      for (const path of paths) expect(await codeOf(() => store.write(path, secret('x'), 0)), path).toBe('invalid')
      expect(await store.list('')).toEqual([])
    })

    test('a value shows in no log, whatever is printed', async () => {
      await store.write('smtp/password', secret('hunter2'), 0)
      const read = await store.read('smtp/password')
      const conflict = await store.write('smtp/password', secret('hunter2'), 7).catch((error: unknown) => error)
      const long = await store
        .write('smtp/password', secret('hunter2'.repeat(10_000)), 1)
        .catch((error: unknown) => error)
      for (const shown of [read, conflict, long])
        expect(inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown)).not.toContain('hunter2')
    })

    test('what holds the secrets being away is said as such, and nothing is taken for missing', async ({ skip }) => {
      await store.write('smtp/password', secret('one'), 0)
      if (!opened.cut) return skip('this store cannot be cut off')
      opened.cut()
      expect(await store.reachable()).toBe(false)
      expect(await codeOf(() => store.read('smtp/password'))).toBe('store_unavailable')
      expect(await codeOf(() => store.read('never/written'))).toBe('store_unavailable')
      expect(await codeOf(() => store.list(''))).toBe('store_unavailable')
      expect(await codeOf(() => store.write('smtp/password', secret('two'), 1))).toBe('store_unavailable')
      expect(await codeOf(() => store.remove('smtp/password'))).toBe('store_unavailable')
    })
  })
}
