import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Runner } from '@redoubt/contract'
import type { Command } from 'commander'
import { run, runInForeground, teach } from './command.ts'
import { CommandError } from './command-error.ts'
import { card, moment, sentences, stacked, table } from './table.ts'

/** `redoubt runner`: what carries out signed plans, in the organization's own network. */
export function addRunnerCommands(program: Command): void {
  const runner = program
    .command('runner')
    .summary('what carries out signed plans')
    .description('Manages the runners of the organization: each carries out signed plans in the network it stands in.')

  teach(runner.command('list'), {
    summary: 'list the runners',
    description: 'Lists the runners of the organization, with when each was last heard of.',
    examples: ['redoubt runner list'],
  }).action(
    run(async ({ connect }) => {
      const { items } = await connect().client.runners.list()
      return {
        json: { items },
        text: table(
          items,
          [
            { head: 'NAME', value: ({ name }) => name },
            { head: 'URL', value: ({ url }) => url, whole: true },
            { head: 'STATE', value: ({ revoked }) => (revoked ? 'revoked' : 'enrolled'), whole: true },
            { head: 'LAST SEEN', value: ({ lastSeenAt }) => moment(lastSeenAt) },
            { head: 'ID', value: ({ id }) => id, whole: true },
          ],
          'No runners yet: redoubt runner invite NAME begins.',
        ),
      }
    }),
  )

  teach(runner.command('invite'), {
    summary: 'make a one-time enrolment token',
    description: 'Makes an enrolment token for one runner; it is printed once, works once, and is valid for an hour.',
    examples: ['redoubt runner invite "Plant 3"'],
  })
    .argument('<name>', 'what people call the runner')
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const invited = await client.runners.invite({ name })
        return {
          json: invited,
          text: stacked(
            card([
              ['token', invited.token],
              ['until', moment(invited.expiresAt)],
            ]),
            sentences(
              `On the runner's machine: redoubt runner start --enrol ${invited.controlPlane} ${invited.token}`,
              'What stands behind the ~ pins the authority of this installation: the runner sends the token to nobody else.',
            ),
          ),
        }
      }),
    )

  teach(runner.command('revoke'), {
    summary: 'revoke a runner',
    description:
      'Sends no plan to the runner any more, takes no report of it, and has every service refuse its certificate at once. It can enrol again, from an empty home, with a new token.',
    examples: ['redoubt runner revoke 0190a3c2-7d5e-7c1a-9f00-3b2a1c0d9e8f'],
  })
    .argument('<id>', 'id or name of a runner')
    .action(
      run(async ({ connect }, name: string) => {
        const { client } = connect()
        const { items } = await client.runners.list()
        const found = pickRunner(items, name)
        return {
          json: { ...(await client.runners.revoke({ id: found.id })), id: found.id },
          text: sentences(`${found.name} is revoked.`),
        }
      }),
    )

  runner
    .command('start')
    .summary('run a runner on this machine, in the foreground')
    .description(
      'Runs a runner until Ctrl-C or SIGTERM; the step in hand is finished first. The first time it needs an enrolment: the address for runners and the token that redoubt runner invite prints. Both sides prove themselves by certificates (TLS 1.3): the runner sends the token only to the installation that made it, and then renews its own certificate by itself. REDOUBT_RUNNER_HOME (default ./.redoubt-runner), REDOUBT_RUNNER_HOST, REDOUBT_RUNNER_PORT (default 5678) and REDOUBT_RUNNER_URL say where it lives and how the control plane reaches it.',
    )
    .option('--enrol <url-and-token...>', 'address for runners (https://…:4443), then the enrolment token')
    .option('--token-file <path>', 'with --enrol: a file with the token instead, or - for standard input')
    .addHelpText(
      'after',
      `
A token on the command line is in the list of processes, for every user of the machine to read, and in the shell's
history: it works once, but until then for whoever is first. --token-file keeps it out of both.

Examples:
  $ redoubt runner start --enrol https://soc.example.com:4443 rdt_run_…~…
  $ redoubt runner start --enrol https://soc.example.com:4443 --token-file - < token
  $ redoubt runner start`,
    )
    .action(runInForeground((options: Enrolment) => startRunner(options)))
}

function pickRunner(runners: readonly Runner[], name: string): Runner {
  const found = runners.filter((each) => each.id === name || (each.name === name && !each.revoked))
  const [only] = found
  if (only && found.length === 1) return only
  throw new CommandError(
    found.length > 1
      ? `Several runners are called "${name}": write the id that redoubt runner list shows.`
      : `No runner is called "${name}": redoubt runner list shows them.`,
  )
}

type Enrolment = { readonly enrol?: readonly string[]; readonly tokenFile?: string }

/** The runner's own arguments. @throws CommandError */
function argumentsOf({ enrol, tokenFile }: Enrolment): readonly string[] {
  const wrong = (sentence: string) => new CommandError(sentence, { exitCode: 2 })
  if (enrol === undefined) {
    if (tokenFile === undefined) return []
    throw wrong('Write --token-file with --enrol and the address for runners.')
  }
  const [url, token, ...more] = enrol
  if (url === undefined || (token === undefined) === (tokenFile === undefined) || more.length > 0)
    throw wrong('Write --enrol with two values, the address for runners and the token; or one, and --token-file.')
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
    throw wrong(`"${url}" is not the address for runners, which speak TLS alone: write https://HOST:4443.`)
  return ['--enrol', url, ...(tokenFile === undefined ? [token as string] : ['--token-file', tokenFile])]
}

/** The runner stays a process of its own, with nothing of ours in it. @returns its exit code */
async function startRunner(options: Enrolment): Promise<number> {
  const enrolment = argumentsOf(options)
  const main = createRequire(import.meta.url).resolve('@redoubt/runner/main')
  const child = spawn(process.execPath, [main, ...enrolment], { stdio: 'inherit' })
  // Ctrl-C reaches the runner by itself; what is sent to this process alone is passed on.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', () => void child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
