import { contract, type OpSpec, type RedoubtContract } from '@redoubt/contract'
import type { z } from 'zod'
import { items, pages } from './pages.ts'
import { problemOf, RedoubtProblem } from './problem.ts'
import { requestOf } from './request.ts'
import { type Credentials, TokenSession, type Tokens } from './token-session.ts'

export type ClientOptions = {
  /** The address of the api service, such as `https://api.soc.example.com`. */
  readonly url: string
  readonly accessToken?: string | undefined
  /** Lets the client renew its access token. It works once: keep what `onTokens` hands over. */
  readonly refreshToken?: string | undefined
  /** Sign in with these at the first call, and again when the session has ended. */
  readonly credentials?: Credentials | undefined
  readonly onTokens?: (tokens: Tokens) => void
  readonly fetch?: typeof globalThis.fetch
  /** For one request; 30 000 unless told. */
  readonly timeoutMs?: number
}

// An operation whose input may be empty is called without one.
type Arguments<I> = Record<string, never> extends I ? [input?: I] : [input: I]
type Method<S extends OpSpec> = (...args: Arguments<z.input<S['input']>>) => Promise<z.output<S['output']>>
type Offered<S extends OpSpec> = S extends { readonly rest: object }
  ? S extends { readonly channel: string }
    ? never
    : S
  : never

/** One method for every operation that REST offers to people: `client.cases.open(input)`. */
export type Client = {
  readonly [G in keyof RedoubtContract]: {
    readonly [O in keyof RedoubtContract[G] as Offered<RedoubtContract[G][O] & OpSpec> extends never
      ? never
      : O]: Method<RedoubtContract[G][O] & OpSpec>
  }
} & {
  /** `for await (const page of client.pages(client.cases.list, { phase: 'open' }))` */
  readonly pages: typeof pages
  /** The same, item by item. */
  readonly items: typeof items
}

/**
 * A client of one installation. Methods throw a RedoubtProblem when the platform refuses, a TypeError when the input
 * cannot make a request, and whatever `fetch` throws when there is no answer.
 */
export function createClient(options: ClientOptions): Client {
  const { url, fetch = globalThis.fetch, timeoutMs = 30_000, onTokens = () => undefined } = options

  async function send(
    spec: Required<Pick<OpSpec, 'rest'>>,
    input: object,
    token: string | undefined,
  ): Promise<unknown> {
    const { url: target, init } = requestOf(url, spec.rest, { ...input })
    const headers = {
      ...init.headers,
      accept: 'application/json',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    }
    // A redirect would carry the token to an address nobody named.
    const response = await fetch(target, {
      ...init,
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (!response.ok) throw await problemOf(response)
    return response.json()
  }

  const { login, refresh } = contract.auth
  const session = new TokenSession(options, {
    login: async (credentials) => (await send(login, credentials, undefined)) as Tokens,
    refresh: async (refreshToken) => (await send(refresh, { refreshToken }, undefined)) as Tokens,
    onTokens,
  })

  async function call(spec: Required<Pick<OpSpec, 'rest' | 'access'>>, input: object): Promise<unknown> {
    if ('public' in spec.access) return send(spec, input, undefined)
    const token = await session.accessToken()
    try {
      return await send(spec, input, token)
    } catch (error) {
      // A request refused for its token has done nothing yet, so even a write may be sent again.
      if (!isRefusedToken(error) || !(await session.renew(token))) throw error
      return send(spec, input, await session.accessToken())
    }
  }

  const groups = Object.entries(contract).map(([group, specs]) => [
    group,
    Object.fromEntries(
      Object.entries<OpSpec>(specs).flatMap(([name, { rest, access, channel }]) =>
        rest === undefined || channel !== undefined
          ? []
          : [[name, (input: object = {}) => call({ rest, access }, input)]],
      ),
    ),
  ])
  return { ...Object.fromEntries(groups), pages, items } as Client
}

const isRefusedToken = (error: unknown): boolean => error instanceof RedoubtProblem && error.code === 'unauthenticated'
