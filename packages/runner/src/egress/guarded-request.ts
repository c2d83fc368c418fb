import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { type EgressRule, type Method, type Origin, originOf } from '@redoubt/contract'
import { Agent, errors, request } from 'undici'
import { classifyAddress } from './address.ts'

export const RESPONSE_MAX_BYTES = 1024 * 1024

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly string[]>
export const resolveBySystem: Resolve = async (host) =>
  (await lookup(host, { all: true })).map((answer) => answer.address)

export type RequestErrorCode =
  | 'egress_not_listed'
  | 'egress_address'
  | 'egress_unresolved'
  | 'connection'
  | 'timeout'
  | 'response_too_large'
  | 'response_broken'

/** `sent` tells whether the target may have received the request. Messages name host and port, nothing else. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: RequestErrorCode
  readonly sent: boolean
  constructor(code: RequestErrorCode, message: string, sent: boolean) {
    super(message)
    this.code = code
    this.sent = sent
  }
}

export type GuardedRequest = {
  readonly method: Method
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** For everything from the look-up of the name to the last byte, in milliseconds. */
  readonly timeoutMs: number
  readonly egress: readonly EgressRule[]
  readonly resolve: Resolve
}
export type GuardedResponse = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/**
 * One HTTP request to a host and port on the plan's egress list. The name is resolved once, every address of the
 * answer is judged, and the connection goes to these very addresses: a name that answers differently the second time
 * (DNS rebinding) is never asked again. Redirects are returned, not followed; TLS is verified; no proxy and no
 * credential of the surroundings is used. Throws {@link RequestError}.
 */
export const guardedRequest = async (wanted: GuardedRequest): Promise<GuardedResponse> => {
  const origin = originOf(wanted.url)
  const place = `${origin.host}:${origin.port}`
  const signal = AbortSignal.timeout(wanted.timeoutMs)
  const late = (sent: boolean) => new RequestError('timeout', `${place} gave no answer in ${wanted.timeoutMs} ms`, sent)
  const addresses = await permittedAddresses(origin, wanted, signal, late)

  const agent = new Agent({
    connect: { lookup: answerOnly(addresses), timeout: wanted.timeoutMs },
    headersTimeout: wanted.timeoutMs,
    bodyTimeout: wanted.timeoutMs,
    pipelining: 0,
  })
  try {
    const response = await request(wanted.url, {
      method: wanted.method,
      headers: { 'user-agent': 'redoubt-runner', 'accept-encoding': 'identity', ...wanted.headers },
      body: wanted.body ?? null,
      dispatcher: agent,
      signal,
    })
    return { status: response.statusCode, headers: response.headers, body: await bounded(response.body, place) }
  } catch (error) {
    if (error instanceof RequestError) throw error
    if (signal.aborted) throw late(true)
    throw new RequestError('connection', `${place}: ${faultOf(error)}`, !neverConnected(error))
  } finally {
    agent.destroy().catch(() => {})
  }
}

const permittedAddresses = async (
  origin: Origin,
  { egress, resolve }: GuardedRequest,
  signal: AbortSignal,
  late: (sent: boolean) => RequestError,
): Promise<readonly string[]> => {
  const rule = egress.find((candidate) => candidate.host === origin.host && candidate.port === origin.port)
  if (rule === undefined) {
    const message = `${origin.host}:${origin.port} is not on the egress list of the plan`
    throw new RequestError('egress_not_listed', message, false)
  }
  const addresses = isIP(origin.host) === 0 ? await resolved(origin.host, resolve, signal, late) : [origin.host]
  for (const address of addresses) {
    const kind = classifyAddress(address)
    if (kind === 'public' || (kind === 'private' && rule.allowPrivate)) continue
    // One bad address spoils the whole answer: a mixed answer is how rebinding begins.
    const message =
      kind === 'private'
        ? `${origin.host} is at a private address, which its egress rule does not allow`
        : `${origin.host} is at an address that no plan may call`
    throw new RequestError('egress_address', message, false)
  }
  return addresses
}

const resolved = async (
  host: string,
  resolve: Resolve,
  signal: AbortSignal,
  late: (sent: boolean) => RequestError,
): Promise<readonly string[]> => {
  const abandoned = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(late(false)), { once: true })
  })
  try {
    const addresses = await Promise.race([resolve(host), abandoned])
    if (addresses.length > 0) return addresses
  } catch (error) {
    if (error instanceof RequestError) throw error
  }
  throw new RequestError('egress_unresolved', `${host} has no address`, false)
}

/** A look-up that knows nothing but the addresses already judged. */
const answerOnly =
  (addresses: readonly string[]): LookupFunction =>
  (_host, options, callback) => {
    const answers = addresses.map((address) => ({ address, family: isIP(address) }))
    const first = answers[0]
    if (options.all === true) callback(null, answers)
    else if (first !== undefined) callback(null, first.address, first.family)
  }

const bounded = async (body: AsyncIterable<Buffer>, place: string): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > RESPONSE_MAX_BYTES) {
      throw new RequestError('response_too_large', `${place} answered more than ${RESPONSE_MAX_BYTES} bytes`, true)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const codeOf = (error: unknown): string => {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Failures before the first byte of the request could leave: no connection, or no trusted one. */
const neverConnected = (error: unknown): boolean =>
  error instanceof errors.ConnectTimeoutError ||
  /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(
    codeOf(error),
  )

const faultOf = (error: unknown): string => {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (/^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) return `TLS was not trusted (${code})`
  return `the connection failed${code === '' ? '' : ` (${code})`}`
}
