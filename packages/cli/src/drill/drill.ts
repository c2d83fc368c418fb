import { catalogue } from './catalogue.ts'
import { type Drill, runDrill } from './engine.ts'
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
  const { terrain, stop } = await (against === undefined
    ? startOwnInstallation(say)
    : enterInstallation({ ...options, against }, say))
  let done: Drill
  try {
    let before: string | null = null
    done = await runDrill(catalogue, terrain, (result) => {
      for (const line of linesOf(result, before, layout)) print(line)
      before = result.actor
    })
  } finally {
    await stop()
  }
  for (const line of closingLines(done)) print(line)
  if (options.json) print(jsonOf(done))
  return exitCodeOf(done)
}
