import {
  type ArchiveKey,
  type ArchiveLimits,
  type ArchiveManifest,
  defaultArchiveLimits,
  readArchive,
  TrustError,
} from '@redoubt/trust'

/** An archive that was read to its end and holds what its signed manifest says. */
export type VerifiedArchive = {
  readonly manifest: ArchiveManifest
  /** The files of the home, by their name in it. */
  readonly homeFiles: ReadonlyMap<string, Buffer>
}

const HOME = 'home/'
const MAX_HOME_BYTES = 64 * 1024 * 1024

/**
 * Reads a whole archive without restoring it. The files of the home are kept, which are small; rows are read past.
 * @param keys every backup key that is at hand, older ones as well
 * @throws TrustError `archive_*`, and what the source throws
 */
export async function verifyArchive(
  source: AsyncIterable<Uint8Array>,
  keys: readonly ArchiveKey[],
  options: { readonly limits?: ArchiveLimits; readonly onEntry?: (entry: string) => void } = {},
): Promise<VerifiedArchive> {
  const homeFiles = new Map<string, Buffer>()
  let kept = 0
  const onEntry = async (name: string, data: AsyncIterable<Uint8Array>) => {
    options.onEntry?.(name)
    if (!name.startsWith(HOME)) return
    const pieces: Uint8Array[] = []
    for await (const piece of data) {
      kept += piece.length
      if (kept > MAX_HOME_BYTES)
        throw new TrustError('archive_too_large', "the archive holds more than 64 MiB of the home's files")
      pieces.push(piece)
    }
    homeFiles.set(name.slice(HOME.length), Buffer.concat(pieces))
  }
  const manifest = await readArchive(source, keys, onEntry, options.limits ?? defaultArchiveLimits)
  return { manifest, homeFiles }
}
