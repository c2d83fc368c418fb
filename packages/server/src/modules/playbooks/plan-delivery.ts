import { lookup as resolveName } from 'node:dns/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Plan } from '@redoubt/contract'
import {
  type CertificateHolder,
  internalClientOptions,
  type SpiffeId,
  TrustError,
  type TrustErrorCode,
} from '@redoubt/trust'
import { z } from 'zod'
import { isRefusedAddress } from './runners/rules.ts'

/** What became of a delivery. `silent` is worth another try; `refused` is not. */
export type Delivered =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly code: string; readonly detail: string }
  | { readonly kind: 'silent'; readonly reason: string }

const timeoutMs = 10_000
const answerMaxBytes = 16 * 1024
const Problem = z.object({ code: z.string().max(60), detail: z.string().max(500).optional() })
/** The runner has this plan, or an earlier one of the same segment whose answer was lost: it is at work or done already. */
const taken = new Set(['plan_replayed', 'run_in_progress', 'run_finished'])

/** What answers there is somebody else, and will be at the next try. */
const impostor: ReadonlySet<TrustErrorCode> = new Set([
  'certificate_denied',
  'certificate_id',
  'certificate_trust_domain',
  'certificate_usage',
])

/** Where a plan goes, by which certificate, and who has to be there. */
export type Destination = { readonly origin: string; readonly holder: CertificateHolder; readonly runner: SpiffeId }

/**
 * Pushes a signed plan to `POST /v1/plans` of a runner, over TLS 1.3 with certificates on both sides; at most ten seconds.
 * Redirects are not followed and no proxy is used: the request goes to the enrolled origin, and to this very runner there,
 * or nowhere.
 */
export async function deliverPlan(
  { origin, holder, runner }: Destination,
  token: string,
  plan: Plan,
): Promise<Delivered> {
  const url = new URL('/v1/plans', origin)
  if (url.protocol !== 'https:') {
    const detail =
      'it was enrolled before plans travelled over mutual TLS: revoke it, then redoubt runner invite NAME and redoubt runner start --enrol on its machine'
    return { kind: 'refused', code: 'runner_enrolled_before', detail }
  }
  try {
    const tls = internalClientOptions(holder, runner)
    const { status, body } = await post(url, JSON.stringify({ token, plan }), tls)
    if (status === 202) return { kind: 'accepted' }
    const problem = problemIn(body)
    if (status === 409 && taken.has(problem.code)) return { kind: 'accepted' }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) return { kind: 'refused', ...problem }
    return { kind: 'silent', reason: `it answered with status ${status}` }
  } catch (error) {
    if (error instanceof RefusedAddress) return { kind: 'refused', code: 'address_refused', detail: error.message }
    if (error instanceof TrustError && impostor.has(error.code))
      return { kind: 'refused', code: error.code, detail: `it is not this runner that answers there: ${error.message}` }
    return { kind: 'silent', reason: reasonOf(error) }
  }
}

class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress'
  constructor() {
    super('no runner lives at this address')
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return 'its answer was not understood'
  return error.code === 'ABORT_ERR' ? 'it took longer than ten seconds' : String(error.code)
}

/** Only the words of a problem document are passed on: whatever else may listen there is not shown to anybody. */
function problemIn(body: string): { code: string; detail: string } {
  try {
    const { code, detail } = Problem.parse(JSON.parse(body))
    return { code, detail: detail ?? code }
  } catch {
    return { code: 'unknown', detail: 'it gave no reason' }
  }
}

function post(url: URL, body: string, tls: ConnectionOptions): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(timeoutMs)
  // A literal address is connected to without a lookup, so it is looked at here.
  if (isRefusedAddress(url.hostname)) return Promise.reject(new RefusedAddress())
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const options = { ...tls, method: 'POST', headers, lookup, signal, agent: false } as const
    const request: ClientRequest = httpsRequest(url, options)
    request.once('error', reject)
    request.once('response', (response: IncomingMessage) => {
      read(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject)
    })
    request.end(body)
  })
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    size += (chunk as Buffer).length
    if (size > answerMaxBytes) throw new Error('the answer is too long')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The connection goes to the very address that was looked at: a name cannot point elsewhere in between (DNS rebinding). */
const lookup: LookupFunction = (hostname, options, callback) => {
  resolveName(hostname, { ...options, all: true }).then(
    (addresses) => {
      const first = addresses[0]
      if (!first || addresses.some(({ address }) => isRefusedAddress(address)))
        return callback(new RefusedAddress(), '')
      if (options.all) return callback(null, addresses)
      callback(null, first.address, first.family)
    },
    (error: NodeJS.ErrnoException) => callback(error, ''),
  )
}
