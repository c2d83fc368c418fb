import type { Command } from 'commander'
import { failureOf } from './command-error.ts'
import { type Connection, connect } from './connection.ts'
import { displayJson, displayText } from './display-text.ts'
import { type Environment, readEnvironment } from './environment.ts'
import { withProgress } from './progress.ts'
import type { Style, Text } from './table.ts'

/** What a command found or did: one JSON document, and the same for people. */
export type Report = { readonly json: unknown; readonly text: Text; readonly exitCode?: number }
export type Context = {
  readonly environment: Environment
  /** Signed in as the environment says. @throws CommandError when nobody is */
  connect(): Connection
}

type Lesson = {
  readonly summary: string
  readonly description: string
  /** Whole command lines; more than one where they teach different things. */
  readonly examples: readonly string[]
}

/** Adds the lesson that `--help` gives, and `--json`. */
export function teach(command: Command, { summary, description, examples }: Lesson): Command {
  const lines = examples.map((line) => `  $ ${line}`)
  return command
    .summary(summary)
    .description(description)
    .option('--json', 'print one JSON document')
    .addHelpText('after', `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.join('\n')}`)
}

/**
 * The action of a command: runs it, prints its report or its failure, and sets the exit code. With `--json` stdout
 * carries exactly one document, on a failure `{"error": …}`; the sentence for people always goes to stderr.
 * @param progress what to call the work when it takes longer than a second; null when the command says so itself
 */
export function run<A extends unknown[]>(
  act: (context: Context, ...args: A) => Promise<Report>,
  progress: string | null = 'Waiting for the platform',
) {
  return async (...all: unknown[]): Promise<void> => {
    // Commander hands over the arguments, then the options, then the command itself.
    const args = all.slice(0, -1) as A
    const { json } = all.at(-2) as { json?: true }
    const environment = readEnvironment()
    const work = () => act({ environment, connect: () => connect(environment) }, ...args)
    await orFailure(json === true, async () => {
      const report = progress === null ? await work() : await withProgress(progress, work)
      print(json ? displayJson(report.json) : report.text(styleOf(process.stdout, environment)))
      return report.exitCode ?? 0
    })
  }
}

/** The action of a command that stays in the foreground and speaks for itself; `act` returns the exit code. */
export function runInForeground<A extends unknown[]>(act: (...args: A) => Promise<number>) {
  return (...all: unknown[]): Promise<void> => orFailure(false, () => act(...(all.slice(0, -1) as A)))
}

async function orFailure(json: boolean, act: () => Promise<number>): Promise<void> {
  // Whoever reads the output may have had enough, such as `head`.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1))
  try {
    process.exitCode = await act()
  } catch (error) {
    const failure = failureOf(error)
    if (json) print(displayJson({ error: failure.error }))
    process.stderr.write(`${displayText(failure.sentence)}\n`)
    process.exitCode = failure.exitCode
  }
}

const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** Tables are bounded also where no terminal says how wide it is; weight is for terminals alone. */
function styleOf(stream: { isTTY?: boolean; columns?: number }, { noColor }: Environment): Style {
  return { width: Math.max(stream.columns ?? 120, 40), color: stream.isTTY === true && !noColor }
}
