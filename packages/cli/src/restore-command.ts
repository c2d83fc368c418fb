import { Secret } from '@redoubt/trust'
import type { Command } from 'commander'
import {
  archiveArgument,
  archivePath,
  askStorageSecret,
  contents,
  orSentence,
  readRecoveryFile,
} from './backup-commands.ts'
import { type Report, run, teach } from './command.ts'
import { askToUnseal } from './keeper-line.ts'
import { withProgress } from './progress.ts'
import { readPassword } from './prompt.ts'
import { card, sentences, stacked } from './table.ts'

type Options = { readonly recoveryKey: string; readonly keepSessions?: true }

/** `redoubt restore`: an archive back into an empty installation. */
export function addRestoreCommand(program: Command): void {
  teach(program.command('restore'), {
    summary: 'put an archive back into an empty installation',
    description:
      'Verifies the whole archive first, then puts rows and keys into a new REDOUBT_HOME (and the new, empty database of DATABASE_URL, whose owner’s password it asks for). Nothing may run there. What fails leaves everything as it was. All sessions are ended, since one that was ended after the backup would come back.',
    examples: [
      'REDOUBT_HOME=/srv/redoubt redoubt restore /mnt/backups/redoubt-20260601T023000Z-0199c1c2-7a10-4c54-b1a5-3c1f8f0a2d11.backup --recovery-key recovery.json',
      'redoubt restore last.backup --recovery-key recovery.json',
    ],
  })
    .addArgument(archiveArgument())
    .requiredOption('--recovery-key <file>', 'the file that `backup key` wrote')
    .option('--keep-sessions', 'leave people signed in as they were at the backup')
    .action(run((_context, archive: string, options: Options) => restore(archive, options), null))
}

async function restore(archive: string, { recoveryKey, keepSessions }: Options): Promise<Report> {
  const { readConfig, restoreInstallation, systemClock } = await import('@redoubt/server')
  const config = readConfig()
  const key = await readRecoveryFile(recoveryKey)
  return orSentence(() =>
    withProgress('Verifying', async (say) => {
      const restored = await restoreInstallation({
        config,
        clock: systemClock,
        archive: archivePath(archive),
        key,
        people: {
          unseal: askToUnseal,
          ownerPassword: async () => new Secret(await readPassword('Password of the owner of the new database: ')),
          storageSecret: askStorageSecret,
        },
        keepSessions: keepSessions === true,
        onProgress: ({ step, entry }) => say(`${step === 'verifying' ? 'Verifying' : 'Restoring'} ${entry}`),
      })
      return {
        json: restored,
        text: stacked(card([['restored', restored.name], ['to', restored.home], ...contents(restored)]), next(config)),
      }
    }),
  )
}

const next = ({ databaseUrl }: { databaseUrl: string | undefined }) =>
  sentences(
    ...(databaseUrl === undefined
      ? []
      : ['If the new database’s owner has another password: redoubt secret set database/owner']),
    'Next: redoubt start, then sign in and look at redoubt keys doctor.',
  )
