import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Secret, type ShareSet, TrustError, unwrapKey, wrapKey } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'
import type { MasterKey } from './master-key.ts'
import {
  fingerprintOf,
  openByPassphrase,
  openByShares,
  ownBuffer,
  type Protection,
  ProtectionRecord,
  protect,
  shareSetOf,
} from './master-protection.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

/*
 * The master key as a file of the home, `keys/master.json`: the embedded default. Protected by a passphrase or by shares
 * it starts sealed (SEC-4). Changing the protection keeps the key, so that nothing has to be wrapped anew.
 */

const File = z.strictObject({
  format: z.literal('redoubt.master/v1'),
  /** {@link fingerprintOf} the key: a key that was restored wrongly is found before it wraps anything. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  protection: ProtectionRecord,
})
type File = z.output<typeof File>

/** What is known of the master file before it is opened. */
export type MasterFileDescriptor = {
  readonly id: string
  readonly protection: 'plain' | 'passphrase' | 'shares'
  /** Which shares open it; null when none do. */
  readonly shares: ShareSet | null
}

const pathIn = (home: string) => join(home, 'keys', 'master.json')

/**
 * Makes the master key of a new installation.
 * @returns the opened key, and its shares when asked for: they are written nowhere, so show them once
 * @throws KeeperError `invalid` when there is one already: a second would lock the data of this home away
 */
export async function createMasterFile(
  home: string,
  protection: Protection,
): Promise<{ readonly master: FileMasterKey; readonly shares: readonly Secret<string>[] }> {
  if ((await readPrivateFile(pathIn(home))) !== null)
    throw new KeeperError(
      'invalid',
      `${pathIn(home)} is there already: a new key would lock the data of this home away.`,
    )
  const key = randomBytes(32)
  const { record, shares } = await protect(key, protection)
  await write(home, { format: 'redoubt.master/v1', id: fingerprintOf(key), protection: record })
  return { master: new FileMasterKey(key), shares }
}

/**
 * What the home's master file is, or null when there is none.
 * @throws KeeperError `master_unavailable` when it is damaged or cannot be read, `invalid` when others may read it
 */
export async function readMasterFile(home: string): Promise<MasterFileDescriptor | null> {
  const file = await read(home)
  if (file === null) return null
  const { id, protection } = file
  return { id, protection: protection.kind, shares: protection.kind === 'shares' ? shareSetOf(protection) : null }
}

/** @throws KeeperError `sealed` when it needs a passphrase or shares, `master_unavailable` */
export async function openPlain(home: string): Promise<FileMasterKey> {
  const { id, protection } = await readExisting(home)
  if (protection.kind !== 'plain')
    throw new KeeperError('sealed', `The master key is sealed by ${protection.kind}: run "redoubt unseal".`)
  return checked(home, id, Buffer.from(protection.key, 'base64'))
}

/** @throws KeeperError `master_refuses` when the passphrase is wrong, `invalid` when it needs none, `master_unavailable` */
export async function openWithPassphrase(home: string, passphrase: Secret<string>): Promise<FileMasterKey> {
  const { id, protection } = await readExisting(home)
  if (protection.kind !== 'passphrase') throw notSealedBy('a passphrase', protection.kind)
  return checked(home, id, await openByPassphrase(protection, passphrase))
}

/** @throws KeeperError `master_refuses` that says which share is wrong and how, `invalid`, `master_unavailable` */
export async function openWithShares(home: string, shares: readonly Secret<string>[]): Promise<FileMasterKey> {
  const { id, protection } = await readExisting(home)
  if (protection.kind !== 'shares') throw notSealedBy('shares', protection.kind)
  return checked(home, id, await openByShares(protection, shares))
}

/** Another protection of the same key, not yet in force. */
export type PreparedProtection = {
  /** The new shares when asked for. */
  readonly shares: readonly Secret<string>[]
  /** Replaces the earlier one. Earlier shares open nothing any more, but copies of the earlier file still do. */
  commit(): Promise<void>
}

/**
 * Makes another protection of the same key; the earlier one holds until it is committed, so that shares can be written down
 * before anything depends on them.
 * @throws KeeperError `invalid` when `opened` is not the key of this home
 */
export async function prepareProtection(
  home: string,
  opened: FileMasterKey,
  protection: Protection,
): Promise<PreparedProtection> {
  const { id } = await readExisting(home)
  if (opened.id !== id)
    throw new KeeperError(
      'invalid',
      `The opened key is ${opened.id}, ${pathIn(home)} is of ${id}: nothing was changed.`,
    )
  const { record, shares } = await protect(keyOf(opened), protection)
  return { shares, commit: () => write(home, { format: 'redoubt.master/v1', id, protection: record }) }
}

/**
 * Protects the same key in another way, at once.
 * @returns the new shares when asked for
 * @throws KeeperError `invalid` when `opened` is not the key of this home
 */
export async function changeProtection(
  home: string,
  opened: FileMasterKey,
  protection: Protection,
): Promise<readonly Secret<string>[]> {
  const { shares, commit } = await prepareProtection(home, opened, protection)
  await commit()
  return shares
}

let keyOf: (master: FileMasterKey) => Buffer

/** The opened master key: 32 bytes in this process, zeroed on close. */
export class FileMasterKey implements MasterKey {
  readonly provider = 'file'
  readonly id: string
  readonly #key: Buffer
  #closed = false

  static {
    // Only this file may take the key out, to protect it in another way.
    keyOf = (master) => master.#open()
  }

  /** @param key 32 bytes that are this object's from now on. */
  constructor(key: Buffer) {
    this.id = fingerprintOf(key)
    this.#key = key
  }

  async wrap(kek: Secret<Buffer>): Promise<Buffer> {
    if (kek.reveal().length !== 32) throw new KeeperError('invalid', 'A key-encryption key has 32 bytes.')
    return ownBuffer(wrapKey(this.#open(), kek.reveal()))
  }

  async unwrap(wrapped: Uint8Array): Promise<Secret<Buffer>> {
    const master = this.#open()
    // The length first: of another one it could be something else that was once wrapped.
    if (wrapped.length !== 40) throw refused()
    try {
      return new Secret(ownBuffer(unwrapKey(master, wrapped)))
    } catch (cause) {
      if (!(cause instanceof TrustError)) throw cause
      throw refused(cause)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#key.fill(0)
  }

  // A zeroed key would wrap without complaint.
  #open(): Buffer {
    if (this.#closed) throw new KeeperError('master_unavailable', 'The master key was closed.')
    return this.#key
  }
}

const refused = (cause?: unknown) =>
  new KeeperError('master_refuses', 'The wrapped key was altered, or another master key wrapped it.', { cause })

const notSealedBy = (means: string, kind: string) =>
  new KeeperError('invalid', `The master key is not sealed by ${means}; its protection is ${kind}.`)

function checked(home: string, id: string, key: Buffer): FileMasterKey {
  const master = new FileMasterKey(key)
  if (master.id === id) return master
  key.fill(0)
  throw damaged(home)
}

const damaged = (home: string, cause?: unknown) =>
  new KeeperError('master_unavailable', `${pathIn(home)} is damaged: restore it from your copy of the keys folder.`, {
    cause,
  })

async function readExisting(home: string): Promise<File> {
  const file = await read(home)
  if (file === null)
    throw new KeeperError(
      'master_unavailable',
      `There is no ${pathIn(home)}: restore it from your copy of the keys folder, or set REDOUBT_MASTER_KEY to what it was when the keys were made.`,
    )
  return file
}

async function read(home: string): Promise<File | null> {
  const content = await readPrivateFile(pathIn(home))
  if (content === null) return null
  try {
    return File.parse(JSON.parse(content.toString('utf8')))
  } catch {
    // Without the cause: a JSON error quotes what it read, and that may be the key.
    throw damaged(home)
  } finally {
    content.fill(0)
  }
}

const write = (home: string, file: File) => writePrivateFile(pathIn(home), `${JSON.stringify(file, null, 2)}\n`)
