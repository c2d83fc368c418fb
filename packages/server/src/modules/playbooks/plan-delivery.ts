import { lookup as resolveName } from 'node:dns/promises'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Plan } from '@redoubt/contract'
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

/**
 * Pushes a signed plan to `POST /v1/plans` of a runner; at most ten seconds. Redirects are not followed and no proxy is
 * used: the request goes to the enrolled origin or nowhere.
 */
export async function deliverPlan(origin: string, token: string, plan: Plan): Promise<Delivered> {
  try {
    const { status, body } = await post(new URL('/v1/plans', origin), JSON.stringify({ token, plan }))
    if (status === 202) return { kind: 'accepted' }
    const problem = problemIn(body)
    if (status === 409 && taken.has(problem.code)) return { kind: 'accepted' }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) return { kind: 'refused', ...problem }
    return { kind: 'silent', reason: `it answered with status ${status}` }
  } catch (error) {
    if (error instanceof RefusedAddress) return { kind: 'refused', code: 'address_refused', detail: error.message }
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

function post(url: URL, body: string): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(timeoutMs)
  // A literal address is connected to without a lookup, so it is looked at here.
  if (isRefusedAddress(url.hostname)) return Promise.reject(new RefusedAddress())
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const request: ClientRequest = send(url, { method: 'POST', headers, lookup, signal, agent: false })
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
