import { createHmac } from 'node:crypto'
import type {
  KeeperRequest,
  Platform,
  ServiceIdentity,
  ServiceIdentityFile,
  ServicesPort,
  ServicesPortOptions,
} from '@redoubt/server'
import {
  acceptedVersions,
  activeVersion,
  createServiceNonce,
  Secret,
  type ServiceKey,
  signServiceRequest,
} from '@redoubt/trust'
import { certificateFor, type Shown, showing } from './channel.ts'
import type { Answer } from './http.ts'
import type { Parts } from './terrain.ts'

/** A service as whoever took it over has it: its certificate, and the key it signs its requests with. */
export type TakenService = { readonly service: string; readonly shown: Shown | null; readonly key: ServiceKey }
/** A request between services, as it goes over the wire. */
export type Message = {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Buffer
}
type Signing = { readonly now?: Date; readonly authority?: string; readonly nonce?: string }

/** The keeper's port for services that run apart, and what services ask there with. */
export class KeeperPort {
  readonly url: string
  readonly #platform: Platform
  readonly #authority: Parts['authority']

  constructor(platform: Platform, url: string, authority: Parts['authority']) {
    this.#platform = platform
    this.url = url
    this.#authority = authority
  }

  /** A service with a certificate of a minute ago and its key of the moment. */
  async taken(service: ServiceIdentity): Promise<TakenService> {
    const { trustDomain } = this.#authority
    const shown = await certificateFor(this.#authority, { trustDomain, kind: 'service', name: service })
    return { service, shown, key: await this.keyOf(service) }
  }

  async keyOf(service: ServiceIdentity, now = new Date()): Promise<ServiceKey> {
    const active = activeVersion(await this.#platform.keeper.serviceKeys(service), now)
    if (active === null) throw new Error(`${service} has no key`)
    const secret = new Secret<Uint8Array>(Buffer.from(active.material, 'base64'))
    return { keyid: `${service}/${active.version}`, secret }
  }

  /** Its identity file, as the keeper writes it. */
  async identityOf(service: ServiceIdentity): Promise<ServiceIdentityFile> {
    const { keeper } = this.#platform
    const line = acceptedVersions(await keeper.serviceKeys(service), new Date())
    return {
      format: 'redoubt.service-identity/v1',
      service,
      trustDomain: this.#authority.trustDomain,
      rootsPem: await keeper.desk.rootsPem(),
      keys: line.map(({ version, activeAt, endsAt, material }) => ({ version, activeAt, endsAt, key: material })),
    }
  }

  rotateServices = (): Promise<void> => this.#platform.keeper.rotate('services')

  /** Another port of the same keeper, such as a replica's. */
  open = (at: Partial<ServicesPortOptions>): Promise<ServicesPort> =>
    this.#platform.openServicesPort({ host: '127.0.0.1', port: 0, ...at })

  /** A request as its service signs it. */
  message(by: Pick<TakenService, 'key'>, request: string, input: unknown, signing: Signing = {}): Message {
    const { now = new Date(), authority = new URL(this.url).host, nonce = createServiceNonce() } = signing
    const body = Buffer.from(JSON.stringify(input))
    const [path = '', query] = `/v1/${request}`.split('?')
    const target = { method: 'POST', authority, path, query: query === undefined ? '' : `?${query}` }
    const headers = signServiceRequest({ ...target, body, key: by.key, now, nonce })
    return { method: 'POST', path: `/v1/${request}`, headers, body }
  }

  send = (by: Pick<TakenService, 'shown'>, message: Message, to = this.url): Promise<Answer> =>
    showing(to, by.shown).send(message)

  ask = (by: TakenService, request: KeeperRequest, input: unknown): Promise<Answer> =>
    this.send(by, this.message(by, request, input))
}

/**
 * A message under a signature over whatever its maker likes, with the right key and none of the checks that rightful
 * signing makes.
 * @param covered the covered components with their values, in order
 * @param params what stands behind their list in Signature-Input
 */
export function signedLoosely(
  message: Message,
  key: ServiceKey,
  covered: readonly (readonly [name: string, value: string])[],
  params: string,
): Message {
  const list = `(${covered.map(([name]) => `"${name}"`).join(' ')})${params}`
  const base = [...covered.map(([name, value]) => `"${name}": ${value}`), `"@signature-params": ${list}`].join('\n')
  const mac = createHmac('sha256', key.secret.reveal()).update(base).digest('base64')
  const signature = { 'signature-input': `redoubt=${list}`, signature: `redoubt=:${mac}:` }
  return { ...message, headers: { ...message.headers, ...signature } }
}

/** The components that a request between services covers, with the values of this one. */
export function componentsOf({ method, path, headers }: Message, url: string): (readonly [string, string])[] {
  const at = path.indexOf('?')
  return [
    ['@method', method],
    ['@authority', new URL(url).host],
    ['@path', at < 0 ? path : path.slice(0, at)],
    ['@query', at < 0 ? '?' : path.slice(at)],
    ['content-digest', String(headers['content-digest'])],
  ]
}

/** The parameters of a rightful signature of now. */
export const paramsOf = ({ keyid }: ServiceKey, tag = 'redoubt-service'): string =>
  `;created=${Math.floor(Date.now() / 1000)};keyid="${keyid}";nonce="${createServiceNonce()}";tag="${tag}"`
