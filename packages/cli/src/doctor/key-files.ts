import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Check, check } from './check.ts'

/** Files that hold keys are their owner's alone. */
export function checkKeyFiles(home: string): Check[] {
  return [
    judgeModes('keys.files', 'key files', filesIn(join(home, 'keys')), 'rotate what they protect'),
    judgeModes(
      'services.files',
      'identity files',
      foldersIn(join(home, 'services')).flatMap((folder) => filesIn(folder)),
      'redoubt keys rotate services',
    ),
  ]
}

type File = { readonly path: string; readonly mode: number; readonly uid: number }

/** @param afterwards what to do about keys that others may have read */
export function judgeModes(
  id: string,
  title: string,
  files: readonly File[],
  afterwards: string,
  own: number | undefined = process.getuid?.(),
): Check {
  const { ok, fail } = check(id, title)
  const open = files.filter(({ mode }) => (mode & 0o077) !== 0)
  const foreign = files.filter(({ uid }) => own !== undefined && uid !== own)
  if (open.length > 0)
    return fail(
      `others can read ${open.map(({ path }) => path).join(', ')}`,
      `chmod 600 ${open.map(({ path }) => path).join(' ')}, then ${afterwards}`,
    )
  if (foreign.length > 0)
    return fail(
      `${foreign.map(({ path }) => path).join(', ')} belong to another user`,
      `chown ${own} ${foreign.map(({ path }) => path).join(' ')}`,
    )
  return ok(files.length === 0 ? 'none here' : `${files.length}, readable by their owner alone`)
}

const entriesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [])
const foldersIn = (folder: string): string[] =>
  entriesIn(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
const filesIn = (folder: string): File[] =>
  entriesIn(folder)
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map(({ name }) => join(folder, name))
    .map((path) => ({ path, mode: statSync(path).mode & 0o777, uid: statSync(path).uid }))
