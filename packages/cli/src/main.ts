import { Command } from 'commander'
import { addClientCommands } from './client-commands.ts'
import { addDrillCommand } from './drill-command.ts'

const program = new Command('redoubt')
  .description('Redoubt, the security-operations platform that assumes it will be breached.')
  .showHelpAfterError('(redoubt --help lists the commands, redoubt COMMAND --help teaches one)')
  .configureHelp({ showGlobalOptions: false })

program
  .command('start')
  .summary('start the platform and its runner')
  .description(
    'Starts PostgreSQL, every service and one runner on this machine, and prints the console’s address. The first start makes keys and prints a one-time set-up link. Everything lives in REDOUBT_HOME (default ./.redoubt); set DATABASE_URL to use a PostgreSQL 18 of your own.',
  )
  .option('--service <name>', 'start this service alone, as a process of its own; keeper first')
  .action(async ({ service }: { service?: string }) => {
    const { start, startService } = await import('./start.ts')
    await (service === undefined ? start() : startService(service))
  })

program
  .command('demo')
  .summary('show the whole story on a temporary home')
  .description(
    'A provider with two clients receives alerts of five vendors, opens a case and answers it with a signed plan that a person approves; then the console stays open.',
  )
  .option('--once', 'end after the story')
  .option('--apart', 'with every service in a process of its own, over mutual TLS')
  .option('--json', 'end with the trail as one line of JSON')
  .action(async (options: { once?: true; json?: true; apart?: true }) => {
    const { demo } = await import('./demo/demo.ts')
    await demo({ once: options.once === true, json: options.json === true, apart: options.apart === true })
  })

addDrillCommand(program)
addClientCommands(program)

try {
  await program.parseAsync()
} catch (error) {
  // By its name: importing the server to know its class would triple the time of every other command.
  if (!(error instanceof Error && error.name === 'StartError')) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
