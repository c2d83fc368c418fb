import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { measureAudit } from './audit.ts'
import { startCluster } from './cluster.ts'
import { measureCrypto } from './crypto.ts'
import { measureIngest } from './ingest.ts'
import { measureInternalCall } from './internal-call.ts'
import { measureList } from './list.ts'
import { loadText, machineText } from './machine.ts'
import { jsonOf, tableOf } from './report.ts'
import { measureStartUp } from './start-up.ts'
import { Undoing } from './undo.ts'

/* `npm run bench`: docs/guides/benchmarks.md says what each figure means. */

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  process.stdout.write(`Measures Redoubt on this machine, on temporary homes, in at most ten minutes.

  npm run bench                     a table, each figure beside a reference of the same run
  npm run bench -- --json           the last line is the figures as one JSON object
  npm run bench -- --out FILE       writes the same JSON object to FILE
`)
  process.exit(0)
}

const began = performance.now()
const print = (text: string) => void process.stdout.write(`${text}\n`)
const progress = (line: string) => print(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`)

const undoing = new Undoing()
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    print('stopping, and removing what was made')
    undoing.run().finally(() => process.exit(code))
  })
}

try {
  const loadBefore = loadText()
  const crypto = measureCrypto(progress)
  const startUp = await measureStartUp(undoing, progress)
  const cluster = await startCluster(undoing)
  const machine = await machineText(cluster.admin)
  const internal = await measureInternalCall(undoing, cluster, progress)
  const ingest = await measureIngest(undoing, cluster, progress)
  const audit = await measureAudit(undoing, cluster, progress)
  const list = await measureList(undoing, cluster, progress)
  const figures = [...ingest, ...list, ...startUp, ...audit, ...crypto, ...internal]
  print(`\n${machine}, before the bench ${loadBefore}\n\n${tableOf(figures)}\n`)
  if (options.out !== undefined) await writeFile(options.out, `${jsonOf(figures)}\n`)
  await undoing.run()
  if (options.json) print(jsonOf(figures))
} finally {
  await undoing.run()
}
process.exit(0)
