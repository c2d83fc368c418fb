import type { Me } from '@redoubt/contract'
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { forgetEverything, onSignedOut, personApi } from './api/client.ts'
import { failureOf, isPassing } from './api/failure.ts'
import { NotFoundPage, PageError, PagePending } from './pages/page-states.tsx'
import {
  auditSearch,
  casesSearch,
  createSearch,
  inboxSearch,
  inviteSearch,
  keysSearch,
  playbooksSearch,
  runsSearch,
  secretsSearch,
  servicesSearch,
  signInSearch,
  tokenSearch,
} from './search-params.ts'

const lastOrganizationKey = 'redoubt.organization'

/** The signed-in person, or the way to the sign-in page and back. */
async function person(returnTo: string): Promise<Me> {
  try {
    return await personApi.queries.ensureQueryData(
      personApi.trpc.auth.me.queryOptions(
        {},
        { staleTime: 60_000, retry: (tries, error) => isPassing(error) && tries < 2 },
      ),
    )
  } catch (error) {
    if (failureOf(error).code !== 'unauthenticated') throw error
    throw redirect({ to: '/sign-in', search: signInSearch({ to: returnTo }) })
  }
}

const root = createRootRoute({ notFoundComponent: NotFoundPage })

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: async () => {
    const me = await person('/')
    const last = localStorage.getItem(lastOrganizationKey)
    const membership = me.memberships.find(({ organization }) => organization.slug === last) ?? me.memberships[0]
    if (membership) throw redirect({ to: '/o/$slug', params: { slug: membership.organization.slug } })
  },
  component: lazyRouteComponent(() => import('./pages/welcome/no-organization.tsx'), 'NoOrganizationPage'),
})
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: signInSearch,
  component: lazyRouteComponent(() => import('./pages/welcome/sign-in.tsx'), 'SignInPage'),
})
const setUp = createRoute({
  getParentRoute: () => root,
  path: '/setup',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./pages/welcome/set-up.tsx'), 'SetUpPage'),
})
const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation',
  validateSearch: tokenSearch,
  component: lazyRouteComponent(() => import('./pages/welcome/invitation.tsx'), 'InvitationPage'),
})

const organization = createRoute({
  getParentRoute: () => root,
  path: '/o/$slug',
  beforeLoad: async ({ params, location }) => {
    const me = await person(location.href)
    const membership = me.memberships.find((each) => each.organization.slug === params.slug) ?? null
    if (membership) localStorage.setItem(lastOrganizationKey, params.slug)
    return { membership }
  },
  component: lazyRouteComponent(() => import('./pages/organization-layout.tsx'), 'OrganizationLayout'),
})
const overview = createRoute({
  getParentRoute: () => organization,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/overview/overview.tsx'), 'OverviewPage'),
})
const inbox = createRoute({
  getParentRoute: () => organization,
  path: '/inbox',
  validateSearch: inboxSearch,
  component: lazyRouteComponent(() => import('./pages/inbox/inbox.tsx'), 'InboxPage'),
})
const cases = createRoute({
  getParentRoute: () => organization,
  path: '/cases',
  validateSearch: casesSearch,
  component: lazyRouteComponent(() => import('./pages/cases/case-list.tsx'), 'CaseListPage'),
})
const oneCase = createRoute({
  getParentRoute: () => organization,
  path: '/cases/$caseId',
  component: lazyRouteComponent(() => import('./pages/cases/case-page.tsx'), 'CasePage'),
})
const playbooks = createRoute({
  getParentRoute: () => organization,
  path: '/playbooks',
  validateSearch: playbooksSearch,
  component: lazyRouteComponent(() => import('./pages/playbooks/playbook-list.tsx'), 'PlaybookListPage'),
})
const newPlaybook = createRoute({
  getParentRoute: () => organization,
  path: '/playbooks/new',
  component: lazyRouteComponent(() => import('./pages/playbooks/playbook-page.tsx'), 'NewPlaybookPage'),
})
const onePlaybook = createRoute({
  getParentRoute: () => organization,
  path: '/playbooks/$playbookId',
  component: lazyRouteComponent(() => import('./pages/playbooks/playbook-page.tsx'), 'PlaybookPage'),
})
const runs = createRoute({
  getParentRoute: () => organization,
  path: '/runs',
  validateSearch: runsSearch,
  component: lazyRouteComponent(() => import('./pages/runs/run-list.tsx'), 'RunListPage'),
})
const oneRun = createRoute({
  getParentRoute: () => organization,
  path: '/runs/$runId',
  component: lazyRouteComponent(() => import('./pages/runs/run-page.tsx'), 'RunPage'),
})
const members = createRoute({
  getParentRoute: () => organization,
  path: '/members',
  validateSearch: inviteSearch,
  component: lazyRouteComponent(() => import('./pages/members/members.tsx'), 'MembersPage'),
})
const sources = createRoute({
  getParentRoute: () => organization,
  path: '/sources',
  validateSearch: createSearch,
  component: lazyRouteComponent(() => import('./pages/sources/sources.tsx'), 'SourcesPage'),
})
const runners = createRoute({
  getParentRoute: () => organization,
  path: '/runners',
  validateSearch: inviteSearch,
  component: lazyRouteComponent(() => import('./pages/runners/runners.tsx'), 'RunnersPage'),
})
const clients = createRoute({
  getParentRoute: () => organization,
  path: '/clients',
  validateSearch: createSearch,
  component: lazyRouteComponent(() => import('./pages/clients/clients.tsx'), 'ClientsPage'),
})
const audit = createRoute({
  getParentRoute: () => organization,
  path: '/audit',
  validateSearch: auditSearch,
  component: lazyRouteComponent(() => import('./pages/audit/audit.tsx'), 'AuditPage'),
})
const sessions = createRoute({
  getParentRoute: () => organization,
  path: '/sessions',
  component: lazyRouteComponent(() => import('./pages/sessions/sessions.tsx'), 'SessionsPage'),
})
const keys = createRoute({
  getParentRoute: () => organization,
  path: '/keys',
  validateSearch: keysSearch,
  component: lazyRouteComponent(() => import('./pages/keys/keys.tsx'), 'KeysPage'),
})
const secrets = createRoute({
  getParentRoute: () => organization,
  path: '/secrets',
  validateSearch: secretsSearch,
  component: lazyRouteComponent(() => import('./pages/secrets/secrets.tsx'), 'SecretsPage'),
})
const services = createRoute({
  getParentRoute: () => organization,
  path: '/services',
  validateSearch: servicesSearch,
  component: lazyRouteComponent(() => import('./pages/services/services.tsx'), 'ServicesPage'),
})

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    signIn,
    setUp,
    invitation,
    organization.addChildren([
      overview,
      inbox,
      cases,
      oneCase,
      playbooks,
      newPlaybook,
      onePlaybook,
      runs,
      oneRun,
      members,
      sources,
      runners,
      clients,
      audit,
      sessions,
      keys,
      secrets,
      services,
    ]),
  ]),
  defaultPreload: 'intent',
  defaultPreloadStaleTime: 0,
  defaultPendingMs: 300,
  defaultPendingMinMs: 0,
  defaultPendingComponent: PagePending,
  defaultErrorComponent: PageError,
  defaultNotFoundComponent: NotFoundPage,
  // The router would put an inline script on the page for it, which the policy forbids; lists keep their own place.
  scrollRestoration: false,
})

onSignedOut(() => {
  const here = router.state.location
  if (!here.pathname.startsWith('/o/')) return
  void router.navigate({ to: '/sign-in', search: signInSearch({ to: here.href }) }).then(forgetEverything)
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
