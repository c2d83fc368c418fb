import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import autocannon from 'autocannon'
import { callConsole } from '../packages/cli/src/demo/console-call.ts'
import { startChild } from './child.ts'
import type { Cluster } from './cluster.ts'
import type { PlatformReady } from './platform-process.ts'
import { freePorts } from './ports.ts'
import type { Figure } from './report.ts'
import { median } from './sample.ts'
import { seed } from './seed.ts'
import type { Undoing } from './undo.ts'

const rounds = 5
const seconds = 4
const connections = 4
const limit = 50
/** Rows are freed and memory given back a while after the load has ended. */
const idleMs = 5000

/**
 * The first page of cases over REST with a bearer token, against a bare route in the same process that sends the same SQL
 * through a plain pool and checks nothing; one round of each in turn. Then the resident memory of that process.
 */
export async function measureList(undoing: Undoing, cluster: Cluster, progress: (line: string) => void): Promise<Figure[]> {
  const [web, api, ingestion] = await freePorts(3)
  const child = await startChild<PlatformReady>(undoing, 'platform-process.ts', {
    home: cluster.home,
    ports: { web, api, ingestion },
  })
  const { ready } = child
  const { organizationId, token } = await signIn(ready, (id) => seed(cluster.admin, id, progress))
  const product = { url: `${ready.api}/api/v1/cases?limit=${limit}`, headers: { authorization: `Bearer ${token}` } }
  const bare = { url: `${ready.bare}/cases?limit=${limit}&organization=${organizationId}` }
  await requireFullPage(product)
  await requireFullPage(bare)

  await load(product, 2)
  await load(bare, 2)
  const measured = []
  for (let round = 1; round <= rounds; round++) {
    const ours = await load(product, seconds)
    const theirs = await load(bare, seconds)
    measured.push({ ours, theirs })
    progress(
      `list round ${round} of ${rounds}: ${Math.round(ours.perSecond)} requests/s, bare route ${Math.round(theirs.perSecond)} requests/s`,
    )
  }
  await pause(idleMs)
  const residentMb = (await child.residentBytes()) / 1_048_576
  await child.stop()
  return figuresOf(measured, residentMb)
}
