import type { Command } from 'commander'
import { runInForeground } from './command.ts'
import { readEnvironment } from './environment.ts'

type Options = {
  readonly against?: string
  readonly api?: string
  readonly ingestion?: string
  readonly runner?: string
  readonly json?: true
}

/** `redoubt drill`: attacks an installation and tells what stopped each attack (ZT-4). */
export function addDrillCommand(program: Command): void {
  program
    .command('drill')
    .summary('attack an installation and see what stops each attack')
    .description(
      'Starts an installation of its own on a temporary home, settles it with organizations, people, alerts, cases and a runner, attacks it as an outsider, a member of another tenant, a viewer, a stolen token, SQL run as each service and more, and removes it. Each attack is first made where its defence is out of the way, to show that it would work. Exit code 1 if one attack works, or is not shown.',
    )
    .option(
      '--against <url>',
      'attack the installation whose console is there instead, as far as that can be done from outside',
    )
    .option('--api <url>', 'its api service, where it is not at the same address or beside it on port 4000')
    .option('--ingestion <url>', 'its ingestion service')
    .option('--runner <url>', 'its runner')
    .option('--json', 'end with one line of JSON')
    .addHelpText(
      'after',
      `
Against another installation the drill signs in as two people, admins of two organizations: REDOUBT_DRILL_EMAIL,
REDOUBT_DRILL_PASSWORD and, of who belongs to several, REDOUBT_DRILL_ORGANIZATION (its slug) for the one that is
attacked; REDOUBT_DRILL_OTHER_EMAIL and so on for the one it is attacked from. What is not set is asked for. It leaves
cases named “Redoubt drill” behind. Attack only what is yours.

Examples:
  $ redoubt drill
  $ redoubt drill --json | tail -1 | jq '.results[] | select(.stopped | not)'
  $ redoubt drill --against https://soc.example.com --ingestion https://ingest.example.com`,
    )
    .action(
      runInForeground(async (options: Options) => {
        // The server is loaded for this command alone: the others start in a fraction of the time.
        const { drill } = await import('./drill/drill.ts')
        const { isTTY, columns } = process.stdout
        const color = isTTY === true && !readEnvironment().noColor
        const layout = { width: Math.max(columns ?? 180, 80), color }
        return drill(
          { ...options, json: options.json === true },
          layout,
          (line) => void process.stdout.write(`${line}\n`),
        )
      }),
    )
}
