import { ByteReader } from './byte-reader.ts'
import { TrustError } from './trust-error.ts'

/*
 * The inner layer of an archive, before compression: frames of a kind (1 byte), a length (4 bytes) and that many bytes.
 *
 *   (entry: its name · data … · end)* · manifest
 */

const kinds = { entry: 1, data: 2, end: 3, manifest: 4 } as const
type FrameKind = keyof typeof kinds
export type Frame = { readonly kind: FrameKind; readonly bytes: Buffer }

const LEAD_BYTES = 5
const MAX_BYTES: Readonly<Record<FrameKind, number>> = {
  entry: 200,
  data: 64 * 1024,
  end: 0,
  manifest: 16 * 1024 * 1024,
}

export function frame(kind: FrameKind, bytes: Uint8Array = Buffer.alloc(0)): Buffer {
  const lead = Buffer.alloc(LEAD_BYTES)
  lead.writeUInt8(kinds[kind])
  lead.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([lead, bytes])
}

/** Throws `archive_too_large` past 16 MiB: an archive that could not be read again is not written. */
export function manifestFrame(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length > MAX_BYTES.manifest)
    throw new TrustError('archive_too_large', 'the manifest of the archive would have more than 16 MiB')
  return frame('manifest', bytes)
}

/** Pieces of at most one data frame's size. */
export async function* splitData(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of data)
    for (let at = 0; at < piece.length; at += MAX_BYTES.data) yield piece.subarray(at, at + MAX_BYTES.data)
}

/** Throws `archive_damaged` for anything that is no frame, `archive_too_large` past `maxBytes` in all. */
export async function* readFrames(payload: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Frame> {
  const reader = new ByteReader(payload)
  let total = 0
  try {
    for (;;) {
      await reader.fill(LEAD_BYTES)
      if (reader.length === 0) return
      const lead = reader.take(LEAD_BYTES)
      const kind = lead.length === LEAD_BYTES ? kindOf(lead.readUInt8()) : undefined
      const length = kind === undefined ? 0 : lead.readUInt32BE(1)
      if (kind === undefined || length > MAX_BYTES[kind])
        throw new TrustError('archive_damaged', 'the archive holds something that is no part of the format')
      total += LEAD_BYTES + length
      if (total > maxBytes)
        throw new TrustError('archive_too_large', `the archive holds more than ${maxBytes} bytes once decompressed`)
      await reader.fill(length)
      const bytes = reader.take(length)
      if (bytes.length < length) throw new TrustError('archive_damaged', 'the archive ends within an entry')
      yield { kind, bytes }
    }
  } finally {
    await reader.close()
  }
}

const kindOf = (byte: number): FrameKind | undefined =>
  (Object.keys(kinds) as FrameKind[]).find((kind) => kinds[kind] === byte)
