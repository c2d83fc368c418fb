import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { Secret } from '@redoubt/trust'
import { KeeperError } from './keeper-error.ts'

/* Requests and answers of Vault's and OpenBao's HTTP API (/v1), before anything is known about tokens. */

const TIMEOUT_MS = 10_000
const MOST_ANSWER_BYTES = 8 * 1024 * 1024

export type VaultAddress = {
  /** Such as https://vault.example:8200; http:// only to this machine. */
  readonly address: string
  readonly namespace?: string | undefined
  /** PEM: the only authorities that are believed, instead of the system's. */
  readonly caFile?: string | undefined
}
export type VaultRequest = {
  readonly method: 'GET' | 'POST'
  /** Below /v1/, with its query. */
  readonly path: string
  readonly token?: Secret<string>
  readonly body?: Readonly<Record<string, unknown>>
  /** Some of sys/ exists only in the root namespace. */
  readonly inRootNamespace?: boolean
}
export type VaultAnswer = { readonly status: number; readonly body: unknown }

/** No answer came, so nobody knows whether the request arrived. */
export class VaultUnreachable extends Error {
  override readonly name = 'VaultUnreachable'
}

/** Vault answered, but did not do it: sealed, electing a leader, or too busy. */
export class VaultBusy extends Error {
  override readonly name = 'VaultBusy'
}

// API documentation, "HTTP status codes".
const notDone = new Set([412, 429, 500, 501, 502, 503, 504])

/** @throws VaultBusy */
export function requireDone(answer: VaultAnswer): void {
  if (notDone.has(answer.status)) throw new VaultBusy(refusalOf(answer))
}

export class VaultWire {
  readonly host: string
  readonly #address: URL
  readonly #namespace: string | undefined
  readonly #agent: HttpAgent | HttpsAgent

  private constructor(address: URL, namespace: string | undefined, ca: Buffer | undefined) {
    this.host = address.host
    this.#address = address
    this.#namespace = namespace
    const kept = { keepAlive: true, maxSockets: 16 }
    this.#agent =
      address.protocol === 'https:'
        ? new HttpsAgent({ ...kept, minVersion: 'TLSv1.2', ...(ca ? { ca } : {}) })
        : new HttpAgent(kept)
  }

  /** @throws KeeperError `invalid` for an address that would show the token to others, or an unreadable CA file */
  static async open({ address, namespace, caFile }: VaultAddress): Promise<VaultWire> {
    const url = URL.parse(address)
    if (!url || !['http:', 'https:'].includes(url.protocol) || url.username || url.password || url.search || url.hash)
      throw new KeeperError('invalid', 'Vault’s address is one such as https://vault.example:8200.')
    if (url.protocol === 'http:' && !isLoopback(url.hostname))
      throw new KeeperError('invalid', `http://${url.host} would show Vault’s token to the network: use https.`)
    if (namespace !== undefined && !/^[\w-]+(\/[\w-]+)*\/?$/.test(namespace))
      throw new KeeperError('invalid', 'A Vault namespace has letters, digits, hyphens and slashes.')
    const ca = caFile === undefined ? undefined : await readAuthorities(caFile)
    return new VaultWire(url, namespace, ca)
  }

  /** @throws VaultUnreachable when no whole answer came in time */
  send({ method, path, token, body, inRootNamespace }: VaultRequest): Promise<VaultAnswer> {
    const url = new URL(`${this.#address.pathname.replace(/\/$/, '')}/v1/${path}`, this.#address)
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body), 'utf8')
    const headers: Record<string, string> = {
      // Asked for by Vault's proxy against requests forged through a browser.
      'x-vault-request': 'true',
      ...(token ? { 'x-vault-token': token.reveal() } : {}),
      ...(this.#namespace && !inRootNamespace ? { 'x-vault-namespace': this.#namespace } : {}),
      ...(content ? { 'content-type': 'application/json', 'content-length': String(content.length) } : {}),
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new VaultUnreachable(`${this.host} does not answer (${reasonOf(cause)})`, { cause }))
      const request = start(url, { method, headers, agent: this.#agent, signal }, (response) => {
        answerOf(response).then(resolve, fail)
      })
      request.on('error', fail)
      request.end(content, () => content?.fill(0))
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

async function answerOf(response: IncomingMessage): Promise<VaultAnswer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MOST_ANSWER_BYTES) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  const status = response.statusCode ?? 0
  // A redirect would carry the token to a host that nobody configured.
  if (status >= 300 && status < 400) throw new Error('it redirects to another node: configure the active one')
  const content = Buffer.concat(chunks)
  const text = content.toString('utf8')
  content.fill(0)
  if (text === '') return { status, body: null }
  try {
    return { status, body: JSON.parse(text) }
  } catch {
    // Without the cause: a JSON error quotes what it read, and that may be a secret.
    throw new Error('the answer is not JSON')
  }
}

async function readAuthorities(caFile: string): Promise<Buffer> {
  const ca = await readFile(caFile).catch((cause: NodeJS.ErrnoException) => {
    throw new KeeperError('invalid', `Vault’s CA file ${caFile} cannot be read (${cause.code}).`, { cause })
  })
  // Without a certificate in it, Node would quietly believe nobody.
  if (!ca.includes('-----BEGIN CERTIFICATE-----'))
    throw new KeeperError('invalid', `Vault’s CA file ${caFile} holds no certificate in PEM form.`)
  return ca
}

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname === '[::1]') return true
  return isIP(hostname) === 4 && hostname.startsWith('127.')
}

const reasonOf = (cause: Error): string =>
  (cause as NodeJS.ErrnoException).code ?? (cause.name === 'TimeoutError' ? 'no answer in time' : cause.message)

/** Vault's own words for a refusal: `{"errors": [...]}`. They quote paths and rules, no secrets. */
export function refusalOf({ status, body }: VaultAnswer): string {
  const errors = errorsOf(body)
  return errors.length > 0 ? errors.join('; ').replaceAll(/\s+/g, ' ').slice(0, 200) : `status ${status}`
}

/** What a body says under `errors`; none for an answer that is no error. */
export function errorsOf(body: unknown): readonly string[] {
  const errors = typeof body === 'object' && body !== null && 'errors' in body ? body.errors : []
  return Array.isArray(errors) ? errors.filter((error) => typeof error === 'string') : []
}
