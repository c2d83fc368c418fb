import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../src/platform/clock.ts'
import type { ServerCertificate } from './certificates.ts'

/*
 * Exchanges with Vault's HTTP API, written down from its documentation (api-docs: auth/approle, auth/kubernetes, auth/token,
 * secret/kv/kv-v2, secret/transit, system/health) and, for what that leaves open (the answer to a deleted version,
 * check-and-set against one), from the source of the key-value engine. They were not taken
 * from a running server, and this is no Vault: it knows these requests alone, keeps as much state as they need, and notes
 * any other request, header or body as a violation, which fails the test.
 */

type Answer = { readonly status: number; readonly body?: unknown; readonly text?: string }
type Version = { data: Record<string, unknown> | null; created: Date; deletion: string; destroyed: boolean }
type Asked = { readonly method: string; readonly path: string; readonly namespace: string | undefined }
type Token = { ttlSeconds: number; renewable: boolean; renewals: number }

export type ExchangeOptions = {
  readonly clock: Clock
  readonly namespace?: string
  readonly tls?: ServerCertificate
}

export const ROLE_ID = '59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8'
export const SECRET_ID = '84896a0c-1347-aa90-a4f6-aca8b7558780'
export const SERVICE_ACCOUNT_JWT = 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln'

const nothing: Answer = { status: 404, body: { errors: [] } }
const denied: Answer = { status: 403, body: { errors: ['permission denied'] } }
const noContent: Answer = { status: 204 }
const envelope = (part: object) => ({
  request_id: randomUUID(),
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data: null,
  wrap_info: null,
  warnings: null,
  auth: null,
  ...part,
})
const ok = (part: object): Answer => ({ status: 200, body: envelope(part) })

export class VaultExchanges {
  /** Requests that the protocol does not know. */
  readonly violations: string[] = []
  readonly asked: Asked[] = []
  readonly tokens = new Map<string, Token>()
  readonly transit = new Map<string, { settings: Record<string, unknown>; versions: Buffer[] }>()
  /** What the next sign-ins are granted. */
  grant = { ttlSeconds: 3600, renewable: true }
  /** How long renewals are granted for, and how many; then they are refused. */
  renewal = { ttlSeconds: 3600, times: Number.POSITIVE_INFINITY }
  /** Answers these to the next requests, whatever they are. */
  readonly interruptions: (Answer | 'cut' | 'redirect')[] = []
  readonly #options: ExchangeOptions
  readonly #keys = new Map<string, Version[]>()
  readonly #denied = new Set<string>()
  #cut = false

  constructor(options: ExchangeOptions) {
    this.#options = options
  }

  static async start(options: ExchangeOptions) {
    const exchanges = new VaultExchanges(options)
    const answer = (request: IncomingMessage, response: ServerResponse) => void exchanges.#serve(request, response)
    const server = options.tls
      ? createTlsServer({ cert: options.tls.certificatePem, key: options.tls.keyPem }, answer)
      : createServer(answer)
    const sockets = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return {
      exchanges,
      address: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
      stop: () =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          for (const socket of sockets) socket.destroy()
        }),
    }
  }

  /** A token as an operator makes it. */
  makeToken(ttlSeconds = 0, renewable = false): string {
    const token = `hvs.${randomBytes(18).toString('base64url')}`
    this.tokens.set(token, { ttlSeconds, renewable, renewals: 0 })
    return token
  }

  /** Every connection breaks from now on, or no longer. */
  cut(isCut: boolean): void {
    this.#cut = isCut
  }

  deny(path: string): void {
    this.#denied.add(path)
  }

  /** What others do with `vault kv put`, `vault kv delete` and `vault kv metadata put -delete-version-after`. */
  putByHand(path: string, data: Record<string, unknown>, deletion = ''): void {
    const versions = this.#keys.get(path) ?? []
    versions.push({ data, created: this.#options.clock.now(), deletion, destroyed: false })
    this.#keys.set(path, versions)
  }
  deleteByHand(path: string): void {
    const newest = this.#keys.get(path)?.at(-1)
    if (newest) newest.deletion = this.#options.clock.now().toISOString()
  }
  /** What is left of a path's values, destroyed or not. */
  valuesOf(path: string): readonly unknown[] {
    return (this.#keys.get(path) ?? []).filter(({ data }) => data !== null)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const url = new URL(request.url ?? '', 'http://vault')
    const path = url.pathname.replace(/^\/v1\//, '') + url.search
    const namespace = request.headers['x-vault-namespace'] as string | undefined
    this.asked.push({ method: request.method ?? '', path, namespace })
    const interruption = this.interruptions.shift()
    if (this.#cut || interruption === 'cut') return void request.socket.destroy()
    if (interruption === 'redirect') {
      response.writeHead(307, { location: `http://127.0.0.1:1${request.url}` }).end()
      return
    }
    const answer = interruption ?? this.#answer(request, path, namespace, Buffer.concat(chunks).toString('utf8'))
    response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(answer.text ?? (answer.body === undefined ? '' : `${JSON.stringify(answer.body)}\n`))
  }

  #answer(request: IncomingMessage, path: string, namespace: string | undefined, text: string): Answer {
    const { method = '', headers, url } = request
    const violation = (what: string): Answer => {
      this.violations.push(`${method} ${url}: ${what}`)
      return { status: 405, body: { errors: ['unsupported operation'] } }
    }
    if (!url?.startsWith('/v1/')) return violation('not below /v1/')
    if (headers['x-vault-request'] !== 'true') return violation('no X-Vault-Request')
    if (headers.authorization || headers.cookie) return violation('credentials in another header')
    const isHealth = path.startsWith('sys/health')
    if (namespace !== (isHealth ? undefined : this.#options.namespace)) return violation(`namespace ${namespace}`)
    let body: Record<string, unknown> = {}
    if (method === 'POST') {
      if (headers['content-type'] !== 'application/json') return violation('body without its type')
      try {
        body = JSON.parse(text)
      } catch {
        return violation('body is not JSON')
      }
    } else if (text !== '') return violation('body where none belongs')
    const token = headers['x-vault-token'] as string | undefined
    if (isHealth || /^auth\/[^/]+\/login$/.test(path)) {
      if (token !== undefined) return violation('token where none belongs')
      return this.#open(method, path, body) ?? violation('unknown')
    }
    if (token === undefined || !this.tokens.has(token)) return denied
    if (this.#denied.has(path)) return denied
    return (
      this.#tokens(method, path, token, body) ??
      this.#keyValue(method, path, body) ??
      this.#transit(method, path, body) ??
      violation('unknown')
    )
  }

  #open(method: string, path: string, body: Record<string, unknown>): Answer | null {
    if (method === 'GET' && path === 'sys/health?standbyok=true&perfstandbyok=true')
      return { status: 200, body: { initialized: true, sealed: false, standby: false, version: '1.20.0' } }
    const is = (expected: object) => JSON.stringify(body) === JSON.stringify(expected)
    const login = (): Answer => {
      const { ttlSeconds, renewable } = this.grant
      const client_token = this.makeToken(ttlSeconds, renewable)
      const auth = { client_token, accessor: randomUUID(), policies: ['default', 'redoubt'], metadata: {} }
      const lease = { lease_duration: ttlSeconds, renewable, entity_id: randomUUID(), token_type: 'service' }
      return ok({ auth: { ...auth, ...lease } })
    }
    if (method === 'POST' && path === 'auth/approle/login')
      return is({ role_id: ROLE_ID, secret_id: SECRET_ID })
        ? login()
        : { status: 400, body: { errors: ['invalid role or secret ID'] } }
    if (method === 'POST' && path === 'auth/kubernetes/login')
      return is({ role: 'redoubt', jwt: SERVICE_ACCOUNT_JWT }) ? login() : denied
    return null
  }

  #tokens(method: string, path: string, token: string, body: Record<string, unknown>): Answer | null {
    const held = this.tokens.get(token) as Token
    if (method === 'GET' && path === 'auth/token/lookup-self')
      return ok({
        data: { id: token, ttl: held.ttlSeconds, renewable: held.renewable, policies: ['redoubt'], num_uses: 0 },
      })
    if (method === 'POST' && path === 'auth/token/renew-self' && Object.keys(body).length === 0) {
      if (!held.renewable || held.renewals >= this.renewal.times)
        return { status: 400, body: { errors: ['lease is not renewable'] } }
      held.renewals += 1
      const auth = { client_token: token, policies: ['default', 'redoubt'], metadata: {} }
      return ok({ auth: { ...auth, lease_duration: this.renewal.ttlSeconds, renewable: true } })
    }
    return null
  }

  #keyValue(method: string, path: string, body: Record<string, unknown>): Answer | null {
    const [, mount = '', kind, rest = ''] = /^([\w-]+)\/(data|metadata|destroy)\/(.+)$/.exec(path) ?? []
    if (!kind) return null
    if (mount !== 'secret')
      return { status: 404, body: { errors: [`no handler for route "${path}". route entry not found.`] } }
    if (kind === 'metadata' && method === 'GET' && rest.endsWith('?list=true')) return this.#listed(rest.slice(0, -10))
    const versions = this.#keys.get(rest)
    if (kind === 'metadata' && method === 'GET') return versions ? this.#metadata(versions) : nothing
    if (kind === 'data' && method === 'GET') return versions ? this.#read(versions) : nothing
    if (kind === 'data' && method === 'POST') return this.#write(rest, body)
    if (kind === 'destroy' && method === 'POST') {
      const numbers = body['versions']
      if (!Array.isArray(numbers) || Object.keys(body).length !== 1) return null
      for (const number of numbers) {
        const version = versions?.[number - 1]
        if (version) Object.assign(version, { destroyed: true, data: null })
      }
      return noContent
    }
    return null
  }

  #listed(folder: string): Answer | null {
    if (folder !== '' && !folder.endsWith('/')) return null
    const names = [...this.#keys.keys()].filter((key) => key.startsWith(folder)).map((key) => key.slice(folder.length))
    const keys = new Set(names.map((name) => (name.includes('/') ? name.slice(0, name.indexOf('/') + 1) : name)))
    return keys.size === 0 ? nothing : ok({ data: { keys: [...keys].sort() } })
  }

  #metadata(versions: readonly Version[]): Answer {
    const shown = versions.map((version, at) => [String(at + 1), metaOf(version)])
    return ok({
      data: {
        cas_required: false,
        created_time: versions[0]?.created.toISOString(),
        current_version: versions.length,
        custom_metadata: null,
        delete_version_after: '0s',
        max_versions: 0,
        oldest_version: 0,
        updated_time: versions.at(-1)?.created.toISOString(),
        versions: Object.fromEntries(shown),
      },
    })
  }

  #read(versions: readonly Version[]): Answer {
    const newest = versions.at(-1) as Version
    const metadata = { ...metaOf(newest), custom_metadata: null, version: versions.length }
    const isDeleted = newest.deletion !== '' && new Date(newest.deletion) <= this.#options.clock.now()
    // A deleted or destroyed version is 404, with its metadata and without "errors".
    if (isDeleted || newest.destroyed) return { status: 404, body: envelope({ data: { data: null, metadata } }) }
    return ok({ data: { data: newest.data, metadata } })
  }

  #write(path: string, body: Record<string, unknown>): Answer | null {
    const { options, data } = body as { options?: { cas?: unknown }; data?: Record<string, unknown> }
    if (Object.keys(body).sort().join() !== 'data,options' || typeof options?.cas !== 'number' || !data) return null
    const versions = this.#keys.get(path) ?? []
    // Against the newest version, also when that one is deleted or destroyed.
    if (options.cas !== versions.length)
      return { status: 400, body: { errors: ['check-and-set parameter did not match the current version'] } }
    const version: Version = { data, created: this.#options.clock.now(), deletion: '', destroyed: false }
    versions.push(version)
    this.#keys.set(path, versions)
    return ok({ data: { ...metaOf(version), custom_metadata: null, version: versions.length } })
  }

  #transit(method: string, path: string, body: Record<string, unknown>): Answer | null {
    const [, kind, name = ''] = /^transit\/(keys|encrypt|decrypt)\/([\w-]+)$/.exec(path) ?? []
    if (!kind) return null
    const key = this.transit.get(name)
    if (kind === 'keys' && method === 'GET') {
      if (!key) return nothing
      const versions = key.versions.map((_, at) => [String(at + 1), 1_442_851_412 + at])
      return ok({
        data: { ...key.settings, name, latest_version: versions.length, keys: Object.fromEntries(versions) },
      })
    }
    if (method !== 'POST' || Object.keys(body).length !== 1) return null
    if (!key) return { status: 400, body: { errors: ['encryption key not found'] } }
    if (kind === 'encrypt' && typeof body['plaintext'] === 'string') {
      const sealed = sealUnder(key.versions.at(-1) as Buffer, Buffer.from(body['plaintext'], 'base64'))
      return ok({ data: { ciphertext: `vault:v${key.versions.length}:${sealed}`, key_version: key.versions.length } })
    }
    if (kind === 'decrypt' && typeof body['ciphertext'] === 'string') {
      const [, version, sealed = ''] = /^vault:v(\d+):(.+)$/.exec(body['ciphertext']) ?? []
      const used = key.versions[Number(version) - 1]
      if (!used) return { status: 400, body: { errors: ['invalid ciphertext: version is too new'] } }
      const opened = openUnder(used, sealed)
      if (!opened) return { status: 400, body: { errors: ['cipher: message authentication failed'] } }
      return ok({ data: { plaintext: opened.toString('base64') } })
    }
    return null
  }
}

/** Go's RFC 3339 with nanoseconds. */
const metaOf = ({ created, deletion, destroyed }: Version) => ({
  created_time: created.toISOString().replace('Z', '319214Z'),
  deletion_time: deletion,
  destroyed,
})

function sealUnder(key: Buffer, plaintext: Buffer): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

function openUnder(key: Buffer, text: string): Buffer | null {
  const sealed = Buffer.from(text, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  try {
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  } catch {
    return null
  }
}
