import { bodyOf, type Door, type Proof } from './http.ts'
import {
  bearer,
  cookieOf,
  eventually,
  furnish,
  newSecret,
  newTokens,
  type Organization,
  openCase,
  type Person,
  signIn,
} from './organization.ts'
import type { Chronicle, Parts, People, RedCase } from './terrain.ts'

type Doors = { readonly web: Door; readonly api: Door; readonly ingestion: Door }
type Id = { readonly id: string }
type Role = 'admin' | 'moderator' | 'user' | 'viewer'

/**
 * Settles an empty installation through its own doors: a provider with two clients, people of every role in the one that
 * is attacked, and something to take in both. `say` is told each step.
 */
export async function settle(
  doors: Doors,
  setUpToken: string,
  say: (line: string) => void,
): Promise<{ operator: Person; a: Organization; b: Organization; people: Omit<People, 'red'>; moderator: Person }> {
  const { web, api } = doors
  const account = { email: 'operator@provider.example', password: newSecret('pass') }
  await web
    .call('auth.setUp', { token: setUpToken, organization: 'Drill provider', name: 'Operator', ...account })
    .then(bodyOf)
  const operator = await signIn(doors, account)
  for (const slug of ['attacked', 'attacker']) {
    await api.post('/api/v1/organization/clients', { name: `Drill ${slug}`, slug }, bearer(operator)).then(bodyOf)
  }
  say('a provider with two clients, set up with the one-time link')
  const intoA = bearer({ access: (await newTokens(api, { ...account, slug: 'attacked' })).accessToken })
  const intoB = bearer({ access: (await newTokens(api, { ...account, slug: 'attacker' })).accessToken })
  const join = (proof: typeof intoA, slug: string, role: Role, name = `${role}-${slug}`) =>
    invited(doors, proof, slug, role, name)
  const admin = await join(intoA, 'attacked', 'admin')
  const moderator = await join(intoA, 'attacked', 'moderator')
  const people = {
    moderator,
    user: await join(intoA, 'attacked', 'user'),
    viewer: await join(intoA, 'attacked', 'viewer'),
    analyst: await join(bearer(operator), operator.slug, 'moderator', 'analyst-provider'),
  }
  const other = await join(intoB, 'attacker', 'admin')
  say('people of every role, each by an invitation')
  return { operator, a: await furnish(api, admin), b: await furnish(api, other), people, moderator }
}

/** Somebody new, by the way everybody comes: an invitation, its link, a password of their own. */
export async function invited(
  { web, api }: Pick<Doors, 'web' | 'api'>,
  by: ReturnType<typeof bearer>,
  slug: string,
  role: Role,
  name: string,
): Promise<Person> {
  const account = { email: `${name}@people.example`, password: newSecret('pass') }
  const { link } = await api
    .post('/api/v1/invitations', { email: account.email, role }, by)
    .then(bodyOf<{ link: string }>)
  const token = new URL(link).searchParams.get('token')
  const accepted = await web.call('auth.acceptInvitation', { token, name, password: account.password })
  bodyOf(accepted)
  const tokens = await newTokens(api, { ...account, slug })
  const me = await api.get('/api/v1/auth/me', bearer({ access: tokens.accessToken }))
  return {
    ...account,
    name,
    slug,
    userId: bodyOf<{ user: Id }>(me).user.id,
    organizationId: tokens.organizationId,
    access: tokens.accessToken,
    refresh: tokens.refreshToken,
    cookie: cookieOf(accepted.headers['set-cookie']),
  }
}

/** Sends one alert to a source and waits until it can be read. @returns its id */
export async function sendAlert(doors: Doors, to: Organization, title: string): Promise<string> {
  const { path, token } = to.source
  await doors.ingestion
    .post(path, { title, severity: 'low', id: title }, { authorization: `Bearer ${token}` })
    .then(bodyOf)
  const query = `/api/v1/alerts?search=${encodeURIComponent(title)}`
  return eventually(`the alert “${title}” is there`, async () => {
    const { items } = bodyOf<{ items: Id[] }>(await doors.api.get(query, bearer(to.admin)))
    return items[0]?.id
  })
}

/** The doors of alerts, with one alert of A. */
export async function ingestionPart(doors: Doors, a: Organization, b: Organization): Promise<Parts['ingestion']> {
  const alertId = await sendAlert(doors, a, `Alert ${a.secret}`)
  return { door: doors.ingestion, a: a.source, b: b.source, alertId }
}

/** A RED case of the moderator, with a task, a comment, an observable and an alert; nobody else is named on it. */
export async function redCase(doors: Doors, a: Organization, moderator: Person): Promise<Omit<RedCase, 'runId'>> {
  const { api } = doors
  const secret = newSecret('red')
  const as = bearer(moderator)
  const { id } = await openCase(api, moderator, secret, 'RED')
  await api.post(`/api/v1/cases/${id}/tasks`, { title: secret }, as).then(bodyOf)
  await api.post(`/api/v1/cases/${id}/comments`, { text: secret }, as).then(bodyOf)
  await api.post(`/api/v1/cases/${id}/observables`, { text: `${secret}.example.com` }, as).then(bodyOf)
  const alertId = await sendAlert(doors, a, secret)
  await api.post('/api/v1/alerts/add-to-case', { ids: [alertId], caseId: id }, as).then(bodyOf)
  return { caseId: id, secret, alertId }
}

let chronicles = 0
/** A client of the provider with an audit log of its own, sealed at two points at least. */
export async function chronicle(api: Door, operator: Person): Promise<Chronicle> {
  chronicles += 1
  const slug = `chronicle-${chronicles}`
  const made = await api.post('/api/v1/organization/clients', { name: `Drill ${slug}`, slug }, bearer(operator))
  const { id } = bodyOf<Id>(made)
  const { accessToken } = await newTokens(api, { ...operator, slug })
  const as = bearer({ access: accessToken })
  for (const words of ['one', 'two', 'three']) {
    await api.post('/api/v1/cases', { title: `Redoubt drill: ${words}`, severity: 'informational' }, as).then(bodyOf)
    await everythingSealed(api, as)
  }
  return { id, as }
}

/** Waits until every event of the organization has its place in the log. @returns how many there are */
export const everythingSealed = (api: Door, as: Proof): Promise<number> =>
  eventually('the audit log is sealed', async () => {
    const { items } = bodyOf<{ items: { seq: number | null }[] }>(await api.get('/api/v1/audit/events?limit=5', as))
    const newest = items[0]?.seq ?? null
    return newest === null || items.some(({ seq }) => seq === null) ? undefined : newest + 1
  })
