import type { ArchiveManifest } from '@redoubt/trust'
import { archiveName } from './archive-name.ts'
import { type DumpOptions, dumpArchive } from './dump.ts'
import { expiredArchives, type RetentionRule } from './retention.ts'
import type { BackupTarget } from './targets.ts'
import { verifyArchive } from './verify.ts'

export type BackupTaken = {
  readonly name: string
  readonly bytes: number
  readonly manifest: ArchiveManifest
  /** Names of older archives that were removed. */
  readonly removed: readonly string[]
}

/**
 * Makes an archive, stores it, reads it back from where it was stored, and only then removes what the rule lets go.
 * @throws BackupError, TrustError `archive_*` when what was read back is not what was written
 */
export async function takeBackup(
  target: BackupTarget,
  options: DumpOptions & { readonly retention?: RetentionRule },
): Promise<BackupTaken> {
  const name = archiveName(options.createdAt, options.archiveId)
  const bytes = await target.put(name, dumpArchive(options))
  const { manifest } = await verifyArchive(await target.open(name), [options.keys])
  const removed: string[] = []
  if (options.retention !== undefined) {
    for (const expired of expiredArchives(await target.list(), options.retention, name, options.createdAt)) {
      await target.remove(expired.name)
      removed.push(expired.name)
    }
  }
  return { name, bytes, manifest, removed }
}
