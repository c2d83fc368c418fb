import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BackupError } from './backup-error.ts'
import type { HomeFile } from './dump.ts'

/**
 * Reads files that change one after the other as they all were at one moment: until two readings are the same.
 * @param read one file, whole
 */
export async function readTogether(
  files: readonly HomeFile[],
  read: (path: string) => Promise<Buffer> = (path) => readFile(path),
): Promise<readonly { readonly name: string; readonly bytes: Buffer }[]> {
  const once = () => Promise.all(files.map(async ({ name, path }) => ({ name, bytes: await read(path) })))
  for (let before = await once(), reading = 1; ; reading += 1) {
    const now = await once()
    if (now.every(({ bytes }, at) => bytes.equals(before[at]?.bytes as Buffer))) return now
    if (reading === MOST_READINGS)
      throw new BackupError('incomplete', 'The keys of the home change all the time: wait for their rotation to end.')
    before = now
  }
}

const MOST_READINGS = 100

/** The files of a home, written beside their places and not yet there. */
export type StagedHome = {
  /** Moves each into its place and syncs the folders. @throws BackupError `target_unavailable` with what to do by hand */
  commit(): Promise<void>
  /** Removes what was staged. */
  discard(): Promise<void>
}

const beside = (path: string) => `${path}.restoring`

/**
 * Writes each file beside its place, mode 0600, synced: after the database has committed, only renames are left to do.
 * @throws BackupError `not_empty` when another file has the place of one of them
 */
export async function stageHome(home: string, files: ReadonlyMap<string, Uint8Array>): Promise<StagedHome> {
  const paths = [...files.keys()].map((name) => join(home, name))
  for (const [name, bytes] of files) await requireFree(join(home, name), bytes)
  const staged: StagedHome = {
    async commit() {
      try {
        for (const path of paths) await rename(beside(path), path)
        for (const folder of new Set(paths.map((path) => dirname(path)))) await syncFolder(folder)
      } catch (cause) {
        throw new BackupError(
          'target_unavailable',
          `The database is restored, and ${home} cannot be written (${(cause as NodeJS.ErrnoException).code}): mend it, then take ".restoring" off the end of its files' names.`,
          { cause },
        )
      }
    },
    async discard() {
      for (const path of paths) await rm(beside(path), { force: true })
    },
  }
  try {
    for (const [name, bytes] of files) await writeSynced(beside(join(home, name)), bytes)
  } catch (error) {
    await staged.discard()
    throw error
  }
  return staged
}

async function requireFree(path: string, bytes: Uint8Array): Promise<void> {
  const there = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw error
  })
  if (there === null || there.equals(bytes)) return
  throw new BackupError(
    'not_empty',
    `${path} is there already and belongs to another installation: restore with REDOUBT_HOME set to a new folder.`,
  )
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
