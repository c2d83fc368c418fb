import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IngestReceipt } from '@redoubt/contract'
import { type Client, createClient } from '@redoubt/sdk'
import { configOf, readConfig } from '@redoubt/server'
import { verifyAuditProof } from '@redoubt/trust'
import { startRunnerProcess } from '../runner-process.ts'
import { startAll, stopAndExit, stopSignal } from '../start.ts'
import { callConsole } from './console-call.ts'
import { demoPlaybook } from './playbook.ts'
import { startTarget } from './target.ts'
import { type Trail, tell } from './trail.ts'
import { clientAlerts } from './vendor-alerts.ts'

type Person = { readonly email: string; readonly password: string; readonly name: string }

/**
 * `redoubt demo`: the whole story on a temporary home, every part real: a provider with two clients, alerts of five
 * vendors, a case, a signed plan that waits for a person, a runner that carries it out, and the proof in the audit log.
 * @param options.once exit after the story instead of leaving the console open
 * @param options.json end with the trail as one line of JSON
 */
export async function demo(options: { once: boolean; json: boolean }): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-demo-'))
  const trail = tell()
  const signal = stopSignal()
  const stops: (() => Promise<unknown>)[] = [() => rm(home, { recursive: true, force: true })]
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const operator: Person = { name: 'Ada Provider', email: 'ada@northwind-soc.example', password: newPassword() }
    const moderator: Person = { name: 'Grace Approver', email: 'grace@fabrikam.example', password: newPassword() }
    trail.chapter('A provider and its two clients')
    const ports = await portsFor(options.once)
    const config = configOf({
      ...readConfig({ REDOUBT_LOG_LEVEL: 'error' }),
      home,
      databaseUrl: undefined,
      ports,
      publicUrl: `http://localhost:${ports.web}`,
    })
    const running = await startAll(config, (line) => trail.step(line))
    stops.push(running.stop)
    const { urls, setUpLink } = running.platform

    const setUpToken = new URL(setUpLink as string).searchParams.get('token')
    await callConsole(urls.web, 'auth.setUp', { token: setUpToken, organization: 'Northwind SOC', ...operator })
    const provider = createClient({
      url: urls.api,
      credentials: { ...credentialsOf(operator), organization: 'northwind-soc' },
    })
    const fabrikam = await provider.organizations.createClient({ name: 'Fabrikam Finance', slug: 'fabrikam' })
    const contoso = await provider.organizations.createClient({ name: 'Contoso Clinics', slug: 'contoso' })
    trail.step(`${operator.name} set Northwind SOC up, with the clients ${fabrikam.name} and ${contoso.name}`)
    const client = createClient({
      url: urls.api,
      credentials: { ...credentialsOf(operator), organization: 'fabrikam' },
    })
    const other = createClient({ url: urls.api, credentials: { ...credentialsOf(operator), organization: 'contoso' } })
    const { link } = await client.members.invite({ email: moderator.email, role: 'moderator' })
    await callConsole(urls.web, 'auth.acceptInvitation', {
      token: new URL(link).searchParams.get('token'),
      name: moderator.name,
      password: moderator.password,
    })
    const approver = createClient({ url: urls.api, credentials: credentialsOf(moderator) })
    trail.step(`${moderator.name} joined ${fabrikam.name} as moderator`)

    const enrolment = await client.runners.invite({ name: 'Fabrikam runner' })
    const runner = await startRunnerProcess({ home: join(home, 'runner-fabrikam'), port: 0, quiet: true })
    stops.push(() => runner.stop())
    runner.enrol(urls.api, enrolment.token)
    await eventually('the runner enrols', async () => (await client.runners.list()).items.length > 0)
    trail.step(`${fabrikam.name}'s own runner enrolled from ${runner.url}`)

    trail.chapter('Alerts arrive')
    await sendAlerts(client, urls.ingestion, trail)
    const theCase = await eventually('a case is opened', async () => {
      const { items } = await client.cases.list({ open: true })
      return items.find((each) => each.alertCount >= 3)
    })
    const { items: alerts } = await client.alerts.list({ caseId: theCase.id })
    trail.alerts(alerts)
    trail.openedCase(theCase)
    const seenByOther = await other.cases.list({})
    trail.step(`${contoso.name} sees ${seenByOther.items.length} of these cases`)

    trail.chapter('A playbook answers, as a signed plan')
    const target = await startTarget()
    stops.push(() => target.stop())
    const playbook = await client.playbooks.create({ yaml: demoPlaybook(target.port) })
    const started = await client.runs.start({ playbookId: playbook.id, caseId: theCase.id })
    const waiting = await eventually('the run waits for a person', async () => {
      const run = await client.runs.get({ id: started.id })
      if (run.state === 'failed') throw new Error(`the run failed: ${run.failure}`)
      return run.state === 'waiting' && run.waitingFor ? { ...run, waitingFor: run.waitingFor } : undefined
    })
    trail.waiting(waiting)
    await approver.runs.decide({
      id: started.id,
      stepId: waiting.waitingFor.stepId,
      decision: 'approve',
      statement: 'Seen in three sources; block it.',
    })
    trail.step(`${moderator.name} approved; the approval is inside the next signed plan`)
    const finished = await eventually('the run ends', async () => {
      const run = await client.runs.get({ id: started.id })
      return run.endedAt === null ? undefined : run
    })
    trail.finished(finished, target.blocked)

    trail.chapter('The audit log proves it')
    const event = await eventually('the run is sealed', async () => {
      const { items } = await client.audit.list({ targetId: started.id })
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

    if (options.json) process.stdout.write(`${JSON.stringify(trail.json())}\n`)
    if (options.once) return
    process.stdout.write(
      `\nThe console is open at ${config.publicUrl}\n  operator   ${operator.email}   ${operator.password}\n  approver   ${moderator.email}   ${moderator.password}\n\nStop with Ctrl-C; the temporary home is then removed.\n`,
    )
    await signal
    await stopAndExit(stop)
  } finally {
    await stop()
  }
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

const credentialsOf = ({ email, password }: Person) => ({ email, password })
const newPassword = (): string => randomBytes(12).toString('base64url')

/** The usual ports where they are free, others where not; `once` runs beside anything. */
async function portsFor(anyFree: boolean): Promise<{ web: number; api: number; ingestion: number; runner: number }> {
  const { ports } = readConfig({})
  const pick = async (usual: number) => (!anyFree && (await isFree(usual)) ? usual : freePort())
  return {
    web: await pick(ports.web),
    api: await pick(ports.api),
    ingestion: await pick(ports.ingestion),
    runner: await pick(ports.runner),
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
