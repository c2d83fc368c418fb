import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeDurably } from './durable-file.ts'
import { KeeperError } from './keeper-error.ts'

/*
 * Files that hold keys: mode 0600, ours, in a folder nobody else can write to. A file that others could read has to be
 * taken for read, so it is refused and not quietly put right.
 */

const OTHERS = 0o077
const OTHERS_WRITE = 0o022

/**
 * Reads a private file, or null when there is none.
 * @throws KeeperError `invalid` when others may read or replace it, `master_unavailable` when it cannot be read
 */
export async function readPrivateFile(path: string): Promise<Buffer | null> {
  await requirePrivateFolder(dirname(path))
  let handle: FileHandle
  try {
    // A link could lead to a file of somebody else that fulfils every other condition.
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    if (code === 'ELOOP')
      throw new KeeperError('invalid', `${path} is a link: put the file itself there, with mode 0600.`, { cause })
    throw new KeeperError('master_unavailable', `${path} cannot be read (${code}): mend its owner and mode.`, { cause })
  }
  try {
    // Of the opened file, not of the path: in between the path could come to mean another file.
    const { mode, uid } = await handle.stat()
    requireOwn(path, uid)
    if ((mode & OTHERS) !== 0)
      throw new KeeperError(
        'invalid',
        `${path} has mode ${octal(mode)}, so others may have read its key: rotate what it protects, then chmod 600 ${path}.`,
      )
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces a private file whole, and makes its folder when there is none.
 * @throws KeeperError `invalid`, `master_unavailable`
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await requirePrivateFolder(dirname(path))
  await writeDurably(path, text).catch((cause: NodeJS.ErrnoException) => {
    throw new KeeperError(
      'master_unavailable',
      `${path} cannot be written (${cause.code}): mend the folder's owner and mode.`,
      { cause },
    )
  })
}

/**
 * Writes a private file that a person asked for at a place of theirs; never over another one.
 * @throws KeeperError `invalid`
 */
export async function writeNewPrivateFile(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'EEXIST' ? 'is there already: choose another name' : `cannot be written (${code})`
    throw new KeeperError('invalid', `${path} ${why}.`, { cause })
  }
}

async function requirePrivateFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null)
  if (!found) return
  requireOwn(folder, found.uid)
  if ((found.mode & OTHERS_WRITE) !== 0)
    throw new KeeperError(
      'invalid',
      `${folder} has mode ${octal(found.mode)}, so others may exchange the keys in it: chmod 700 ${folder}.`,
    )
}

function requireOwn(path: string, uid: number): void {
  const own = process.getuid?.()
  if (own !== undefined && uid !== own)
    throw new KeeperError(
      'invalid',
      `${path} belongs to user ${uid}, this process runs as ${own}: chown ${own} ${path}.`,
    )
}

const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, '0')
