import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { type Report, run, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { type KeeperLine, withKeeper } from './keeper-line.ts'
import { readPassword, readValue } from './prompt.ts'
import { requireText } from './stdin.ts'
import { moment, sentences, table } from './table.ts'

const pathArgument = () => new Argument('<path>', 'its path, such as smtp/password')

/** `redoubt secret`: what the configuration refers to as `secret://path`. */
export function addSecretCommands(program: Command): void {
  const secret = program
    .command('secret')
    .summary('secrets that the configuration refers to')
    .description(
      'Sets and removes the secrets of the installation of REDOUBT_HOME. No command prints a value. What people set is changed by hand; what the platform keeps itself is renewed by redoubt keys rotate.',
    )

  teach(secret.command('list'), {
    summary: 'list the secrets by path',
    description: 'Lists the secrets with their versions and ages, never their values.',
    examples: ['redoubt secret list', 'redoubt secret list database/'],
  })
    .argument('[prefix]', 'only those whose path begins so', '')
    .action(
      run(
        (_context, prefix: string) =>
          withKeeper(async ({ ask }) => {
            const items = await ask('secret.list', { prefix })
            return {
              json: { items },
              text: table(
                items,
                [
                  { head: 'PATH', value: ({ path }) => path, whole: true },
                  { head: 'VERSION', value: ({ version }) => version, align: 'right' },
                  { head: 'WRITTEN', value: ({ writtenAt }) => moment(writtenAt), whole: true },
                  { head: 'KEPT BY', value: ({ renewedBy }) => (renewedBy ? 'the platform' : 'people'), whole: true },
                ],
                prefix === '' ? 'There are no secrets.' : `No secret’s path begins with ${prefix}.`,
              ),
            }
          }),
        null,
      ),
    )

  teach(secret.command('set'), {
    summary: 'set or replace a secret',
    description:
      'Takes the value from a prompt without echo, from stdin whole (one line end at its end is left out), or from a file; never from an argument. Also before the first start: then it makes the keys.',
    examples: [
      'redoubt secret set database/owner',
      'redoubt secret set smtp/password < password.txt',
      'redoubt secret set proxy/tls-key --from-file proxy.key',
    ],
  })
    .addArgument(pathArgument())
    .option('--from-file <file>', 'take the whole file as the value')
    .action(
      run(
        (_context, path: string, { fromFile }: { fromFile?: string }) =>
          withKeeper((line) => write(line, path, () => valueFor(path, fromFile)), { mayMake: true }),
        null,
      ),
    )

  teach(secret.command('rotate'), {
    summary: 'replace a secret that is there',
    description:
      'Asks for the new value, or makes a random one of 256 bits with --generate; --to writes that into a new file of mode 0600, for the other side to know it. For what the platform keeps itself it says which command renews it.',
    examples: [
      'redoubt secret rotate smtp/password',
      'redoubt secret rotate siem/token --generate --to siem-token.txt',
    ],
  })
    .addArgument(pathArgument())
    .option('--generate', 'make a random value')
    .option('--to <file>', 'where to write the random value')
    .action(
      run(
        (_context, path: string, options: { generate?: true; to?: string }) =>
          withKeeper((line) => rotate(line, path, options)),
        null,
      ),
    )

  teach(secret.command('remove'), {
    summary: 'remove a secret',
    description: 'Removes a secret with all its versions. What refers to it fails at its next start.',
    examples: ['redoubt secret remove smtp/password'],
  })
    .addArgument(pathArgument())
    .action(
      run(
        (_context, path: string) =>
          withKeeper(async ({ ask }) => {
            const { removed } = await ask('secret.remove', { path })
            if (!removed) throw new CommandError(`There is no secret ${path}: redoubt secret list shows what there is.`)
            return { json: { path, removed }, text: sentences(`${path} is removed.`) }
          }),
        null,
      ),
    )
}

async function write({ ask }: KeeperLine, path: string, value: () => Promise<string>): Promise<Report> {
  // The version that was seen before the value was typed: of two who replace at once, the second is told.
  const seen = (await ask('secret.list', { prefix: path })).find((each) => each.path === path)
  if (seen?.renewedBy) throw new CommandError(`${path} is kept by the platform: ${seen.renewedBy}.`)
  const { version } = await ask('secret.write', { path, value: await value(), expectedVersion: seen?.version ?? 0 })
  return { json: { path, version }, text: sentences(`${path} is set, version ${version}.`) }
}

async function rotate(line: KeeperLine, path: string, { generate, to }: { generate?: true; to?: string }) {
  if (to !== undefined && !generate)
    throw new CommandError('--to goes with --generate: a value that you type is known already.', { exitCode: 2 })
  const known = (await line.ask('secret.list', { prefix: path })).some((each) => each.path === path)
  if (!known) throw missing(path)
  return write(line, path, async () => {
    if (!generate) return valueFor(path)
    const value = randomBytes(32).toString('base64url')
    if (to !== undefined) {
      const { writeNewPrivateFile } = await import('@redoubt/server')
      await writeNewPrivateFile(resolve(to), `${value}\n`)
    }
    return value
  })
}

const missing = (path: string) => new CommandError(`There is no secret ${path}: redoubt secret set ${path}`)

async function valueFor(path: string, file?: string): Promise<string> {
  if (file !== undefined) {
    const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new CommandError(`${file} cannot be read (${cause.code}).`, { cause })
    })
    if (text === '') throw new CommandError(`${file} is empty.`)
    return requireText(text, file)
  }
  const value = await readValue(`Value of ${path}: `)
  if (process.stdin.isTTY && (await readPassword('Again: ')) !== value)
    throw new CommandError('The two are not the same: nothing was changed.')
  return value
}
