import { randomBytes } from 'node:crypto'
import { Secret, unwrapKey, wrapKey } from '@redoubt/trust'
import { describe, expect, it } from 'vitest'
import { createDataKey, openDataKey, rewrapDataKey } from './data-keys.ts'
import { KeeperError } from './keeper-error.ts'
import { KekRing, type RingFile } from './kek-ring.ts'
import type { MasterKey } from './master-key.ts'

/** A master key in memory that says what it was asked. */
function masterOf(id: string): MasterKey & { unwrapped: number } {
  const key = randomBytes(32)
  return {
    provider: 'file',
    id,
    unwrapped: 0,
    wrap: async (kek) => Buffer.from(wrapKey(key, kek.reveal())),
    async unwrap(wrapped) {
      this.unwrapped += 1
      try {
        return new Secret(Buffer.from(unwrapKey(key, wrapped)))
      } catch (cause) {
        throw new KeeperError('master_refuses', 'no', { cause })
      }
    },
    close: async () => undefined,
  }
}
function fileOf(): RingFile & { text: string | null } {
  return {
    text: null,
    async read() {
      return this.text
    },
    async write(text) {
      this.text = text
    },
  }
}
const now = new Date('2026-11-22T12:00:00Z')
const scope = { organizationId: '019f0000-0000-7000-8000-000000000001', dataClass: 'pii', version: 1 } as const
const code = (work: () => unknown) => {
  try {
    work()
    return 'opened'
  } catch (error) {
    return error instanceof KeeperError ? error.code : `${error}`
  }
}

describe('the key-encryption keys', () => {
  it('are made once, and only the same master key opens them again', async () => {
    const [file, master] = [fileOf(), masterOf('a')]
    const ring = await KekRing.open(file, master, now)
    const made = createDataKey(ring, scope)
    const again = await KekRing.open(file, master, now)
    expect(openDataKey(again, scope, made).reveal()).toEqual(made.key.reveal())
    await expect(KekRing.open(file, masterOf('b'), now)).rejects.toMatchObject({ code: 'master_refuses' })
  })

  it('lie at rest as the master key wrapped them, never as they are', async () => {
    const file = fileOf()
    const ring = await KekRing.open(file, masterOf('a'), now)
    const { key } = createDataKey(ring, scope)
    expect(file.text).not.toContain(key.reveal().toString('base64'))
    expect(JSON.parse(file.text as string).versions[0].wrapped).toHaveLength(56)
  })

  it('open a data key for its organization, class and version alone', async () => {
    const ring = await KekRing.open(fileOf(), masterOf('a'), now)
    const made = createDataKey(ring, scope)
    expect(code(() => openDataKey(ring, scope, made))).toBe('opened')
    for (const other of [
      { ...scope, organizationId: '019f0000-0000-7000-8000-000000000002' },
      { ...scope, dataClass: 'evidence' as const },
      { ...scope, version: 2 },
    ])
      expect(code(() => openDataKey(ring, other, made))).toBe('invalid')
  })

  it('after a rotation the new one wraps, the old one still opens, and a rewrapped key needs the old one no more', async () => {
    const file = fileOf()
    const ring = await KekRing.open(file, masterOf('a'), now)
    const made = createDataKey(ring, scope)
    expect(await ring.rotate(now)).toBe(2)
    expect(createDataKey(ring, { ...scope, version: 2 }).kek).toBe(2)
    expect(code(() => openDataKey(ring, scope, made))).toBe('opened')
    const fresh = rewrapDataKey(ring, scope, made)
    expect(fresh.kek).toBe(2)
    await ring.destroyBelow(2)
    expect(code(() => openDataKey(ring, scope, made))).toBe('not_found')
    expect(openDataKey(ring, scope, fresh).reveal()).toEqual(made.key.reveal())
    expect(JSON.parse(file.text as string).versions.map((each: { version: number }) => each.version)).toEqual([2])
  })

  it('never destroy the one that wraps', async () => {
    const ring = await KekRing.open(fileOf(), masterOf('a'), now)
    await ring.rotate(now)
    await expect(ring.destroyBelow(3)).rejects.toMatchObject({ code: 'invalid' })
  })

  it('a relabelled version does not open what another one wrapped', async () => {
    const ring = await KekRing.open(fileOf(), masterOf('a'), now)
    const made = createDataKey(ring, scope)
    await ring.rotate(now)
    expect(code(() => openDataKey(ring, scope, { ...made, kek: 2 }))).toBe('invalid')
  })

  it('move whole under another master key, such as an HSM', async () => {
    const [file, hsm] = [fileOf(), masterOf('hsm')]
    const ring = await KekRing.open(file, masterOf('a'), now)
    const made = createDataKey(ring, scope)
    await ring.rewrapUnder(hsm)
    const moved = await KekRing.open(file, hsm, now)
    expect(openDataKey(moved, scope, made).reveal()).toEqual(made.key.reveal())
  })

  it('damaged, are told as damaged and not made anew', async () => {
    const file = fileOf()
    await KekRing.open(file, masterOf('a'), now)
    for (const text of ['', '{', '{}', '{"format":"redoubt.keks/v1","versions":[]}']) {
      file.text = text
      await expect(KekRing.open(file, masterOf('a'), now)).rejects.toMatchObject({ code: 'store_damaged' })
      expect(file.text).toBe(text)
    }
  })

  it('are zeroed when the keeper closes', async () => {
    const ring = await KekRing.open(fileOf(), masterOf('a'), now)
    const made = createDataKey(ring, scope)
    ring.close()
    expect(code(() => openDataKey(ring, scope, made))).toBe('not_found')
  })

  it('changed by two at once are those of the file: what they wrap opens after a restart', async () => {
    const [file, master] = [fileOf(), masterOf('a')]
    const write = file.write.bind(file)
    const ring = await KekRing.open(file, master, now)
    // A disk that takes its time, and not always the same.
    let waits = 4
    file.write = async (text) => {
      for (let wait = waits--; wait > 0; wait -= 1) await new Promise((next) => setImmediate(next))
      await write(text)
    }
    const [second, third] = await Promise.all([ring.rotate(now), ring.rotate(now), ring.destroyBelow(1)])
    expect([second, third]).toEqual([2, 3])
    await Promise.all([ring.rotate(now), ring.destroyBelow(3)])
    const made = createDataKey(ring, scope)
    const again = await KekRing.open(file, master, now)
    expect(again.versions()).toEqual(ring.versions())
    expect(openDataKey(again, scope, made).reveal()).toEqual(made.key.reveal())
  })
})
