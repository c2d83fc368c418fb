import { setTimeout as pauseFor } from 'node:timers/promises'
import type { Secret, Timers } from '@redoubt/trust'
import type { Clock } from '../platform/clock.ts'
import { KeeperError } from './keeper-error.ts'
import { VaultLease } from './vault-lease.ts'
import { renewToken, signIn, type VaultLogin, type VaultSignIn } from './vault-sign-in.ts'
import {
  refusalOf,
  type VaultAddress,
  type VaultAnswer,
  VaultBusy,
  type VaultRequest,
  VaultUnreachable,
  VaultWire,
} from './vault-wire.ts'

/*
 * A signed-in line to Vault or OpenBao. It keeps its token alive, takes a new one when that ends, and asks again after a
 * pause when Vault is away for a moment.
 */

export type VaultOptions = VaultAddress & {
  readonly signIn: VaultSignIn
  /** What is not available while Vault is not. */
  readonly serves: 'master' | 'store'
  readonly clock: Clock
  readonly timers: Timers
  /** Waits before asking again; unlike `timers` it keeps the process alive, because somebody waits for the answer. */
  readonly pause?: (ms: number) => Promise<unknown>
}

export type VaultCall = Pick<VaultRequest, 'method' | 'path' | 'body'> & {
  /** Whether asking twice does no more than asking once. A write that got no answer is not sent again. */
  readonly repeatable: boolean
}

const PAUSES_MS = [200, 800, 3200]
// By these Vault says that it did not begin with what was asked (API documentation, "HTTP status codes").
const notBegun = new Set([412, 429, 503])

export class VaultClient {
  readonly #wire: VaultWire
  readonly #options: VaultOptions
  readonly #lease: VaultLease
  #login: (VaultLogin & { readonly endsAt: number }) | null = null
  #signingIn: Promise<VaultLogin> | null = null
  #closed = false

  private constructor(wire: VaultWire, options: VaultOptions) {
    this.#wire = wire
    this.#options = options
    this.#lease = new VaultLease(options.timers, { renew: () => this.#renew(), replace: () => this.#replace() })
  }

  /**
   * Opens the line and signs in.
   * @throws KeeperError `invalid` for options that cannot be used, `not_allowed` when Vault refuses the sign-in,
   * `master_unavailable` or `store_unavailable` when it does not answer
   */
  static async open(options: VaultOptions): Promise<VaultClient> {
    const client = new VaultClient(await VaultWire.open(options), options)
    try {
      await client.#patiently(true, async () => {
        await client.#signIn()
        return { status: 200, body: null }
      })
      return client
    } catch (error) {
      await client.close()
      throw error
    }
  }

  /**
   * Asks Vault. Answers with status 200, 204, 400 or 404 come back; their meaning is the caller's.
   * @throws KeeperError `not_allowed`, `master_unavailable` or `store_unavailable`
   */
  async call({ repeatable, ...request }: VaultCall): Promise<VaultAnswer> {
    const answer = await this.#patiently(repeatable, async () => {
      const login = await this.#live()
      const first = await this.#wire.send({ ...request, token: login.token })
      // Vault has one word for a dead token and for a missing permission.
      if (first.status !== 403 || (await this.#isAlive(login.token))) return first
      if (this.#login?.token === login.token) this.#login = null
      return this.#wire.send({ ...request, token: (await this.#live()).token })
    })
    if (answer.status === 403)
      throw new KeeperError('not_allowed', `Vault’s policy does not let the keeper ${request.method} ${request.path}.`)
    if (![200, 204, 400, 404].includes(answer.status)) throw this.#unavailable(refusalOf(answer))
    return answer
  }

  /** Whether Vault is unsealed and answers; a standby that forwards counts. */
  async reachable(): Promise<boolean> {
    const path = 'sys/health?standbyok=true&perfstandbyok=true'
    try {
      return (await this.#wire.send({ method: 'GET', path, inRootNamespace: true })).status === 200
    } catch {
      return false
    }
  }

  /** Forgets the token. It is left to its end: revoking it would revoke what was lent under it. */
  async close(): Promise<void> {
    this.#closed = true
    this.#lease.stop()
    this.#login = null
    this.#wire.close()
  }

  async #patiently(repeatable: boolean, ask: () => Promise<VaultAnswer>): Promise<VaultAnswer> {
    for (let attempt = 0; ; attempt++) {
      const pauseMs = PAUSES_MS[attempt]
      try {
        const answer = await ask()
        const again = notBegun.has(answer.status) || (repeatable && answer.status >= 500)
        if (!again || pauseMs === undefined) return answer
      } catch (error) {
        if (!(error instanceof VaultUnreachable) && !(error instanceof VaultBusy)) throw error
        const again = repeatable || error instanceof VaultBusy
        if (!again || pauseMs === undefined)
          throw this.#unavailable(`${error.message}${again ? '' : ', and whether it wrote is not known'}`, error)
      }
      await (this.#options.pause ?? pauseFor)(pauseMs)
      if (this.#closed) throw this.#unavailable('the line was closed')
    }
  }

  #unavailable(reason: string, cause?: unknown): KeeperError {
    const code = this.#options.serves === 'master' ? 'master_unavailable' : 'store_unavailable'
    return new KeeperError(code, `Vault at ${this.#wire.host}: ${reason}.`, { cause })
  }

  async #live(): Promise<VaultLogin> {
    if (this.#closed) throw this.#unavailable('the line was closed')
    if (this.#login && this.#options.clock.now().getTime() < this.#login.endsAt) return this.#login
    return this.#signIn()
  }

  /** However many ask, one sign-in is under way: a secret id may be good for few. */
  #signIn(): Promise<VaultLogin> {
    this.#signingIn ??= signIn(this.#wire, this.#options.signIn)
      .then((login) => {
        this.#login = { ...login, endsAt: this.#endOf(login.leaseMs) }
        if (!this.#closed) this.#lease.hold(login.leaseMs)
        return login
      })
      .finally(() => {
        this.#signingIn = null
      })
    return this.#signingIn
  }

  async #renew(): Promise<number | null> {
    const login = this.#login
    if (!login?.renewable) return null
    const leaseMs = await renewToken(this.#wire, login.token)
    if (leaseMs !== null && this.#login === login) this.#login = { ...login, endsAt: this.#endOf(leaseMs) }
    return leaseMs
  }

  async #replace(): Promise<number> {
    return (await this.#signIn()).leaseMs
  }

  async #isAlive(token: Secret<string>): Promise<boolean> {
    return (await this.#wire.send({ method: 'GET', path: 'auth/token/lookup-self', token })).status === 200
  }

  #endOf(leaseMs: number): number {
    return leaseMs === 0 ? Number.POSITIVE_INFINITY : this.#options.clock.now().getTime() + leaseMs
  }
}
