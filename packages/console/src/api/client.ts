import type { OrganizationId } from '@redoubt/contract'
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { createTRPCClient, httpBatchLink, type TRPCClient } from '@trpc/client'
import { createTRPCOptionsProxy, type TRPCOptionsProxy } from '@trpc/tanstack-react-query'
import { failureOf, isPassing } from './failure.ts'
import type { ConsoleRouter } from './router-type.ts'

export type Api = {
  readonly organizationId: OrganizationId | null
  readonly trpc: TRPCOptionsProxy<ConsoleRouter>
  readonly client: TRPCClient<ConsoleRouter>
  readonly queries: QueryClient
}

let signedOut: () => void = () => {}

/** Called whenever the platform answers that nobody is signed in. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener
}

/**
 * Access to the platform within one organization, or as a person alone. Each organization has a cache of its own, so
 * that switching can never show one tenant's answers under another's name.
 */
function createApi(organizationId: OrganizationId | null): Api {
  const notice = (error: unknown) => {
    if (failureOf(error).code === 'unauthenticated') signedOut()
  }
  const queries = new QueryClient({
    queryCache: new QueryCache({ onError: notice }),
    mutationCache: new MutationCache({ onError: notice }),
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (attempts, error) => isPassing(error) && attempts < 4,
        retryDelay: (attempt) => Math.min(8000, 500 * 2 ** attempt),
      },
    },
  })
  const client = createTRPCClient<ConsoleRouter>({
    links: [
      httpBatchLink({
        url: '/trpc',
        maxItems: 10,
        maxURLLength: 2000,
        headers: {
          // A header that a form or an image of another site cannot send: together with SameSite=Strict and the
          // Origin check it stops cross-site request forgery.
          'redoubt-csrf': '1',
          ...(organizationId === null ? {} : { 'redoubt-organization': organizationId }),
        },
      }),
    ],
  })
  return {
    organizationId,
    client,
    queries,
    trpc: createTRPCOptionsProxy<ConsoleRouter>({ client, queryClient: queries }),
  }
}

/** The person's own operations: session, sign-in, set-up. No organization is named. */
export const personApi: Api = createApi(null)

const perOrganization = new Map<OrganizationId, Api>()

/** The one {@link Api} of an organization; the same object for the life of the page. */
export function apiOf(organizationId: OrganizationId): Api {
  const known = perOrganization.get(organizationId)
  if (known) return known
  const api = createApi(organizationId)
  perOrganization.set(organizationId, api)
  return api
}

/** Forgets everything that was read, so that the next person at this browser starts with nothing. */
export function forgetEverything(): void {
  for (const api of perOrganization.values()) api.queries.clear()
  perOrganization.clear()
  personApi.queries.clear()
}
