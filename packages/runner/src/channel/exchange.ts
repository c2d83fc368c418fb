import { connect } from 'node:tls'
import { type CertificateHolder, internalConnector, systemTimers } from '@redoubt/trust'
import { Agent, request } from 'undici'

const TIMEOUT_MS = 10_000
const ANSWER_MAX_BYTES = 256 * 1024
const timeouts = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS }

/** The control plane did not answer, or not with what it should. Try again later. */
export class ControlPlaneUnavailable extends Error {
  override readonly name = 'ControlPlaneUnavailable'
}
/** The control plane answered that it does not want this; trying again cannot help. */
export class ControlPlaneRefused extends Error {
  override readonly name = 'ControlPlaneRefused'
}
/** The control plane knows the runner by its token and not by its connection: a new certificate mends it. */
export class CertificateRefused extends ControlPlaneUnavailable {}

/** Requests go to the service `api` of the holder's trust domain, or nowhere; the host name proves nothing. */
export function mutualAgent(holder: CertificateHolder): Agent {
  const expected = { trustDomain: holder.spiffeId.trustDomain, kind: 'service', name: 'api' } as const
  return new Agent({
    connect: internalConnector({ connect, holder, expected, timers: systemTimers }) as never,
    ...timeouts,
  })
}

/** Talks with whoever answers. For what is public and verified by other means; nothing secret may be sent. */
export function unverifiedAgent(): Agent {
  return new Agent({ connect: { rejectUnauthorized: false, minVersion: 'TLSv1.3', timeout: TIMEOUT_MS }, ...timeouts })
}

type Wanted = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/**
 * One request for JSON; at most ten seconds. No redirect is followed, no proxy used.
 * Throws {@link ControlPlaneUnavailable}, {@link CertificateRefused} or {@link ControlPlaneRefused}.
 */
export async function exchange(agent: Agent, base: string, wanted: Wanted): Promise<unknown> {
  const { method, path, body = null, headers = {} } = wanted
  const url = `${base.replace(/\/+$/, '')}${path}`
  const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(wanted.signal ? [wanted.signal] : [])])
  let status: number
  let text = ''
  try {
    const answer = await request(url, { method, headers, body, dispatcher: agent, signal })
    status = answer.statusCode
    for await (const chunk of answer.body) {
      text += Buffer.from(chunk).toString('utf8')
      if (text.length > ANSWER_MAX_BYTES) throw new Error('the answer is too long')
    }
  } catch (error) {
    throw new ControlPlaneUnavailable(`${method} ${url} failed: ${reasonOf(error)}`, { cause: error })
  }
  if (status === 403) throw new CertificateRefused(`${method} ${url} did not take the certificate of this runner`)
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    throw new ControlPlaneRefused(`${method} ${url} was refused with status ${status}`)
  }
  if (status < 200 || status > 299) throw new ControlPlaneUnavailable(`${method} ${url} answered with status ${status}`)
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    throw new ControlPlaneUnavailable(`${method} ${url} did not answer with JSON`)
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'no answer'
