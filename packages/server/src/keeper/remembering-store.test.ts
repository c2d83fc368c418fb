import { Secret } from '@redoubt/trust'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../test/memory-store.ts'
import { KeeperError } from './keeper-error.ts'
import { RememberingStore } from './remembering-store.ts'

/** A store that counts what it is asked, and can be taken away. */
function network() {
  const inner = memoryStore()
  const state = { asked: 0, away: false }
  const store = new RememberingStore({
    ...inner,
    async read(path) {
      state.asked += 1
      if (state.away) throw new KeeperError('store_unavailable', 'away')
      return inner.read(path)
    },
    async write(path, value, expected) {
      if (state.away) throw new KeeperError('store_unavailable', 'away')
      return inner.write(path, value, expected)
    },
  })
  return { inner, state, store }
}

describe('a store that remembers', () => {
  it('asks once for what does not change', async () => {
    const { store, state } = network()
    await store.write('a/b', new Secret('1'), 0)
    for (const _ of [1, 2, 3]) expect((await store.read('a/b'))?.value.reveal()).toBe('1')
    expect(state.asked).toBe(1)
  })

  it('goes on with what it knows while the store is away, and has nothing else', async () => {
    const { store, state } = network()
    await store.write('a/b', new Secret('1'), 0)
    await store.read('a/b')
    state.away = true
    expect((await store.read('a/b'))?.value.reveal()).toBe('1')
    await expect(store.read('a/c')).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(store.write('a/c', new Secret('2'), 0)).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('sees its own change at once, and anybody else’s with the watch', async () => {
    const { store, inner } = network()
    await store.write('a/b', new Secret('1'), 0)
    await store.read('a/b')
    await store.write('a/b', new Secret('2'), 1)
    expect((await store.read('a/b'))?.value.reveal()).toBe('2')
    await inner.write('a/b', new Secret('3'), 2)
    expect((await store.read('a/b'))?.value.reveal()).toBe('3')
  })

  it('does not take an absence for lasting', async () => {
    const { store, inner } = network()
    expect(await store.read('a/b')).toBeNull()
    await inner.put('a/b', '1')
    expect((await store.read('a/b'))?.value.reveal()).toBe('1')
  })
})
