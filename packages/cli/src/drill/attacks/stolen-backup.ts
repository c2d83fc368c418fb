import { randomBytes } from 'node:crypto'
import {
  type ArchiveKey,
  type BackupKeys,
  generateSigningKey,
  readArchive,
  Secret,
  sealArchive,
  TrustError,
} from '@redoubt/trust'
import { type AnyAttack, attack, Stopped } from '../attack.ts'
import type { Backups } from '../stolen-home.ts'

/* Somebody has archives of the installation, or writes where they lie (OPS-3). */

const actor = 'stolen or forged backup'
const needs = ['stolenHome', 'sealed', 'people'] as const

/** Restoring what was made of the installation's archives. Nothing may be written, wherever the damage is. */
const restoring = (
  id: string,
  title: string,
  code: string,
  forge: (backups: Backups) => Buffer | Promise<Buffer>,
  key: (backups: Backups) => ArchiveKey = (backups) => backups.key,
): AnyAttack =>
  attack({
    id: `backup.${id}`,
    actor,
    requirement: 'OPS-3',
    title,
    needs,
    control: ({ stolenHome }) => stolenHome.restores(),
    async attack({ stolenHome }) {
      const backups = await stolenHome.backups()
      const { refusal, left } = await stolenHome.restore(await forge(backups), key(backups))
      if (refusal === null) return 'it was restored'
      if (left.length > 0) return `refused, and yet there is ${left.slice(0, 3).join(', ')}`
      if (!(refusal instanceof TrustError) || refusal.code !== code) throw refusal
      throw new Stopped(`${refusal.code}: ${refusal.message}; nothing was written`)
    },
  })

const sealedChunk = 64 * 1024 + 16
/** Where the sealed chunks begin: after the first line, the length of the header, and the header. */
function chunksOf(archive: Buffer): { readonly head: Buffer; readonly chunks: readonly Buffer[] } {
  const line = archive.indexOf('\n') + 1
  const start = line + 4 + archive.readUInt32BE(line)
  const chunks: Buffer[] = []
  for (let at = start; at < archive.length; at += sealedChunk) chunks.push(archive.subarray(at, at + sealedChunk))
  if (chunks.length < 3) throw new Error(`the archive has ${chunks.length} chunks: too few to exchange any`)
  return { head: archive.subarray(0, start), chunks }
}
const joined = ({ head, chunks }: ReturnType<typeof chunksOf>): Buffer => Buffer.concat([head, ...chunks])

/** The same content, sealed again by somebody who has the recovery file and not the key that signs manifests. */
async function resigned({ one, key }: Backups): Promise<Buffer> {
  const held: { name: string; bytes: Buffer }[] = []
  const {
    entries,
    archiveId,
    createdAt,
    format: _,
    ...facts
  } = await readArchive(streamOf(one), [key], async (name, data) => {
    const pieces: Uint8Array[] = []
    for await (const piece of data) pieces.push(piece)
    held.push({ name, bytes: Buffer.concat(pieces) })
  })
  async function* again() {
    for (const { name, bytes } of held)
      yield { name, data: streamOf(bytes), rows: () => entries.find((entry) => entry.name === name)?.rows ?? null }
  }
  const signer = generateSigningKey('Ed25519')
  const keys: BackupKeys = { ...key, signer, verifier: signer }
  const content = { id: archiveId, createdAt: new Date(createdAt), facts, entries: again() }
  const pieces: Uint8Array[] = []
  for await (const piece of sealArchive(content, keys)) pieces.push(piece)
  return Buffer.concat(pieces)
}
async function* streamOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}

function flipped(archive: Buffer, at: number): Buffer {
  const copy = Buffer.from(archive)
  copy.writeUInt8((copy[at] ?? 0) ^ 1, at)
  return copy
}

export const stolenBackupAttacks: readonly AnyAttack[] = [
  attack({
    id: 'backup.read',
    actor,
    requirement: 'OPS-3',
    title: 'read anything in a stolen archive',
    needs,
    control: ({ stolenHome }) => stolenHome.restores(),
    async attack({ stolenHome, a, people }) {
      const { one } = await stolenHome.backups()
      const wanted = [a.secret, a.slug, people.user.email, 'redoubt.secrets/v1', ...(await stolenHome.secrets())]
      const found = wanted.filter((text) => one.includes(text))
      if (found.length > 0) return `${found.length} of what was looked for`
      throw new Stopped(`none of ${wanted.length} texts in ${one.length} bytes`)
    },
  }),
  restoring(
    'other-key',
    'open it with a key of one’s own under the right name',
    'archive_key',
    ({ one }) => one,
    ({ key }) => ({
      ...key,
      key: new Secret(randomBytes(32)),
    }),
  ),
  restoring('cut', 'cut the end off', 'archive_damaged', ({ one }) => one.subarray(0, -1)),
  restoring('cut-chunk', 'cut the last chunk off', 'archive_damaged', ({ one }) => {
    const { head, chunks } = chunksOf(one)
    return joined({ head, chunks: chunks.slice(0, -1) })
  }),
  restoring('swapped', 'exchange two chunks', 'archive_damaged', ({ one }) => {
    const { head, chunks } = chunksOf(one)
    const [first, second, ...rest] = chunks as [Buffer, Buffer, ...Buffer[]]
    return joined({ head, chunks: [second, first, ...rest] })
  }),
  restoring('other-chunk', 'put a chunk of another archive in', 'archive_damaged', ({ one, other }) => {
    const { head, chunks } = chunksOf(one)
    return joined({ head, chunks: [chunksOf(other).chunks[0] as Buffer, ...chunks.slice(1)] })
  }),
  restoring('flipped', 'flip one bit in the middle', 'archive_damaged', ({ one }) => flipped(one, one.length >> 1)),
  restoring('header', 'make an old archive look like one of today', 'archive_key', ({ one }) => {
    const at = one.indexOf('"createdAt":"') + '"createdAt":"'.length + 3
    return flipped(one, at)
  }),
  restoring('appended', 'append another archive', 'archive_damaged', ({ one, other }) =>
    Buffer.concat([one, chunksOf(other).chunks[0] as Buffer]),
  ),
  restoring(
    're-signed',
    'seal it again with the recovery file, and a signature of one’s own',
    'archive_manifest',
    resigned,
  ),
  attack({
    id: 'backup.used-home',
    actor,
    requirement: 'OPS-3',
    title: 'restore an old archive over a running installation',
    needs,
    control: ({ stolenHome }) => stolenHome.restores(),
    async attack({ stolenHome }) {
      const { one, key } = await stolenHome.backups()
      const before = await stolenHome.secrets()
      const { refusal } = await stolenHome.restore(one, key, stolenHome.path)
      if (refusal === null || (await stolenHome.secrets()).join() !== before.join())
        return 'the keys of the installation are others now'
      if (!/ is there: restore with REDOUBT_HOME set to a new folder/.test(refusal.message)) throw refusal
      throw new Stopped(refusal.message)
    },
  }),
]
