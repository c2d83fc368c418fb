import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { BackupProgress } from '@redoubt/server'
import { type ArchiveKey, parseRecoveryKey, Secret, TrustError } from '@redoubt/trust'
import { Argument, type Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { withKeeper } from './keeper-line.ts'
import { withProgress } from './progress.ts'
import { readPassword } from './prompt.ts'
import { card, moment, sentences, table } from './table.ts'

export const archiveArgument = () =>
  new Argument('<archive>', 'a file, s3://bucket/prefix/NAME, or a name that `backup list` shows')

/** `redoubt backup`: archives of the whole installation. */
export function addBackupCommands(program: Command): void {
  const backup = teach(program.command('backup'), {
    summary: 'make an encrypted archive of the whole installation',
    description:
      'Has the running platform archive every row and its keys as of one moment, while work goes on, and reads the archive back before it says that all is well. It is sealed under the backup key: redoubt backup key writes that down. Backups by themselves: REDOUBT_BACKUP_TO.',
    examples: ['redoubt backup', 'redoubt backup --to /mnt/backups', 'redoubt backup --to s3://backups/redoubt'],
  })
    .option('--to <place>', 'a folder or s3://bucket/prefix instead of the configured place')
    .action(run((_context, options: { to?: string }) => make(options.to), null))

  teach(backup.command('list'), {
    summary: 'list the archives',
    description: 'Lists the archives in the configured place, or in another, newest first.',
    examples: ['redoubt backup list', 'redoubt backup list --to /mnt/backups'],
  })
    .option('--to <place>', 'a folder or s3://bucket/prefix instead of the configured place')
    .action(run((_context, options: { to?: string }) => list(options.to), 'Looking'))

  teach(backup.command('verify'), {
    summary: 'read an archive to its end without restoring it',
    description:
      'Reads a whole archive and checks that it was made by this installation, is complete, and was not altered. With the recovery file it needs no installation at all.',
    examples: [
      'redoubt backup verify redoubt-20260601T023000Z-0199c1c2-7a10-4c54-b1a5-3c1f8f0a2d11.backup',
      'redoubt backup verify /mnt/copy.backup --recovery-key recovery.json',
    ],
  })
    .addArgument(archiveArgument())
    .option('--recovery-key <file>', 'the file that `backup key` wrote')
    .action(
      run((_context, archive: string, { recoveryKey }: { recoveryKey?: string }) => verify(archive, recoveryKey), null),
    )

  teach(backup.command('key'), {
    summary: 'write the recovery file that opens the archives',
    description:
      'Writes the backup key into a new file of mode 0600. With it and an archive the installation can be restored anywhere; without it no archive opens once this home is lost. Keep it offline, and never beside the archives. With --renew a new key is made first: archives of before still open with the older file.',
    examples: ['redoubt backup key --out recovery.json', 'redoubt backup key --renew --out recovery-2.json'],
  })
    .requiredOption('--out <file>', 'where to write it')
    .option('--renew', 'make a new key first, such as when a recovery file was lost or stolen')
    .action(
      run(
        (_context, { out, renew }: { out: string; renew?: true }) =>
          withKeeper(async ({ ask }) => {
            const written = await ask('backup.key', { file: resolve(out), renew: renew === true })
            return {
              json: written,
              text: sentences(
                `The recovery file of ${written.keyId} is ${written.file}: move it offline, away from the archives.`,
              ),
            }
          }),
        null,
      ),
    )
}

type Made = { readonly archiveId: string; readonly createdAt: string; readonly product: string } & Readonly<
  Record<'tables' | 'rows', number>
>
/** What an archive holds, for people. */
export const contents = ({ archiveId, createdAt, product, tables, rows }: Made) =>
  [
    ['holds', `${rows.toLocaleString('en')} rows of ${tables} tables, and the keys`],
    ['as of', moment(createdAt)],
    ['made by', `Redoubt ${product}`],
    ['id', archiveId],
  ] as const

function make(to: string | undefined): Promise<Report> {
  return withKeeper(({ ask }) =>
    withProgress('Backing up', async (say) => {
      const made = await ask('backup.run', { to: placeOf(to) }, (progress) => {
        const { entry, number, of } = progress as BackupProgress
        say(number === of ? 'Reading the archive back' : `Backing up ${entry}, ${number} of ${of}`)
      })
      const removed = made.removed.length
      return {
        json: made,
        text: card([
          ['archive', made.name],
          ['in', made.place],
          ['size', size(made.bytes)],
          ...contents(made),
          ...(removed > 0 ? ([['removed', `${removed} older`]] as const) : []),
        ]),
      }
    }),
  )
}

function list(to: string | undefined): Promise<Report> {
  return withKeeper(async ({ ask }) => {
    const { place, items } = await ask('backup.list', { to: placeOf(to) })
    return {
      json: { place, items },
      text: table(
        items,
        [
          { head: 'ARCHIVE', value: ({ name }) => name, whole: true },
          { head: 'MADE', value: ({ createdAt }) => moment(createdAt), whole: true },
          { head: 'SIZE', value: ({ bytes }) => size(bytes), align: 'right', whole: true },
        ],
        `There is no archive in ${place}.`,
      ),
    }
  })
}

async function verify(archive: string, recoveryFile: string | undefined): Promise<Report> {
  const whole = recoveryFile === undefined ? await verifyHere(archive) : await verifyAnywhere(archive, recoveryFile)
  return {
    json: whole,
    text: card([['archive', whole.name], ['verdict', 'whole and unaltered'], ...contents(whole)]),
  }
}

function verifyHere(archive: string) {
  return withKeeper(({ ask }) =>
    withProgress('Verifying', (say) =>
      ask('backup.verify', { archive: archivePath(archive) }, (progress) =>
        say(`Verifying ${(progress as { entry: string }).entry}`),
      ),
    ),
  )
}

async function verifyAnywhere(archive: string, recoveryFile: string) {
  const { findArchive, readConfig, shownManifest, verifyArchive } = await import('@redoubt/server')
  const key = await readRecoveryFile(recoveryFile)
  return orSentence(async () => {
    const { name, open } = await findArchive(readConfig(), archivePath(archive), askStorageSecret)
    const onEntry = (say: (label: string) => void) => (entry: string) => say(`Verifying ${entry}`)
    const { manifest } = await withProgress('Verifying', async (say) =>
      verifyArchive(await open(), [key], { onEntry: onEntry(say) }),
    )
    return { name, ...shownManifest(manifest) }
  })
}

/** The key in a recovery file. @throws CommandError */
export async function readRecoveryFile(path: string): Promise<ArchiveKey> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CommandError(`The recovery file ${path} cannot be read (${cause.code}).`, { cause })
  })
  try {
    return parseRecoveryKey(text)
  } catch (cause) {
    if (!(cause instanceof TrustError)) throw cause
    throw new CommandError(`${path}: ${cause.message}.`, { code: cause.code, cause })
  }
}

/** The storage's secret where there is no secret store yet. */
export async function askStorageSecret(path: string): Promise<Secret<string>> {
  return new Secret(await readPassword(`Secret access key of the storage (${path}): `))
}

/** Errors of the platform as sentences of the command. */
export async function orSentence<T>(act: () => Promise<T>): Promise<T> {
  const { refusalOf } = await import('@redoubt/server')
  try {
    return await act()
  } catch (cause) {
    const refusal = refusalOf(cause)
    throw refusal ? new CommandError(refusal.detail, { code: refusal.code, cause }) : cause
  }
}

/**
 * Absolute, since the keeper runs in another folder than this command.
 * @throws CommandError for another scheme, which would otherwise become a folder of that name
 */
function placeOf(to: string | undefined): string | null {
  if (to === undefined) return null
  if (to.startsWith('s3://')) return to
  if (to.includes('://')) throw new CommandError(`${to} is neither a folder nor s3://bucket/prefix.`, { exitCode: 2 })
  return resolve(to)
}
/** A file of a path, or a name in the configured place. */
export const archivePath = (archive: string): string =>
  archive.includes('/') && !archive.startsWith('s3://') ? resolve(archive) : archive

function size(bytes: number): string {
  const [unit, by] =
    bytes < 1_048_576 ? ['KiB', 1024] : bytes < 1_073_741_824 ? ['MiB', 1_048_576] : ['GiB', 1_073_741_824]
  return `${(bytes / Number(by)).toFixed(1)} ${unit}`
}
