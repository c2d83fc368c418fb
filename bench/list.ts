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
/** V8 gives memory back when nothing has happened for some eight seconds. */
const idleMs = 12_000

/**
 * The first page of cases over REST with a bearer token, against a bare route in the same process that sends the same SQL
 * through a plain pool and checks nothing; one round of each in turn. Then the resident memory of that process.
 */
export async function measureList(
  undoing: Undoing,
  cluster: Cluster,
  progress: (line: string) => void,
): Promise<Figure[]> {
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
  const resident = await child.residentBytes()
  await child.stop()
  const node = await startChild(undoing, 'bare-process.ts', {})
  const residentOfNode = await node.residentBytes()
  await node.stop()
  return [...figuresOf(measured), memoryOf(resident / 1_048_576, residentOfNode / 1_048_576)]
}

type Load = { readonly perSecond: number; readonly p99Ms: number }
type Target = { readonly url: string; readonly headers?: Readonly<Record<string, string>> }

/** Signs the platform's first operator up and in, as a browser and a program would, with the data seeded in between. */
async function signIn(
  { web, api, setUpToken }: PlatformReady,
  fill: (organizationId: string) => Promise<void>,
): Promise<{ organizationId: string; token: string }> {
  const person = { email: 'operator@bench.example', password: randomBytes(16).toString('base64url') }
  await callConsole(web, 'auth.setUp', { token: setUpToken, organization: 'Bench', name: 'Operator', ...person })
  await fill((await login(api, person)).organizationId)
  // Again: the access token of the first sign-in may not live as long as the seeding lasts.
  const { accessToken, organizationId } = await login(api, person)
  return { organizationId, token: accessToken }
}

async function login(api: string, person: object): Promise<{ organizationId: string; accessToken: string }> {
  const response = await fetch(`${api}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(person),
  })
  if (!response.ok) throw new Error(`the sign-in was answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as { organizationId: string; accessToken: string }
}

async function requireFullPage({ url, headers = {} }: Target): Promise<void> {
  const response = await fetch(url, { headers })
  const { items } = (await response.json()) as { items?: readonly unknown[] }
  // The bare route reads one row more, as the product does to learn whether there is a next page, and shows it.
  if (!items || items.length < limit) throw new Error(`${url} was answered ${response.status} without a full page`)
}

async function load(target: Target, duration: number): Promise<Load> {
  const result = await autocannon({ ...target, connections, duration })
  if (result.errors > 0 || result.non2xx > 0)
    throw new Error(`${target.url}: ${result.errors} errors and ${result.non2xx} refusals`)
  return { perSecond: result.requests.total / result.duration, p99Ms: result.latency.p99 }
}

function figuresOf(measured: readonly { ours: Load; theirs: Load }[]): Figure[] {
  const middle = (of: (round: { ours: Load; theirs: Load }) => number) => median(measured.map(of))
  const ratio = middle(({ ours, theirs }) => ours.perSecond / theirs.perSecond)
  const p99 = middle(({ ours }) => ours.p99Ms)
  return [
    {
      what: `GET /api/v1/cases?limit=${limit}, ${connections} connections`,
      unit: 'requests/s',
      value: middle(({ ours }) => ours.perSecond),
      reference: { what: 'bare route', value: middle(({ theirs }) => theirs.perSecond) },
      ratio,
      target: { of: 'ratio', atLeast: 0.5 },
      keys: { listRatio: ratio },
    },
    {
      what: 'the same, p99',
      unit: 'ms',
      value: p99,
      reference: { what: 'bare route', value: middle(({ theirs }) => theirs.p99Ms) },
      target: { of: 'value', atMost: 50 },
      keys: { listP99Ms: p99 },
    },
  ]
}

function memoryOf(residentMb: number, residentOfNodeMb: number): Figure {
  return {
    what: 'resident memory of all services',
    unit: 'MB',
    value: residentMb,
    reference: { what: 'Node with an HTTP server', value: residentOfNodeMb },
    target: { of: 'value', atMost: 400 },
    keys: { rssMb: residentMb },
  }
}
