import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createCertificateRequest,
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  parseEnrolmentToken,
} from '@redoubt/trust'
import { showing } from './channel.ts'
import { type Answer, bodyOf, type Door } from './http.ts'
import { bearer, type Organization } from './organization.ts'
import type { RunnerKey } from './terrain.ts'

type Doors = { readonly api: Door; readonly runnersPort: Door }

/** A one-time token as its admin gets it, without the pins: the drill knows whom it attacks. */
export async function enrolmentToken(api: Door, of: Organization): Promise<string> {
  const body = { name: 'Drill runner' }
  const invited = await api.post('/api/v1/runners/enrolments', body, bearer(of.admin))
  return parseEnrolmentToken(bodyOf<{ token: string }>(invited).token).token
}

/** Sends an enrolment for new keys, which come back with the answer. */
export async function sendEnrolment(runnersPort: Door, token: string) {
  const key = generateSigningKey('ES256')
  const { kty, crv, x, y } = exportSigningKey(key) as { kty: 'EC'; crv: 'P-256'; x: string; y: string }
  const { requestPem: certificateRequest, privateKeyPem } = createCertificateRequest()
  const sent = { token, publicKey: { kty, crv, x, y }, url: 'https://127.0.0.1:9', certificateRequest }
  const answer: Answer = await runnersPort.post('/api/v1/runner/enroll', sent)
  return { answer, key, privateKeyPem: privateKeyPem.reveal() }
}

/**
 * Enrols a runner that is nothing but its keys: what an attacker with a runner of another tenant holds.
 * @throws Error with the refusal
 */
export async function enrolRunner({ api, runnersPort }: Doors, of: Organization, token?: string): Promise<RunnerKey> {
  const { answer, key, privateKeyPem } = await sendEnrolment(runnersPort, token ?? (await enrolmentToken(api, of)))
  const { runnerId, certificatePem } = bodyOf<{ runnerId: string; certificatePem: string }>(answer)
  const shown = { certificatePem, privateKeyPem }
  return { id: runnerId, key, shown, channel: showing(runnersPort.url, shown) }
}

/** The identity of A's runner, which only its own process and this drill read. */
export function identityIn(home: string, runnersPort: Door): RunnerKey {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(home, name), 'utf8'))
  const { certificatePem, privateKeyPem } = read('certificate.json') as {
    certificatePem: string
    privateKeyPem: string
  }
  const shown = { certificatePem, privateKeyPem }
  const { runnerId: id } = read('identity.json') as { runnerId: string }
  return { id, key: importSigningKey(read('runner-key.json')), shown, channel: showing(runnersPort.url, shown) }
}
