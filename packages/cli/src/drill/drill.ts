import { CommandError } from '../command-error.ts'
import { catalogue } from './catalogue.ts'
import { type Drill, type Result, runDrill } from './engine.ts'
import { type Addresses, enterInstallation } from './other-installation.ts'
import { startOwnInstallation } from './own-installation.ts'
import { closingLines, exitCodeOf, jsonOf, type Layout, linesOf } from './report.ts'

/** `redoubt drill`. @returns the exit code: 0 when every attack was stopped, 1 when one was not */
export async function drill(
  options: Partial<Addresses> & { readonly json?: boolean },
  layout: Layout,
  print: (line: string) => void,
): Promise<0 | 1> {
  const say = (line: string) => print(`  · ${line}`)
  const { against } = options
  print(against === undefined ? 'The drill attacks an installation of its own.' : `The drill attacks ${against}.`)
  // The database and the runner are processes of their own, which would outlive this one.
  let interrupted = false
  const interrupt = () => {
    interrupted = true
    print('Stopping after the attack in hand.')
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  const { terrain, stop } = await (against === undefined
    ? startOwnInstallation(say)
    : enterInstallation({ ...options, against }, say))
  let done: Drill
  try {
    let before: string | null = null
    const show = (result: Result) => {
      for (const line of linesOf(result, before, layout)) print(line)
      before = result.actor
    }
    done = await runDrill(catalogue, terrain, show, () => interrupted)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt)
    await stop()
  }
  if (interrupted)
    throw new CommandError('The drill was interrupted, so it says nothing about the attacks that were left.')
  for (const line of closingLines(done)) print(line)
  if (options.json) print(jsonOf(done))
  return exitCodeOf(done)
}
