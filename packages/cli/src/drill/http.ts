import { type IncomingHttpHeaders, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { NotShown, Stopped } from './attack.ts'

/** Headers that prove who asks; made by `people.ts` for those who may, by `forge.ts` for those who may not. */
export type Proof = Readonly<Record<string, string>>

export type Wanted = {
  readonly method: string
  /** Sent as it is: no normalization takes a `..` or a `%2f` out of it. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** An object is sent as JSON. */
  readonly body?: unknown
  readonly as?: Proof
  /** Being told to wait longer than for a moment is the answer that matters; it is not waited out. */
  readonly feelsLimits?: boolean
}

export type Answer = {
  /** What was asked, for the report. */
  readonly asked: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The JSON of the body; undefined when it is none. */
  readonly json: unknown
  /** Code and sentence of a refusal (RFC 9457), from REST and tRPC alike. */
  readonly code: string | null
  readonly detail: string
}

/** The limits of a second pass by themselves. */
const momentMs = 3000

/** One service's address. */
export class Door {
  readonly url: string
  readonly #patienceMs: number
  readonly #tls: ConnectionOptions

  /**
   * @param patienceMs how long a request waits when it is told to, before it takes that for its answer
   * @param tls what the connection shows, and whom it believes
   */
  constructor(url: string, patienceMs = momentMs, tls: ConnectionOptions = {}) {
    this.url = url.replace(/\/+$/, '')
    this.#patienceMs = patienceMs
    this.#tls = tls
  }

  get = (path: string, as: Proof = {}): Promise<Answer> => this.send({ method: 'GET', path, as })
  post = (path: string, body: unknown, as: Proof = {}): Promise<Answer> => this.send({ method: 'POST', path, body, as })

  /** Calls a console procedure as the console does. */
  call = (name: string, input: unknown, as: Proof = {}): Promise<Answer> =>
    this.post(`/trpc/${name}`, input, { 'redoubt-csrf': '1', ...as })
  ask = (name: string, input: unknown, as: Proof = {}): Promise<Answer> =>
    this.get(`/trpc/${name}?input=${encodeURIComponent(JSON.stringify(input))}`, { 'redoubt-csrf': '1', ...as })

  async send(wanted: Wanted): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(wanted)
      const waitMs = Number(answer.headers['retry-after'] ?? 1) * 1000
      const patienceMs = wanted.feelsLimits ? momentMs : this.#patienceMs
      if (answer.status !== 429 || attempt === 4 || waitMs > patienceMs) return answer
      await new Promise((next) => setTimeout(next, waitMs))
    }
  }

  #once({ method, path, headers = {}, as = {}, body }: Wanted): Promise<Answer> {
    const raw = typeof body === 'string' || Buffer.isBuffer(body)
    const bytes = body === undefined ? null : raw ? body : JSON.stringify(body)
    const type = bytes === null ? {} : { 'content-type': 'application/json' }
    const length = bytes === null ? {} : { 'content-length': String(Buffer.byteLength(bytes)) }
    const send = this.url.startsWith('https:') ? tlsRequest : plainRequest
    const { hostname, port } = new URL(this.url)
    return new Promise((resolve, reject) => {
      const request = send(
        {
          ...this.#tls,
          hostname,
          port,
          method,
          path,
          headers: { ...type, ...length, ...as, ...headers },
          agent: false,
          timeout: 20_000,
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            resolve(read(`${method} ${path.slice(0, 80)}`, response.statusCode ?? 0, response.headers, text))
          })
        },
      )
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error(`${method} ${path} got no answer in 20 s`)))
      request.end(bytes ?? undefined)
    })
  }
}

function read(asked: string, status: number, headers: IncomingHttpHeaders, text: string): Answer {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  const problem = problemIn(json)
  const [field] = problem?.errors ?? []
  const detail = [problem?.detail, field && `${field.path} ${field.message}`].filter(Boolean).join(' ')
  return { asked, status, headers, text, json, code: problem?.code ?? null, detail }
}

type ProblemLike = { code?: string; detail?: string; errors?: { path: string; message: string }[] }
function problemIn(json: unknown): ProblemLike | undefined {
  if (typeof json !== 'object' || json === null) return undefined
  const { error, ...problem } = json as ProblemLike & { error?: { data?: ProblemLike } }
  if (error?.data) return error.data
  return typeof problem.code === 'string' ? problem : undefined
}

/** The body of an answer that must be a success, for preparing. Throws an Error with the refusal. */
export function bodyOf<T>(answer: Answer): T {
  if (!isSuccess(answer)) throw new Error(`${answer.asked} was refused: ${refusalOf(answer)}`)
  const { json } = answer
  const wrapped = typeof json === 'object' && json !== null && 'result' in json
  return (wrapped ? (json as { result: { data: T } }).result.data : json) as T
}

/** For controls: the request went through. @throws NotShown */
export function passed(answer: Answer, who = 'by one who may'): string {
  if (isSuccess(answer)) return `${answer.asked} ${who}: ${answer.status}`
  throw new NotShown(`${answer.asked} ${who} was refused too: ${refusalOf(answer)}`)
}

/**
 * For attacks: refused with one of these codes.
 * @returns the evidence when it went through @throws Stopped, or Error for another answer than either
 */
export function refused(answer: Answer, ...codes: readonly string[]): string {
  if (isSuccess(answer)) return `${answer.asked} went through: ${answer.status} ${answer.text.slice(0, 120)}`
  if (answer.code !== null && codes.includes(answer.code)) throw new Stopped(refusalOf(answer))
  throw new Error(`${answer.asked}: expected ${codes.join(' or ')}, got ${refusalOf(answer)}`)
}

/** For attacks by reading: answered, without what must not be in it. */
export function withheld(answer: Answer, secret: string, what: string): string {
  if (answer.text.includes(secret)) return `${answer.asked} answered with ${what}`
  if (isSuccess(answer)) throw new Stopped(`${answer.status} without ${what}`)
  throw new Error(`${answer.asked}: expected an answer without ${what}, got ${refusalOf(answer)}`)
}

/** For controls by reading: the secret is there for whoever may see it. @throws NotShown */
export function contains(answer: Answer, secret: string, what: string): string {
  if (isSuccess(answer) && answer.text.includes(secret))
    return `${answer.asked} by one who may: ${answer.status} with ${what}`
  throw new NotShown(`${answer.asked} by one who may did not show ${what}: ${refusalOf(answer)}`)
}

export const isSuccess = ({ status, json }: Answer): boolean =>
  status >= 200 && status < 300 && !(typeof json === 'object' && json !== null && 'error' in json)

export const refusalOf = ({ status, code, detail, text }: Answer): string =>
  code === null
    ? `${status} ${text.slice(0, 80)}`.trim()
    : `${status} ${code}${detail ? `: ${detail.slice(0, 160)}` : ''}`
