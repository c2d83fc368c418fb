import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plan, RunReport } from '@redoubt/contract'
import { startRunner } from '@redoubt/runner'
import { exportSigningKey, generateSigningKey, Keyring, signPlan } from '@redoubt/trust'
import { pino } from 'pino'
import { bodyOf, Door } from './http.ts'
import { eventually } from './organization.ts'
import { draftPlan, type Planning } from './plans.ts'

/**
 * Runs one plan on a runner whose names are answered by the attacker, which a runner process does not allow: the real
 * runner inside this process, over a control plane that only publishes a key and keeps what is reported.
 * @param resolve answers each question for the host name `rebound.example`
 */
export async function runWithResolver(
  terrain: Planning,
  change: Partial<Plan>,
  resolve: () => readonly string[],
): Promise<RunReport> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-drill-runner-'))
  const key = generateSigningKey('ES256')
  const reports: RunReport[] = []
  const control = createServer(async (request, response) => {
    if (request.method === 'POST') reports.push(JSON.parse(await textOf(request)) as RunReport)
    const answer = request.url === '/.well-known/plan-jwks.json' ? new Keyring(key).jwks() : { done: true }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((ready) => control.listen(0, '127.0.0.1', ready))
  const controlPlane = `http://127.0.0.1:${(control.address() as AddressInfo).port}`
  const plan = draftPlan(terrain, change)
  const { planId, runId, runnerId, organizationId } = plan
  const issuer = 'https://drill.example'
  // A runner keeps its identity and key in its home; here they are put there instead of being enrolled.
  await writeFile(join(home, 'runner-key.json'), JSON.stringify(exportSigningKey(generateSigningKey('ES256'))), {
    mode: 0o600,
  })
  await writeFile(join(home, 'identity.json'), JSON.stringify({ runnerId, organizationId, issuer, controlPlane }))
  const runner = await startRunner({ home, port: 0, log: pino({ level: 'silent' }), resolve: async () => resolve() })
  try {
    const token = signPlan(plan, { issuer, organizationId, runnerId, planId, runId, now: new Date(), key })
    bodyOf(await new Door(runner.url).post('/v1/plans', { token, plan }))
    return await eventually('the run is reported', async () => reports.find(({ status }) => status !== 'running'))
  } finally {
    await runner.stop()
    await new Promise((done) => control.close(done))
    await rm(home, { recursive: true, force: true })
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
