import type { contract } from '@redoubt/contract'
import type { z } from 'zod'
import { RedoubtProblem } from './problem.ts'

export type Credentials = z.input<typeof contract.auth.login.input>
export type Tokens = z.output<typeof contract.auth.login.output>
type Known = {
  readonly accessToken?: string | undefined
  readonly refreshToken?: string | undefined
  readonly credentials?: Credentials | undefined
}
type Authority = {
  login(credentials: Credentials): Promise<Tokens>
  refresh(refreshToken: string): Promise<Tokens>
  /** Receives every new pair, to be kept: each refresh token works once. */
  onTokens(tokens: Tokens): void
}

/** The tokens of one client, renewed when an access token is refused. */
export class TokenSession {
  readonly #authority: Authority
  readonly #credentials: Credentials | undefined
  #accessToken: string | undefined
  #refreshToken: string | undefined
  #renewing: Promise<void> | undefined

  constructor(known: Known, authority: Authority) {
    this.#authority = authority
    this.#credentials = known.credentials
    this.#accessToken = known.accessToken
    this.#refreshToken = known.refreshToken
  }

  /** The access token to send; undefined when nothing was given to get one with. */
  async accessToken(): Promise<string | undefined> {
    if (this.#accessToken === undefined && this.#canRenew()) await this.#renewOnce()
    return this.#accessToken
  }

  /** After `refused` was answered with 401: whether there is another token to try. */
  async renew(refused: string | undefined): Promise<boolean> {
    // A request that ran beside this one may have renewed already.
    if (this.#accessToken !== refused) return true
    if (!this.#canRenew()) return false
    await this.#renewOnce()
    return true
  }

  #canRenew(): boolean {
    return this.#refreshToken !== undefined || this.#credentials !== undefined
  }

  /** Two refreshes with one token look like theft, and the server then ends the whole session: so one at a time. */
  #renewOnce(): Promise<void> {
    this.#renewing ??= this.#obtain().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #obtain(): Promise<void> {
    const tokens = (await this.#refreshed()) ?? (await this.#loggedIn())
    this.#accessToken = tokens.accessToken
    this.#refreshToken = tokens.refreshToken
    this.#authority.onTokens(tokens)
  }

  async #refreshed(): Promise<Tokens | undefined> {
    const refreshToken = this.#refreshToken
    if (refreshToken === undefined) return undefined
    try {
      return await this.#authority.refresh(refreshToken)
    } catch (error) {
      const ended = error instanceof RedoubtProblem && error.code === 'unauthenticated'
      if (ended) this.#refreshToken = undefined
      if (ended && this.#credentials !== undefined) return undefined
      throw error
    }
  }

  #loggedIn(): Promise<Tokens> {
    if (this.#credentials === undefined) throw new Error('there are no credentials to sign in with')
    return this.#authority.login(this.#credentials)
  }
}
