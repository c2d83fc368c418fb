import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configOf, readConfig } from '@redoubt/server'
import { startAllApart } from '../apart.ts'
import { startAll, stopAndExit, stopSignal } from '../start.ts'
import { portsFor } from './ports.ts'
import { moderator, operator, tellStory, type Undo } from './story.ts'
import { tell } from './trail.ts'

/**
 * `redoubt demo`: the whole story on a temporary home: a provider with two clients, alerts of five vendors, a case, a
 * signed plan that waits for a person, a runner that carries it out, and the proof in the audit log.
 * @param options.once exit after the story instead of leaving the console open
 * @param options.json end with the trail as one line of JSON
 * @param options.apart every service in a process of its own
 */
export async function demo(options: { once: boolean; json: boolean; apart: boolean }): Promise<void> {
  const signal = stopSignal()
  const home = await mkdtemp(join(tmpdir(), 'redoubt-demo-'))
  const undo: Undo = [() => rm(home, { recursive: true, force: true })]
  const stop = async () => {
    for (const each of undo.splice(0).reverse()) await each()
  }
  const trail = tell()
  try {
    const picked = await portsFor(options.once)
    const config = configOf({
      ...readConfig({ REDOUBT_LOG_LEVEL: 'error' }),
      home,
      ...picked,
      publicUrl: `http://localhost:${picked.ports.web}`,
    })
    const told = tellStory(config, trail, undo, options.apart ? startAllApart : startAll)
    const theCase = await Promise.race([told, signal.then(() => null)])
    if (theCase === null) return await stopAndExit(stop)
    if (!options.once) {
      process.stdout.write(
        `\nThe console is open at ${config.publicUrl}, with the case at\n  ${config.publicUrl}/o/fabrikam/cases/${theCase.id}\nSign in as\n  operator   ${operator.email}   ${operator.password}\n  approver   ${moderator.email}   ${moderator.password}\n\nStop with Ctrl-C; the temporary home is then removed.\n`,
      )
    }
    if (options.json) process.stdout.write(`${JSON.stringify(trail.json())}\n`)
    if (options.once) return
    await signal
    await stopAndExit(stop)
  } finally {
    await stop()
  }
}
