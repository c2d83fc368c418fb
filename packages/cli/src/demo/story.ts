import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { CaseSummary, IngestReceipt } from '@redoubt/contract'
import { type Client, createClient } from '@redoubt/sdk'
import type { Config } from '@redoubt/server'
import { verifyAuditProof } from '@redoubt/trust'
import type { startAllApart } from '../apart.ts'
import { startRunnerProcess } from '../runner-process.ts'
import type { startAll } from '../start.ts'
import { callConsole } from './console-call.ts'
import { demoPlaybook } from './playbook.ts'
import { startTarget } from './target.ts'
import type { Trail } from './trail.ts'
import { clientAlerts } from './vendor-alerts.ts'

export type Person = { readonly email: string; readonly password: string; readonly name: string }
/** What the story starts is pushed here, to be undone in reverse. */
export type Undo = (() => Promise<unknown>)[]
type Scene = {
  readonly apiUrl: string
  readonly ingestionUrl: string
  /** Ada in Fabrikam, Ada in Contoso, Grace in Fabrikam. */
  readonly client: Client
  readonly other: Client
  readonly approver: Client
}

export const operator: Person = newPerson('Ada Provider', 'ada@northwind-soc.example')
export const moderator: Person = newPerson('Grace Approver', 'grace@fabrikam.example')

/** From an empty platform to a proof in the audit log; every part is the real one. Returns the case it is about. */
export async function tellStory(
  config: Config,
  trail: Trail,
  undo: Undo,
  start: typeof startAll | typeof startAllApart,
): Promise<CaseSummary> {
  trail.chapter('A provider and its two clients')
  const scene = await settle(config, trail, undo, start)
  trail.chapter('Alerts arrive')
  const theCase = await receive(scene, trail)
  trail.chapter('A playbook answers, as a signed plan')
  const runId = await respond(scene, theCase, trail, undo)
  trail.chapter('The audit log proves it')
  await prove(scene, runId, trail)
  return theCase
}

async function settle(
  config: Config,
  trail: Trail,
  undo: Undo,
  start: typeof startAll | typeof startAllApart,
): Promise<Scene> {
  const running = await start(config, trail.step)
  undo.push(running.stop)
  const { urls, setUpLink } = running.platform
  const token = new URL(setUpLink as string).searchParams.get('token')
  await callConsole(urls.web, 'auth.setUp', { token, organization: 'Northwind SOC', ...operator })

  const signedIn = (person: Person, organization?: string) =>
    createClient({
      url: urls.api,
      credentials: { email: person.email, password: person.password, ...(organization ? { organization } : {}) },
    })
  const provider = signedIn(operator, 'northwind-soc')
  const fabrikam = await provider.organizations.createClient({ name: 'Fabrikam Finance', slug: 'fabrikam' })
  const contoso = await provider.organizations.createClient({ name: 'Contoso Clinics', slug: 'contoso' })
  trail.step(`${operator.name} set Northwind SOC up, with the clients ${fabrikam.name} and ${contoso.name}`)

  const client = signedIn(operator, 'fabrikam')
  const { link } = await client.members.invite({ email: moderator.email, role: 'moderator' })
  const invitation = new URL(link).searchParams.get('token')
  await callConsole(urls.web, 'auth.acceptInvitation', {
    token: invitation,
    name: moderator.name,
    password: moderator.password,
  })
  trail.step(`${moderator.name} joined ${fabrikam.name} as moderator`)

  const enrolment = await client.runners.invite({ name: 'Fabrikam runner' })
  const runner = await startRunnerProcess({ home: join(config.home, 'runner-fabrikam'), port: 0, quiet: true })
  undo.push(runner.stop)
  runner.enrol(enrolment.controlPlane, enrolment.token)
  await eventually('the runner enrols', async () => (await client.runners.list()).items.length > 0)
  trail.step(`${fabrikam.name}'s own runner enrolled from ${runner.url}`)
  return {
    apiUrl: urls.api,
    ingestionUrl: urls.ingestion,
    client,
    other: signedIn(operator, 'contoso'),
    approver: signedIn(moderator),
  }
}

async function receive({ client, other, ingestionUrl }: Scene, trail: Trail): Promise<CaseSummary> {
  await sendAlerts(client, ingestionUrl, trail)
  const theCase = await eventually('a case is opened', async () => {
    const { items } = await client.cases.list({ open: true })
    return items.find((each) => each.alertCount >= 3)
  })
  trail.alerts((await client.alerts.list({ caseId: theCase.id })).items)
  trail.openedCase(theCase)
  trail.step(`Contoso Clinics sees ${(await other.cases.list({})).items.length} of these cases`)
  return theCase
}

async function respond({ client, approver }: Scene, theCase: CaseSummary, trail: Trail, undo: Undo): Promise<string> {
  const target = await startTarget()
  undo.push(target.stop)
  const playbook = await client.playbooks.create({ yaml: demoPlaybook(target.port) })
  const { id } = await client.runs.start({ playbookId: playbook.id, caseId: theCase.id })
  const waiting = await eventually('the run waits for a person', async () => {
    const run = await client.runs.get({ id })
    if (run.state === 'failed') throw new Error(`the run failed: ${run.failure}`)
    return run.state === 'waiting' && run.waitingFor ? { ...run, waitingFor: run.waitingFor } : undefined
  })
  trail.waiting(waiting)
  await approver.runs.decide({
    id,
    stepId: waiting.waitingFor.stepId,
    decision: 'approve',
    statement: 'Seen in three sources; block it.',
  })
  trail.step(`${moderator.name} approved; the approval is inside the next signed plan`)
  const finished = await eventually('the run ends', async () => {
    const run = await client.runs.get({ id })
    return run.endedAt === null ? undefined : run
  })
  trail.finished(finished, target.blocked)
  if (finished.state !== 'succeeded') throw new Error(`the run ended as ${finished.state}: ${finished.failure}`)
  return id
}

async function prove({ client }: Scene, runId: string, trail: Trail): Promise<void> {
  const event = await eventually('the run is sealed', async () => {
    const { items } = await client.audit.list({ targetId: runId })
    return items.find((each) => each.seq !== null && each.action === 'run.started')
  })
  const { origin } = await client.audit.checkpoint()
  const proof = await client.audit.inclusion({ id: event.id })
  const verdict = await verifyAuditProof(proof, { origin })
  if (!verdict.ok) throw new Error(`the proof does not hold: ${verdict.problem}`)
  trail.proven({
    action: event.action,
    seq: proof.seq,
    size: proof.size,
    hashes: proof.proof.length,
    verifier: proof.verifier,
  })
}

async function sendAlerts(client: Client, ingestionUrl: string, trail: Trail): Promise<void> {
  for (const { source, body, ndjson } of clientAlerts(new Date())) {
    const { source: made, credentials } = await client.sources.create({ ...source, tlp: 'AMBER' })
    const text = ndjson ? (body as unknown[]).map((line) => JSON.stringify(line)).join('\n') : JSON.stringify(body)
    const response = await fetch(`${ingestionUrl}${made.path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${credentials.token}`,
        'content-type': ndjson ? 'application/x-ndjson' : 'application/json',
      },
      body: text,
    })
    const receipt = (await response.json()) as IngestReceipt
    if (response.status !== 202 || receipt.rejected.length > 0)
      throw new Error(`ingestion answered ${response.status}: ${JSON.stringify(receipt)}`)
    trail.step(
      `${made.name} (${made.type}): ${receipt.accepted} accepted, ${receipt.created} new, ${receipt.folded} folded`,
    )
  }
}

/** Asks every 100 ms for half a minute; the platform works in the background meanwhile. */
async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    await new Promise((next) => setTimeout(next, 100))
  }
  throw new Error(`Waited 30 s and it did not happen that ${what}.`)
}

function newPerson(name: string, email: string): Person {
  return { name, email, password: randomBytes(12).toString('base64url') }
}
