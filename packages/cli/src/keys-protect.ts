import type { Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { type KeeperLine, withKeeper } from './keeper-line.ts'
import { ask as askOpenly, readPassword } from './prompt.ts'
import { sentences } from './table.ts'

type Options = { readonly passphrase?: true; readonly shares?: string; readonly none?: boolean }

/** `redoubt keys protect`: what it takes to open the master file. */
export function addProtectCommand(keys: Command): void {
  teach(keys.command('protect'), {
    summary: 'seal the master key by a passphrase or by shares',
    description:
      'Changes what opens the file of the master key; the key stays the same, so nothing is encrypted anew. A sealed platform waits at its next start for redoubt unseal. Shares are shown once, on this terminal alone: each is for another person, and any K of them open the key. One is asked for again before the old protection goes. A copy of the file from before, such as in an old backup, still opens in the old way.',
    examples: ['redoubt keys protect --passphrase', 'redoubt keys protect --shares 2/3', 'redoubt keys protect --none'],
  })
    .option('--passphrase', 'by a passphrase of at least 12 characters, asked for twice')
    .option('--shares <k/n>', 'by n shares for as many people, k of whom are needed')
    .option('--none', 'not at all: whoever can read the file has the key')
    .action(
      run((_context, options: Options) => {
        const chosen = [options.passphrase, options.shares, options.none].filter(Boolean)
        if (chosen.length !== 1)
          throw new CommandError('Choose one of --passphrase, --shares K/N and --none.', { exitCode: 2 })
        return withKeeper((line) => protect(line, options), { mayMake: true })
      }, null),
    )
}

async function protect(line: KeeperLine, options: Options): Promise<Report> {
  if (options.shares !== undefined) return byShares(line, options.shares)
  if (options.none) {
    await line.ask('master.prepare', { kind: 'plain' })
    return commit(line, null, 'Nothing seals the master key any more: whoever can read keys/master.json has it.')
  }
  const passphrase = await readPassword('New passphrase: ')
  if (process.stdin.isTTY && (await readPassword('Again: ')) !== passphrase)
    throw new CommandError('The two are not the same: nothing was changed.')
  await line.ask('master.prepare', { kind: 'passphrase', passphrase })
  return commit(line, null, 'The master key is sealed by the passphrase: the next start waits for redoubt unseal.')
}

async function byShares(line: KeeperLine, text: string): Promise<Report> {
  const [, threshold, count] = /^(\d{1,2})\/(\d{1,2})$/.exec(text) ?? []
  if (count === undefined)
    throw new CommandError('--shares takes two numbers, such as 2/3: two of three shares open it.', { exitCode: 2 })
  // In a file or a log of a script they would lie together, and one thief would have them all.
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CommandError('Shares are shown on a terminal alone: run this command at one.')
  const numbers = { threshold: Number(threshold), count: Number(count) }
  const { shares } = await line.ask('master.prepare', { kind: 'shares', ...numbers })
  process.stderr.write(
    `\nEach of these shares is for another person. ${threshold} of them open the master key; they are never shown again.\n\n`,
  )
  for (const [at, share] of shares.entries()) process.stderr.write(`  ${at + 1}  ${share}\n`)
  const sentence = `${threshold} of the ${count} shares open the master key: the next start waits for redoubt unseal.`
  for (let attempt = 1; ; attempt += 1) {
    const share = await askOpenly('\nType one of them from the paper, then clear this screen: ')
    try {
      return await commit(line, share, sentence)
    } catch (error) {
      if (attempt === 3 || !(error instanceof CommandError)) throw error
      process.stderr.write(`${error.message}\n`)
    }
  }
}

async function commit({ ask }: KeeperLine, share: string | null, sentence: string): Promise<Report> {
  const { kind } = await ask('master.commit', { share })
  return { json: { protection: kind }, text: sentences(sentence) }
}
