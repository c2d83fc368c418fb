import { createHash, type Hash } from 'node:crypto'
import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'
import { type ArchiveKey, type BackupKeys, openChunks, sealChunks } from './archive-chunks.ts'
import { type Frame, frame, manifestFrame, readFrames, splitData } from './archive-frames.ts'
import {
  ARCHIVE_FORMAT,
  type ArchivedEntry,
  type ArchiveFacts,
  type ArchiveManifest,
  EntryName,
  openManifest,
  signManifest,
} from './archive-manifest.ts'
import { TrustError } from './trust-error.ts'

/*
 * A backup as one stream: named entries, then a manifest with the size and SHA-256 of each, signed; the whole framed
 * (archive-frames.ts), compressed with Zstandard (RFC 8878), and sealed (archive-chunks.ts). Writing and reading hold a
 * few hundred kilobytes, whatever the size. A reader has the manifest only at the end: whoever must not act on a damaged
 * archive reads it twice, first to verify and then to act, comparing the two manifests.
 */

const ZSTD_WINDOW_LOG = 21

export type ArchiveLimits = {
  /** Of what is inside, once decompressed. */
  readonly maxBytes: number
  readonly maxEntries: number
}
/** Sixteen tebibytes and ten thousand entries: far beyond a real archive, and an end for a compressed nothing. */
export const defaultArchiveLimits: ArchiveLimits = { maxBytes: 16 * 2 ** 40, maxEntries: 10_000 }

export type ArchiveEntry = {
  readonly name: string
  readonly data: AsyncIterable<Uint8Array>
  /** Asked once the data has been read; null for what has no rows. */
  rows(): number | null
}
export type ArchiveContent = {
  /** A UUID; names the archive for ever. */
  readonly id: string
  readonly createdAt: Date
  readonly facts: ArchiveFacts
  /** Taken one after the other; each entry's data is read to its end before the next entry is asked for. */
  readonly entries: AsyncIterable<ArchiveEntry>
}

/**
 * The bytes of an archive, made only as fast as they are taken. Throws `key_invalid`, `archive_malformed` for an entry
 * with a wrong or repeated name, and what the entries throw.
 */
export function sealArchive(content: ArchiveContent, keys: BackupKeys): AsyncGenerator<Uint8Array> {
  const createdAt = content.createdAt.toISOString()
  return sealChunks(through(payload(content, createdAt, keys), compressor), { archiveId: content.id, createdAt }, keys)
}

async function* payload(content: ArchiveContent, createdAt: string, keys: BackupKeys): AsyncGenerator<Uint8Array> {
  const entries: ArchivedEntry[] = []
  for await (const { name, data, rows } of content.entries) {
    if (!EntryName.safeParse(name).success || entries.some((entry) => entry.name === name))
      throw new TrustError('archive_malformed', `"${name}" cannot be the name of another entry`)
    const tally = new Tally()
    yield frame('entry', Buffer.from(name))
    for await (const piece of splitData(data)) {
      tally.add(piece)
      yield frame('data', piece)
    }
    yield frame('end')
    entries.push({ name, rows: rows(), ...tally.result() })
  }
  const manifest = { format: ARCHIVE_FORMAT, archiveId: content.id, createdAt, ...content.facts, entries } as const
  yield manifestFrame(signManifest(manifest, keys.signer))
}

/**
 * Reads an archive to its end, handing over each entry as it comes; data that `onEntry` leaves is read past. Only when it
 * returns has the archive been verified whole: until then what was handed over may be the beginning of a damaged one.
 * Throws `archive_malformed`, `archive_key`, `archive_damaged`, `archive_manifest`, `archive_too_large`, and what the
 * source and `onEntry` throw.
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  keys: readonly ArchiveKey[],
  onEntry: (name: string, data: AsyncIterable<Uint8Array>) => Promise<void>,
  limits: ArchiveLimits = defaultArchiveLimits,
): Promise<ArchiveManifest> {
  const { header, backup, plaintext } = await openChunks(source, keys)
  const frames = readFrames(through(plaintext, decompressor), limits.maxBytes)
  const entries: Omit<ArchivedEntry, 'rows'>[] = []
  let manifest: ArchiveManifest | undefined
  try {
    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const { kind, bytes } = next.value
      if (manifest !== undefined || (kind !== 'entry' && kind !== 'manifest')) throw outOfOrder()
      if (kind === 'manifest') {
        manifest = openManifest(bytes.toString(), backup.verifier)
        continue
      }
      const name = bytes.toString()
      if (!EntryName.safeParse(name).success || entries.some((entry) => entry.name === name)) throw outOfOrder()
      if (entries.length >= limits.maxEntries)
        throw new TrustError('archive_too_large', `the archive has more than ${limits.maxEntries} entries`)
      const tally = new Tally()
      const data = entryData(frames, tally)
      await onEntry(name, data.stream())
      await data.drain()
      entries.push({ name, ...tally.result() })
    }
  } finally {
    await frames.return(undefined)
  }
  if (manifest === undefined) throw outOfOrder()
  requireManifestOf(manifest, header, entries)
  return manifest
}

function entryData(frames: AsyncGenerator<Frame>, tally: Tally) {
  let ended = false
  const pull = async (): Promise<Buffer | null> => {
    if (ended) return null
    const next = await frames.next()
    if (next.done || (next.value.kind !== 'data' && next.value.kind !== 'end')) throw outOfOrder()
    if (next.value.kind === 'end') {
      ended = true
      return null
    }
    tally.add(next.value.bytes)
    return next.value.bytes
  }
  return {
    async *stream(): AsyncGenerator<Uint8Array> {
      for (let piece = await pull(); piece !== null; piece = await pull()) yield piece
    },
    async drain(): Promise<void> {
      while ((await pull()) !== null);
    },
  }
}

function requireManifestOf(
  manifest: ArchiveManifest,
  header: { readonly archiveId: string; readonly createdAt: string },
  read: readonly Omit<ArchivedEntry, 'rows'>[],
): void {
  if (manifest.archiveId !== header.archiveId || manifest.createdAt !== header.createdAt)
    throw new TrustError('archive_manifest', "the archive carries another archive's manifest")
  for (let at = 0; at < Math.max(read.length, manifest.entries.length); at++) {
    const [found, signed] = [read[at], manifest.entries[at]]
    if (found?.name !== signed?.name || found?.bytes !== signed?.bytes || found?.sha256 !== signed?.sha256) {
      throw new TrustError(
        'archive_manifest',
        `the archive's entry ${found?.name ?? signed?.name} is not what its manifest says`,
      )
    }
  }
}

const outOfOrder = () => new TrustError('archive_damaged', "the archive's entries are not in the order of the format")

class Tally {
  readonly #hash: Hash = createHash('sha256')
  #bytes = 0

  add(piece: Uint8Array): void {
    this.#hash.update(piece)
    this.#bytes += piece.length
  }

  result(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}

const compressor = () =>
  createZstdCompress({
    chunkSize: 64 * 1024,
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_LOG },
  })
const decompressor = () =>
  createZstdDecompress({
    chunkSize: 64 * 1024,
    // Without it a frame may ask for a window of 128 MB.
    params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
  })

/** A stream through a codec. Its own failures are damage; those of the source pass as they are. */
async function* through(source: AsyncIterable<Uint8Array>, codecOf: () => Transform): AsyncGenerator<Uint8Array> {
  const codec = codecOf()
  let failed: { readonly error: unknown } | undefined
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* source
    } catch (error) {
      failed = { error }
      throw error
    }
  }
  // The callback takes the error that the iteration below throws as well.
  pipeline(Readable.from(watched(), { objectMode: true, highWaterMark: 1 }), codec, () => undefined)
  try {
    yield* codec as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (failed !== undefined) throw failed.error
    throw new TrustError('archive_damaged', 'the archive cannot be decompressed', { cause })
  }
}
