import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { ARCHIVE_FORMAT } from './archive-manifest.ts'
import { ByteReader } from './byte-reader.ts'
import { decodeBase64, encodeBase64, utf8 } from './bytes.ts'
import { canonicalJson } from './canonical-json.ts'
import { openSealed, seal } from './sealing.ts'
import type { Secret } from './secret.ts'
import type { SigningKey, VerifyingKey } from './signing-key.ts'
import { TrustError } from './trust-error.ts'

/*
 * The outer layer of an archive:
 *
 *   "redoubt-backup/v1\n" ‖ length of the header (4 bytes) ‖ header (JSON) ‖ sealed chunks of 64 KiB + 16
 *
 * Each archive has a key of its own, wrapped in the header by the backup key. The chunks are the STREAM construction
 * (Hoang, Reyhanitabar, Rogaway, Vizár 2015; age uses the same): AES-256-GCM with the chunk's number and whether it is
 * the last one as nonce, so that a chunk that was cut off, swapped, repeated or added does not open. The associated data
 * is the hash of everything before the chunks, so that no chunk of another archive opens either.
 */

const MAGIC = utf8(`${ARCHIVE_FORMAT}\n`)
const MAX_HEADER_BYTES = 4096
const CHUNK_BYTES = 64 * 1024
const TAG_BYTES = 16
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES

const KeyName = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9._-]+$/)
const Header = z.strictObject({
  archiveId: z.uuid(),
  createdAt: z.iso.datetime(),
  keyId: KeyName,
  wrappedKey: z.string().max(200),
})
export type ArchiveHeader = z.output<typeof Header>

/** What opens archives: a backup key of 32 bytes, its name, and the key that their manifests are verified with. */
export type ArchiveKey = { readonly id: string; readonly key: Secret<Buffer>; readonly verifier: VerifyingKey }
/** What makes archives. */
export type BackupKeys = ArchiveKey & { readonly signer: SigningKey }

const wrapPlace = ({ archiveId, createdAt, keyId }: Omit<ArchiveHeader, 'wrappedKey'>) =>
  `${ARCHIVE_FORMAT}|${archiveId}|${createdAt}|${keyId}`

/** Seals a stream of bytes under a fresh archive key. Throws `key_invalid`. */
export async function* sealChunks(
  plaintext: AsyncIterable<Uint8Array>,
  about: { readonly archiveId: string; readonly createdAt: string },
  backup: Pick<ArchiveKey, 'id' | 'key'>,
): AsyncGenerator<Uint8Array> {
  const named = { archiveId: about.archiveId, createdAt: about.createdAt, keyId: backup.id }
  const key = randomBytes(32)
  const reader = new ByteReader(plaintext)
  try {
    const wrappedKey = encodeBase64(seal(backup.key.reveal(), key, wrapPlace(named)))
    const header = utf8(canonicalJson(Header.parse({ ...named, wrappedKey })))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(header.length)
    yield Buffer.concat([MAGIC, length, header])
    const place = createHash('sha256').update(MAGIC).update(length).update(header).digest()
    for (let number = 0n, last = false; !last; number++) {
      // One byte more than a chunk tells whether another one follows: the last chunk says that it is the last.
      await reader.fill(CHUNK_BYTES + 1)
      last = reader.length <= CHUNK_BYTES
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, last), { authTagLength: TAG_BYTES })
      cipher.setAAD(place)
      yield Buffer.concat([cipher.update(reader.take(CHUNK_BYTES)), cipher.final(), cipher.getAuthTag()])
    }
  } finally {
    key.fill(0)
    await reader.close()
  }
}

/** An archive whose header has been read and whose key is at hand; the chunks open as they are asked for. */
export type OpenedChunks = {
  readonly header: ArchiveHeader
  readonly backup: ArchiveKey
  readonly plaintext: AsyncIterable<Uint8Array>
}

/**
 * Reads the header and unwraps the archive's key. Throws `archive_malformed` for what is no archive, `archive_key` when
 * none of the backup keys made it; the plaintext throws `archive_damaged`.
 */
export async function openChunks(
  source: AsyncIterable<Uint8Array>,
  keys: readonly ArchiveKey[],
): Promise<OpenedChunks> {
  const reader = new ByteReader(source)
  try {
    const { header, place } = await readHeader(reader)
    const backup = keys.find(({ id }) => id === header.keyId)
    if (backup === undefined) {
      throw new TrustError(
        'archive_key',
        `the archive was sealed under the backup key "${header.keyId}", and there is ${keys.map(({ id }) => `"${id}"`).join(', ') || 'none'}: use the recovery file of that key`,
      )
    }
    return { header, backup, plaintext: openEach(reader, unwrap(header, backup), place) }
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function readHeader(reader: ByteReader): Promise<{ header: ArchiveHeader; place: Buffer }> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new TrustError('archive_malformed', why, { cause })
  }
  const lead = MAGIC.length + 4
  await reader.fill(lead)
  const start = reader.take(lead)
  if (start.length < lead || !start.subarray(0, MAGIC.length).equals(MAGIC))
    return refuse(`this is no archive: it does not begin with "${ARCHIVE_FORMAT}"`)
  const length = start.readUInt32BE(MAGIC.length)
  if (length > MAX_HEADER_BYTES) return refuse(`the archive's header is damaged: it cannot have ${length} bytes`)
  await reader.fill(length)
  const bytes = reader.take(length)
  if (bytes.length < length) return refuse('the archive ends within its header')
  try {
    const header = Header.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return { header, place: createHash('sha256').update(start).update(bytes).digest() }
  } catch (cause) {
    return refuse("the archive's header is damaged", cause)
  }
}

function unwrap(header: ArchiveHeader, backup: ArchiveKey): Uint8Array {
  try {
    return openSealed(backup.key.reveal(), decodeBase64(header.wrappedKey), wrapPlace(header))
  } catch (cause) {
    throw new TrustError(
      'archive_key',
      `the backup key "${backup.id}" does not open this archive: its header was altered, or another installation made it`,
      { cause },
    )
  }
}

async function* openEach(reader: ByteReader, key: Uint8Array, place: Uint8Array): AsyncGenerator<Uint8Array> {
  try {
    for (let number = 0n, last = false; !last; number++) {
      await reader.fill(SEALED_BYTES + 1)
      last = reader.length <= SEALED_BYTES
      const chunk = openChunk(reader.take(SEALED_BYTES), key, nonceOf(number, last), place)
      if (chunk === null) {
        const where = last ? `at its end (chunk ${number})` : `in chunk ${number}`
        throw new TrustError(
          'archive_damaged',
          `the archive is damaged ${where}: it was altered, cut, reordered, or mixed with another one`,
        )
      }
      yield chunk
    }
  } finally {
    key.fill(0)
    await reader.close()
  }
}

function openChunk(sealed: Buffer, key: Uint8Array, nonce: Uint8Array, place: Uint8Array): Buffer | null {
  if (sealed.length < TAG_BYTES) return null
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(place)
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES))
  try {
    decipher.final()
  } catch {
    return null
  }
  return plaintext
}

/** 11 bytes of number and one that is 1 for the last chunk alone. The key is fresh, so no nonce ever returns. */
function nonceOf(number: bigint, last: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(number, 3)
  nonce[11] = last ? 1 : 0
  return nonce
}
