import type { Command } from 'commander'
import { run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { runningKeeper } from './keeper-line.ts'
import { withProgress } from './progress.ts'
import { readPassword } from './prompt.ts'
import { sentences } from './table.ts'

/** `redoubt unseal`: opens the keys of a platform that waits for people (SEC-4). */
export function addUnsealCommand(program: Command): void {
  teach(program.command('unseal'), {
    summary: 'open the sealed keys of a platform that waits',
    description:
      'Gives the passphrase, or one share, to the platform that was started on REDOUBT_HOME and says sealed. It is typed without echo, or read from stdin as one line; never an argument. With shares each person runs it once, and the last one that is needed opens the keys. Nobody learns what the others gave.',
    examples: ['redoubt unseal', 'redoubt unseal < /run/secrets/passphrase'],
  }).action(
    run(async () => {
      const { readConfig } = await import('@redoubt/server')
      const config = readConfig()
      const line = await runningKeeper(config)
      if (!line)
        throw new CommandError(`Nothing waits on ${config.home}: redoubt start first, then redoubt unseal beside it.`)
      const before = await line.ask('status')
      if (before.state === 'open') return { json: { state: 'open' }, text: sentences('The platform is not sealed.') }
      const { means, given, needed } = before as Extract<typeof before, { means: unknown }>
      const isPassphrase = means === 'passphrase'
      const question = isPassphrase
        ? 'Passphrase of the master key: '
        : `Share (${needed - given} of ${needed} still needed): `
      const answer = await readPassword(question)
      const after = await withProgress('Opening the keys', () =>
        line.ask('unseal', isPassphrase ? { passphrase: answer } : { share: answer }),
      )
      const missing = after.needed - after.given
      return {
        json: after,
        text: sentences(
          after.state === 'open'
            ? 'Unsealed: the platform goes on with its start.'
            : `The share is taken; ${missing} more ${missing === 1 ? 'is' : 'are'} needed.`,
        ),
      }
    }, null),
  )
}
