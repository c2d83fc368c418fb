import type { ConnectionOptions } from 'node:tls'
import {
  type Authority,
  createCertificateRequest,
  issueSvid,
  type RunnerGrant,
  type SpiffeId,
  signRunnerToken,
} from '@redoubt/trust'
import { type Answer, Door, type Wanted } from './http.ts'
import type { RunnerKey } from './terrain.ts'

/** A certificate with its key, PEM, as a client shows it. */
export type Shown = { readonly certificatePem: string; readonly privateKeyPem: string }

/** A door to which the certificate is shown; an attacker does not ask who stands behind it. */
export const showing = (url: string, shown: Shown | null, more: ConnectionOptions = {}): Door =>
  new Door(url, undefined, {
    rejectUnauthorized: false,
    ...(shown ? { cert: shown.certificatePem, key: shown.privateKeyPem } : {}),
    ...more,
  })

/** A certificate in whosever name; of a minute ago for as long as it says. */
export async function certificateFor(authority: Authority, id: SpiffeId, lifetimeMs = 3_600_000): Promise<Shown> {
  const { requestPem, privateKeyPem } = createCertificateRequest()
  const now = new Date(Date.now() - 10_000)
  const { certificatePem } = await issueSvid(authority, requestPem, id, { now, lifetimeMs })
  return { certificatePem, privateKeyPem: privateKeyPem.reveal() }
}

/**
 * A request as a runner signs it.
 * @param by whose key signs, and in whose name
 * @param wanted.signed what is signed, where it is not what is sent
 */
export function asRunner(
  door: Door,
  by: Pick<RunnerKey, 'id' | 'key'>,
  organizationId: string,
  { signed, ...wanted }: Wanted & { readonly signed?: object },
): Promise<Answer> {
  const covered = signed ?? wanted.body
  const body = Buffer.from(covered === undefined ? '' : JSON.stringify(covered))
  const grant: RunnerGrant = { runnerId: by.id, organizationId, tokenId: crypto.randomUUID(), body, now: new Date() }
  return door.send({ ...wanted, headers: { authorization: `Runner ${signRunnerToken(grant, by.key)}` } })
}
