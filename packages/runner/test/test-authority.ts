import { request } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import {
  type Authority,
  CertificateHolder,
  createAuthority,
  createCertificateRequest,
  internalClientOptions,
  issueSvid,
  type PeerRules,
  Secret,
  type SpiffeId,
} from '@redoubt/trust'

const DAY_MS = 86_400_000

/** An internal CA of a test's own. It began a week ago, so that it can have issued what has ended by now. */
export class TestAuthority {
  readonly trustDomain: string
  readonly #authority: Authority
  /** Further roots that are to be trusted, as during a rotation. */
  readonly others: string[] = []

  private constructor(trustDomain: string, authority: Authority) {
    this.trustDomain = trustDomain
    this.#authority = authority
  }

  static async create(trustDomain = 'redoubt.test'): Promise<TestAuthority> {
    const now = new Date(Date.now() - 7 * DAY_MS)
    return new TestAuthority(trustDomain, await createAuthority({ trustDomain, now, validityMs: 90 * DAY_MS }))
  }

  get rootsPem(): string[] {
    return [this.#authority.certificatePem, ...this.others]
  }

  serviceId = (name: string): SpiffeId => ({ trustDomain: this.trustDomain, kind: 'service', name })

  certify(id: SpiffeId, requestPem: string, lifetimeMs = DAY_MS, now = new Date()) {
    return issueSvid(this.#authority, requestPem, id, { now, lifetimeMs })
  }

  async svid(id: SpiffeId, { now = new Date(), lifetimeMs = DAY_MS } = {}) {
    const { requestPem, privateKeyPem } = createCertificateRequest()
    const { certificatePem, serial } = await this.certify(id, requestPem, lifetimeMs, now)
    return { certificatePem, privateKeyPem: new Secret(privateKeyPem.reveal()), rootsPem: this.rootsPem, serial }
  }

  async holder(id: SpiffeId, denied: PeerRules['denied'] = () => false): Promise<CertificateHolder> {
    const clock = { now: () => new Date() }
    const holder = new CertificateHolder({ spiffeId: id, rootsPem: this.rootsPem, clock, denied })
    holder.replace(await this.svid(id))
    return holder
  }

  service(name: string, denied?: PeerRules['denied']): Promise<CertificateHolder> {
    return this.holder(this.serviceId(name), denied)
  }
}

export type Answered = { readonly status: number; readonly type: string; readonly json: unknown }
type Wanted = { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string }

/** What a client with this certificate connects with; it believes nobody but `expected`. */
export const showing = (holder: CertificateHolder, expected: SpiffeId): ConnectionOptions =>
  internalClientOptions(holder, expected)

/** One request on a connection of its own; rejects with what the handshake failed with. */
export function ask(url: string, tls: ConnectionOptions, { method = 'GET', headers = {}, body }: Wanted = {}) {
  return new Promise<Answered>((resolve, reject) => {
    const asking = request(url, { ...tls, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const type = String(response.headers['content-type'])
        resolve({ status: response.statusCode ?? 0, type, json: text === '' ? undefined : JSON.parse(text) })
      })
    })
    asking.on('error', reject)
    asking.end(body)
  })
}
