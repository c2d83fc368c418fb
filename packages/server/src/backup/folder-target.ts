import { constants, createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArchiveName } from './archive-name.ts'
import { BackupError } from './backup-error.ts'
import { type BackupTarget, newestFirst, requireArchiveName, type StoredArchive } from './targets.ts'

/** A folder, best on another disk or machine. Archives appear in it only once they are whole and synced, mode 0600. */
export function folderTarget(folder: string): BackupTarget {
  return {
    place: folder,

    async put(name, archive) {
      requireArchiveName(name)
      await reach(() => mkdir(folder, { recursive: true, mode: 0o700 }), folder)
      const part = join(folder, `${name}.part`)
      let file: FileHandle | undefined
      let bytes = 0
      try {
        file = await reach(() => open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600), folder)
        for await (const piece of archive) {
          await writeWhole(file, piece, folder)
          bytes += piece.length
        }
        const written = file
        await reach(() => written.sync(), folder)
        await file.close()
        file = undefined
        await reach(() => rename(part, join(folder, name)), folder)
        await reach(() => syncFolder(folder), folder)
        return bytes
      } catch (error) {
        await file?.close().catch(() => undefined)
        await rm(part, { force: true }).catch(() => undefined)
        throw error
      }
    },

    async open(name) {
      requireArchiveName(name)
      const path = join(folder, name)
      await stat(path).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') throw new BackupError('archive_not_found', `There is no ${name} in ${folder}.`)
        throw unreachable(folder, cause)
      })
      return createReadStream(path, { highWaterMark: 256 * 1024 })
    },

    async list() {
      const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return []
        throw unreachable(folder, cause)
      })
      const found = await Promise.all(
        names.map(async (name): Promise<StoredArchive | null> => {
          const named = parseArchiveName(name)
          // One that was removed since the listing is not there any more.
          const about = named && (await stat(join(folder, name)).catch(() => null))
          return named && about?.isFile() ? { ...named, bytes: about.size } : null
        }),
      )
      return found.filter((archive) => archive !== null).sort(newestFirst)
    },

    async remove(name) {
      requireArchiveName(name)
      await reach(() => rm(join(folder, name), { force: true }), folder)
    },
  }
}

/** A short write is no error of the system's call, and half a piece would be. */
async function writeWhole(file: FileHandle, piece: Uint8Array, folder: string): Promise<void> {
  for (let at = 0; at < piece.length; ) {
    const { bytesWritten } = await reach(() => file.write(piece, at), folder)
    at += bytesWritten
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

async function reach<T>(use: () => Promise<T>, folder: string): Promise<T> {
  try {
    return await use()
  } catch (cause) {
    throw unreachable(folder, cause as NodeJS.ErrnoException)
  }
}

function unreachable(folder: string, cause: NodeJS.ErrnoException): BackupError {
  const mend =
    cause.code === 'ENOSPC' || cause.code === 'EDQUOT'
      ? 'its disk is full: free some space, or keep fewer archives'
      : cause.code === 'EACCES' || cause.code === 'EPERM' || cause.code === 'EROFS'
        ? 'it is not writable: mend its permissions, or choose another folder'
        : cause.code === 'EEXIST' || cause.code === 'ENOTDIR'
          ? 'a file is in its place: choose another folder'
          : `${cause.code ?? cause.message}: check that its disk is mounted`
  return new BackupError('target_unavailable', `The backup folder ${folder} cannot be used: ${mend}.`, { cause })
}
