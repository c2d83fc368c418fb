import { type Client, createClient, RedoubtProblem } from '@redoubt/sdk'
import { CommandError } from './command-error.ts'
import { CredentialStore, isAt, renewed, type SignIn, type Where } from './credentials.ts'
import type { Environment } from './environment.ts'

export const defaultUrl = 'http://localhost:4000'
const renewBeforeMs = 30_000
type Fetch = typeof globalThis.fetch

/** A signed-in connection to one installation. */
export type Connection = {
  readonly url: string
  readonly client: Client
  /** Sends the access token along, renewing it when it is refused. */
  readonly fetch: Fetch
  /** An access token with nearly its whole life ahead, for one long request. */
  freshToken(): Promise<string>
}

/**
 * Connects with the token of the environment or the sign-in kept on this machine.
 * @throws CommandError when there is none, or several and nothing says which
 */
export function connect(environment: Environment, now: () => Date = () => new Date()): Connection {
  const { accessToken } = environment
  if (accessToken !== undefined) {
    const url = apiUrl(environment.url ?? defaultUrl)
    const fetch: Fetch = (input, init) => reachable(url)(input, withToken(init, accessToken))
    return { url, fetch, client: createClient({ url, fetch }), freshToken: async () => accessToken }
  }
  const store = new CredentialStore(environment.credentialsFile)
  return connectAs(store, choose(store.read(), environment), now)
}

/** Which of the sign-ins the environment means. @throws CommandError */
export function choose(
  signIns: readonly SignIn[],
  { url, organization }: Pick<Environment, 'url' | 'organization'>,
): SignIn {
  const wanted = url === undefined ? undefined : apiUrl(url)
  const fitting = signIns.filter(
    (each) =>
      (wanted === undefined || each.url === wanted) &&
      (organization === undefined || each.organization === organization),
  )
  const [newest] = fitting
  if (newest) return newest
  const hint = `redoubt login${wanted === undefined ? '' : ` --url ${wanted}`}${organization === undefined ? '' : ` --organization ${organization}`}`
  throw new CommandError(
    `You are not signed in${organization === undefined ? '' : ` to ${organization}`}${wanted === undefined ? '' : ` at ${wanted}`}: run ${hint}`,
  )
}

function connectAs(store: CredentialStore, chosen: SignIn, now: () => Date): Connection {
  const { url } = chosen
  let current = chosen
  let renewing: Promise<void> | undefined
  const renew = (refused: string): Promise<void> => {
    renewing ??= renewStored(store, current, refused, now)
      .then((signIn) => {
        current = signIn
      })
      .finally(() => {
        renewing = undefined
      })
    return renewing
  }
  const fetch: Fetch = async (input, init) => {
    if (Date.parse(current.accessExpiresAt) - now().getTime() < renewBeforeMs) await renew(current.accessToken)
    const sent = current.accessToken
    const response = await reachable(url)(input, withToken(init, sent))
    if (response.status !== 401) return response
    await response.body?.cancel()
    // A request refused for its token has done nothing yet, so even a write may be sent again.
    if (current.accessToken === sent) await renew(sent)
    return reachable(url)(input, withToken(init, current.accessToken))
  }
  return {
    url,
    fetch,
    client: createClient({ url, fetch }),
    async freshToken() {
      await renew(current.accessToken)
      return current.accessToken
    },
  }
}

/**
 * Exchanges the refresh token under the store's lock, unless another command has done so since `refused` was read: the
 * same refresh token used by two commands looks like theft, and the platform would end the session for both.
 */
function renewStored(store: CredentialStore, where: Where, refused: string, now: () => Date): Promise<SignIn> {
  return store
    .update<SignIn | null>(async (signIns) => {
      const known = signIns.find((each) => isAt(each, where))
      if (!known) return { signIns, result: null }
      if (known.accessToken !== refused) return { signIns, result: known }
      const others = signIns.filter((each) => each !== known)
      try {
        const { refreshToken } = known
        const tokens = await createClient({ url: known.url, fetch: reachable(known.url) }).auth.refresh({
          refreshToken,
        })
        const result = renewed(known, tokens, now())
        return { signIns: signIns.map((each) => (each === known ? result : each)), result }
      } catch (error) {
        if (error instanceof RedoubtProblem && error.code === 'unauthenticated')
          return { signIns: others, result: null }
        throw error
      }
    })
    .then((signIn) => {
      if (signIn) return signIn
      throw new CommandError(
        `Your session in ${where.organization} has ended: run redoubt login --url ${where.url} --organization ${where.organization}`,
      )
    })
}

/**
 * The address of an api service, without a trailing slash.
 * @throws CommandError unless it is https, or http to this machine: passwords and tokens never cross a network in the
 * clear (NET-2)
 */
export function apiUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new CommandError(`"${text}" is not the address of an api service: write https://HOST or ${defaultUrl}.`, {
      exitCode: 2,
    })
  }
  const url = new URL(text)
  if (url.protocol === 'http:' && !/^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)) {
    throw new CommandError(
      `${url.origin} would carry your password and tokens in the clear: use https:// beyond this machine.`,
      { exitCode: 2 },
    )
  }
  if (url.username || url.password)
    throw new CommandError('The address must not carry a user name or a password.', { exitCode: 2 })
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** `fetch` whose failures are sentences about the installation, not about sockets. */
export function reachable(url: string, fetch: Fetch = globalThis.fetch): Fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers)
    // The list of sessions shows it.
    headers.set('user-agent', 'redoubt command line')
    try {
      return await fetch(input, { ...init, headers })
    } catch (cause) {
      if ((cause as Error).name === 'TimeoutError') {
        throw new CommandError(`${url} did not answer in time: try again, or look at redoubt doctor there.`, { cause })
      }
      const { code, message } = ((cause as Error).cause ?? cause) as { code?: string; message: string }
      throw new CommandError(
        `Nothing that is Redoubt answers at ${url} (${code ?? message}): check the address and that the platform runs.`,
        { cause },
      )
    }
  }
}

function withToken(init: RequestInit | undefined, token: string): RequestInit {
  const headers = new Headers(init?.headers)
  headers.set('authorization', `Bearer ${token}`)
  return { ...init, headers, redirect: 'error' }
}
