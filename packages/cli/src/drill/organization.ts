import { randomBytes } from 'node:crypto'
import { bodyOf, type Door, type Proof } from './http.ts'

/** Somebody with an account. Tokens and cookie are those of sessions of their own. */
export type Person = {
  readonly name: string
  readonly email: string
  readonly password: string
  readonly userId: string
  readonly organizationId: string
  readonly slug: string
  readonly access: string
  readonly refresh: string
  /** `name=value`, for the console. */
  readonly cookie: string
}
/** An alert source with its credentials. */
export type Source = {
  readonly id: string
  readonly path: string
  readonly token: string
  readonly webhookSecret: string
}

/** An organization with something to take. */
export type Organization = {
  readonly id: string
  readonly slug: string
  readonly admin: Person
  /** Stands in the titles of its things; no other organization may ever read it. */
  readonly secret: string
  readonly caseId: string
  readonly taskId: string
  readonly observableId: string
  readonly playbookId: string
  readonly source: Source
  readonly auditEventId: string
}

type Id = { readonly id: string }
type Versioned = Id & { readonly version: number }
type Tokens = { readonly accessToken: string; readonly refreshToken: string; readonly organizationId: string }
type Me = { readonly user: Id & { readonly name: string } }

export const bearer = ({ access }: Pick<Person, 'access'>): Proof => ({ authorization: `Bearer ${access}` })
export const browser = ({ cookie, organizationId }: Pick<Person, 'cookie' | 'organizationId'>): Proof => ({
  cookie,
  'redoubt-organization': organizationId,
})
/** Long and random, so that finding it anywhere is no accident. */
export const newSecret = (of: string): string => `drill-${of}-${randomBytes(9).toString('hex')}`

/** Signs somebody in, as a program and as a browser. Throws an Error with the refusal. */
export async function signIn(
  { web, api }: { readonly web: Door; readonly api: Door },
  { email, password, slug }: { readonly email: string; readonly password: string; readonly slug?: string | undefined },
): Promise<Person> {
  const tokens = await newTokens(api, { email, password, slug })
  const entered = await web.call('auth.signIn', { email, password })
  bodyOf(entered)
  const as = bearer({ access: tokens.accessToken })
  const { user } = bodyOf<Me>(await api.get('/api/v1/auth/me', as))
  const organization = bodyOf<{ slug: string }>(await api.get('/api/v1/organization', as))
  return {
    name: user.name,
    email,
    password,
    userId: user.id,
    organizationId: tokens.organizationId,
    slug: organization.slug,
    access: tokens.accessToken,
    refresh: tokens.refreshToken,
    cookie: cookieOf(entered.headers['set-cookie']),
  }
}

/** Tokens of a session of their own. */
export async function newTokens(
  api: Door,
  { email, password, slug }: { readonly email: string; readonly password: string; readonly slug?: string | undefined },
): Promise<Tokens> {
  const organization = slug === undefined ? {} : { organization: slug }
  return bodyOf<Tokens>(await api.post('/api/v1/auth/login', { email, password, ...organization }))
}

/** A browser session of its own; its cookie. */
export async function newCookie(web: Door, { email, password }: Pick<Person, 'email' | 'password'>): Promise<string> {
  const entered = await web.call('auth.signIn', { email, password })
  bodyOf(entered)
  return cookieOf(entered.headers['set-cookie'])
}

export const cookieOf = (header: string[] | undefined): string => {
  const cookie = header?.[0]?.split(';')[0]
  if (!cookie) throw new Error('signing in set no cookie')
  return cookie
}

/** Puts something into an organization that another could want. `admin` must be an admin of it. */
export async function furnish(api: Door, admin: Person): Promise<Organization> {
  const as = bearer(admin)
  const secret = newSecret(admin.slug.slice(0, 12))
  const make = async <T extends Id>(path: string, body: object): Promise<T> =>
    bodyOf<T>(await api.post(`/api/v1${path}`, body, as))
  const opened = await openCase(api, admin, secret)
  const task = await make('/cases/{id}/tasks'.replace('{id}', opened.id), { title: `Task ${secret}` })
  await make(`/cases/${opened.id}/comments`, { text: `Comment ${secret}` })
  const { added } = bodyOf<{ added: Id[] }>(
    await api.post(`/api/v1/cases/${opened.id}/observables`, { text: `${secret}.example.com` }, as),
  )
  const playbook = await make('/playbooks', { yaml: harmlessPlaybook(secret) })
  const { source, credentials } = bodyOf<{ source: Id & { path: string }; credentials: Omit<Source, 'id' | 'path'> }>(
    await api.post('/api/v1/sources', { name: `Source ${secret}`, slug: secret.slice(0, 48), type: 'generic' }, as),
  )
  const { items } = bodyOf<{ items: Id[] }>(await api.get(`/api/v1/audit/events?targetId=${opened.id}`, as))
  return {
    id: admin.organizationId,
    slug: admin.slug,
    admin,
    secret,
    caseId: opened.id,
    taskId: task.id,
    observableId: first(added, 'observable').id,
    playbookId: playbook.id,
    source: { id: source.id, path: source.path, ...credentials },
    auditEventId: first(items, 'audit event').id,
  }
}

/** Takes back what can be taken back: the source and the playbook. The case stays; cases are never deleted. */
export async function clear(api: Door, { admin, source, playbookId }: Organization): Promise<void> {
  const as = bearer(admin)
  await api.send({ method: 'DELETE', path: `/api/v1/sources/${source.id}`, as })
  await api.post(`/api/v1/playbooks/${playbookId}/archive`, { version: 1, archived: true }, as)
}

/** A fresh case, for attacks that would change it. */
export async function openCase(
  api: Door,
  by: Person,
  words = 'to be attacked',
  tlp: 'AMBER' | 'RED' = 'AMBER',
): Promise<Versioned> {
  const draft = { title: `Redoubt drill: ${words}`, description: words, severity: 'informational', tlp }
  return bodyOf<Versioned>(await api.post('/api/v1/cases', draft, bearer(by)))
}

const harmlessPlaybook = (secret: string): string => `name: Drill ${secret}
tlp: AMBER
steps:
  - id: tell
    type: case.comment
    text: "The drill was here: ${secret}"
`

export function first<T>(items: readonly T[], what: string): T {
  const [item] = items
  if (item === undefined) throw new Error(`there is no ${what}`)
  return item
}

/** Asks every 50 ms until there is an answer. @throws Error after `patienceMs` */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, patienceMs = 20_000): Promise<T> {
  for (let waited = 0; waited < patienceMs; waited += 50) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise((next) => setTimeout(next, 50))
  }
  throw new Error(`waited ${patienceMs / 1000} s and it did not happen that ${what}`)
}
