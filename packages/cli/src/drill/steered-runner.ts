import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plan, RunReport } from '@redoubt/contract'
import { startRunner } from '@redoubt/runner'
import { createAuthority, exportSigningKey, generateSigningKey, Keyring, signPlan } from '@redoubt/trust'
import { pino } from 'pino'
import { certificateFor, showing } from './channel.ts'
import { bodyOf } from './http.ts'
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
  const trustDomain = 'drill.example'
  const begun = new Date(Date.now() - 60_000)
  const authority = await createAuthority({ trustDomain, now: begun, validityMs: 86_400_000 })
  const rootsPem = [authority.certificatePem]
  const service = (name: string) => certificateFor(authority, { trustDomain, kind: 'service', name })
  const [api, deliverer] = [await service('api'), await service('workflow-processor')]
  const shown = { cert: api.certificatePem, key: api.privateKeyPem, minVersion: 'TLSv1.3' } as const
  const control = createServer(shown, async (request, response) => {
    if (request.method === 'POST') reports.push(JSON.parse(await textOf(request)) as RunReport)
    const trust = { planKeys: new Keyring(key).jwks(), rootsPem, denied: [] }
    const answer = request.url === '/api/v1/runner/trust' ? trust : { done: true }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((ready) => control.listen(0, '127.0.0.1', ready))
  const controlPlane = `https://127.0.0.1:${(control.address() as AddressInfo).port}`
  const plan = draftPlan(terrain, change)
  const { planId, runId, runnerId, organizationId } = plan
  const issuer = 'https://drill.example'
  // A runner keeps its identity and keys in its home; here they are put there instead of being enrolled.
  await writeFile(join(home, 'runner-key.json'), JSON.stringify(exportSigningKey(generateSigningKey('ES256'))), {
    mode: 0o600,
  })
  await writeFile(
    join(home, 'identity.json'),
    JSON.stringify({ runnerId, organizationId, issuer, controlPlane, trustDomain }),
  )
  const own = await certificateFor(authority, { trustDomain, kind: 'runner', organizationId, runnerId })
  await writeFile(join(home, 'certificate.json'), JSON.stringify({ ...own, rootsPem, denied: [] }), { mode: 0o600 })
  const runner = await startRunner({ home, port: 0, log: pino({ level: 'silent' }), resolve: async () => resolve() })
  try {
    const token = signPlan(plan, { issuer, organizationId, runnerId, planId, runId, now: new Date(), key })
    bodyOf(await showing(runner.url, deliverer).post('/v1/plans', { token, plan }))
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
