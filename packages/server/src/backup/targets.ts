import { type ArchiveName, parseArchiveName } from './archive-name.ts'
import { BackupError } from './backup-error.ts'

export type StoredArchive = ArchiveName & { readonly bytes: number }

/** Where archives lie. Every method throws BackupError `target_*`. */
export type BackupTarget = {
  /** For people: a folder's path, or an endpoint with its bucket; never a secret. */
  readonly place: string
  /**
   * Stores an archive whole or not at all, in memory that does not grow with it. What the archive itself throws passes.
   * @param name of `archiveName`. @returns the number of bytes stored
   */
  put(name: string, archive: AsyncIterable<Uint8Array>): Promise<number>
  /** @throws BackupError `archive_not_found` */
  open(name: string): Promise<AsyncIterable<Uint8Array>>
  /** The archives, the newest first. */
  list(): Promise<readonly StoredArchive[]>
  /** Removing what is gone already is no error. */
  remove(name: string): Promise<void>
}

/** A name of another shape could leave the folder, or be somebody else's file. @throws BackupError `target_invalid` */
export function requireArchiveName(name: string): void {
  if (parseArchiveName(name) === null)
    throw new BackupError('target_invalid', `"${name}" is not the name of an archive: redoubt backup list shows them.`)
}

export const newestFirst = (a: ArchiveName, b: ArchiveName): number =>
  b.createdAt.getTime() - a.createdAt.getTime() || (a.name < b.name ? 1 : -1)
