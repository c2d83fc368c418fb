import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { openStream } from '../event-stream.ts'
import { type Answer, bodyOf, contains, type Proof, passed, refused, withheld } from '../http.ts'
import { bearer, browser, openCase } from '../organization.ts'
import type { Part, Parts, Terrain } from '../terrain.ts'

const actor = 'member of another tenant'

type Target = { readonly id: string; readonly version: number }
type Reach<P extends Part> = (terrain: Terrain & Pick<Parts, P>, as: Proof, fresh: Target) => Promise<Answer>

/**
 * A's thing by its id: A's admin reaches it, B's admin does not and cannot tell that it is there. What would change it
 * gets a fresh case of A as `fresh`, since the control changes it indeed.
 */
function reach<const P extends Part = never>(
  id: string,
  title: string,
  ask: Reach<P>,
  options: { readonly needs?: readonly P[]; readonly codes?: readonly string[]; readonly requirement?: string } = {},
): AnyAttack {
  const { needs = [], codes = ['not_found'], requirement = 'TEN-1' } = options
  return attack<P>({
    id: `tenant.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: async (t) => passed(await ask(t, bearer(t.a.admin), await openCase(t.api, t.a.admin)), 'by A’s admin'),
    attack: async (t) => refused(await ask(t, bearer(t.b.admin), await openCase(t.api, t.a.admin)), ...codes),
  })
}

/** A list: A's secret is in A's, and not in B's. */
const list = (id: string, title: string, path: string, what: string): AnyAttack =>
  attack({
    id: `tenant.${id}`,
    actor,
    requirement: 'TEN-1',
    title,
    control: async ({ api, a }) => contains(await api.get(path, bearer(a.admin)), a.secret, what),
    attack: async ({ api, a, b }) => withheld(await api.get(path, bearer(b.admin)), a.secret, `A’s ${what}`),
  })

export const otherTenantAttacks: readonly AnyAttack[] = [
  list('list-cases', 'find A’s cases in the list of cases', '/api/v1/cases?limit=200', 'cases'),
  list('search-cases', 'find A’s cases by searching for their words', '/api/v1/cases?search=Redoubt%20drill', 'cases'),
  list('list-sources', 'find A’s sources in the list of sources', '/api/v1/sources', 'sources'),
  list('list-playbooks', 'find A’s playbooks in the list of playbooks', '/api/v1/playbooks', 'playbooks'),
  reach('case', 'read A’s case by its id', ({ api, a }, as) => api.get(`/api/v1/cases/${a.caseId}`, as)),
  reach('timeline', 'read the timeline of A’s case', ({ api, a }, as) =>
    api.get(`/api/v1/cases/${a.caseId}/timeline`, as),
  ),
  reach('tasks', 'read the tasks of A’s case', ({ api, a }, as) => api.get(`/api/v1/cases/${a.caseId}/tasks`, as)),
  reach('observables', 'read the observables of A’s case', ({ api, a }, as) =>
    api.get(`/api/v1/cases/${a.caseId}/observables`, as),
  ),
  reach('update', 'rename A’s case', ({ api }, as, { id, version }) =>
    api.send({ method: 'PATCH', path: `/api/v1/cases/${id}`, body: { version, title: 'Redoubt drill: renamed' }, as }),
  ),
  reach('share', 'share A’s case with oneself', ({ api, b }, as, { id, version }) =>
    api.post(
      `/api/v1/cases/${id}/share`,
      {
        version,
        tlp: 'AMBER',
        audience: 'named',
        recipientIds: as['authorization'] === bearer(b.admin)['authorization'] ? [b.admin.userId] : [],
      },
      as,
    ),
  ),
  reach('comment', 'comment on A’s case', ({ api }, as, { id }) =>
    api.post(`/api/v1/cases/${id}/comments`, { text: 'Redoubt drill' }, as),
  ),
  reach('task', 'close a task of A’s case', ({ api, a }, as) =>
    api.send({
      method: 'PATCH',
      path: `/api/v1/cases/${a.caseId}/tasks/${a.taskId}`,
      body: { version: 1, state: 'done' },
      as,
    }),
  ),
  reach('verdict', 'call an observable of A benign', ({ api, a }, as) =>
    api.send({
      method: 'PATCH',
      path: `/api/v1/cases/${a.caseId}/observables/${a.observableId}`,
      body: { verdict: 'unknown' },
      as,
    }),
  ),
  attack({
    id: 'tenant.merge',
    actor,
    requirement: 'TEN-1',
    title: 'merge A’s case into one’s own',
    async control({ api, a }) {
      const [from, into] = [await openCase(api, a.admin), await openCase(api, a.admin)]
      return passed(
        await api.post(`/api/v1/cases/${from.id}/merge`, { version: from.version, into: into.id }, bearer(a.admin)),
        'within A',
      )
    },
    async attack({ api, a, b }) {
      const [from, into] = [await openCase(api, a.admin), await openCase(api, b.admin)]
      return refused(
        await api.post(`/api/v1/cases/${from.id}/merge`, { version: from.version, into: into.id }, bearer(b.admin)),
        'not_found',
      )
    },
  }),
  reach(
    'alert',
    'read A’s alert by its id',
    ({ api, ingestion }, as) => api.get(`/api/v1/alerts/${ingestion.alertId}`, as),
    {
      needs: ['ingestion'],
    },
  ),
  reach(
    'alert-acknowledge',
    'acknowledge A’s alert',
    ({ api, ingestion }, as) => api.post('/api/v1/alerts/acknowledge', { ids: [ingestion.alertId] }, as),
    {
      needs: ['ingestion'],
    },
  ),
  attack({
    id: 'tenant.alert-into-own-case',
    actor,
    requirement: 'TEN-1',
    title: 'pull A’s alert into a case of one’s own',
    needs: ['ingestion'],
    async control({ api, a, ingestion }) {
      const { id } = await openCase(api, a.admin)
      return passed(
        await api.post('/api/v1/alerts/add-to-case', { ids: [ingestion.alertId], caseId: id }, bearer(a.admin)),
        'within A',
      )
    },
    async attack({ api, b, ingestion }) {
      const { id } = await openCase(api, b.admin)
      return refused(
        await api.post('/api/v1/alerts/add-to-case', { ids: [ingestion.alertId], caseId: id }, bearer(b.admin)),
        'not_found',
      )
    },
  }),
  reach('playbook', 'read A’s playbook by its id', ({ api, a }, as) =>
    api.get(`/api/v1/playbooks/${a.playbookId}`, as),
  ),
  attack({
    id: 'tenant.run',
    actor,
    requirement: 'TEN-5',
    title: 'start a playbook on A’s case',
    needs: ['responder'],
    async control({ api, a }) {
      const start = { playbookId: a.playbookId, caseId: a.caseId }
      return passed(await api.post('/api/v1/runs', start, bearer(a.admin)), 'by A’s admin')
    },
    attack: async ({ api, a, b }) =>
      refused(
        await api.post('/api/v1/runs', { playbookId: b.playbookId, caseId: a.caseId }, bearer(b.admin)),
        'not_found',
      ),
  }),
  attack({
    id: 'tenant.run-read',
    actor,
    requirement: 'TEN-1',
    title: 'read a run of A with its signed plans, and cancel it',
    needs: ['people'],
    control: async ({ api, people }) =>
      passed(await api.get(`/api/v1/runs/${people.red.runId}`, bearer(people.moderator)), 'by one who may'),
    async attack({ api, b, people }) {
      const cancelled = await api.post(`/api/v1/runs/${people.red.runId}/cancel`, {}, bearer(b.admin))
      if (cancelled.code !== 'not_found') return refused(cancelled, 'not_found')
      return refused(await api.get(`/api/v1/runs/${people.red.runId}`, bearer(b.admin)), 'not_found')
    },
  }),
  reach('rotate', 'rotate the token of A’s source, so that its alerts stop', ({ api, a }, as) =>
    as['authorization'] === bearer(a.admin)['authorization']
      ? api.send({ method: 'PATCH', path: `/api/v1/sources/${a.source.id}`, body: { enabled: true }, as })
      : api.post(`/api/v1/sources/${a.source.id}/rotate`, {}, as),
  ),
  reach(
    'audit-proof',
    'get the proof of an event of A’s audit log',
    ({ api, a }, as) => api.get(`/api/v1/audit/events/${a.auditEventId}/proof`, as),
    {
      requirement: 'AUD-1',
    },
  ),
  attack({
    id: 'tenant.member-sessions',
    actor,
    requirement: 'SESS-1',
    title: 'list, and end, the sessions of A’s admin',
    control: async ({ api, a }) =>
      contains(await api.get(`/api/v1/members/${a.admin.userId}/sessions`, bearer(a.admin)), '"kind"', 'sessions'),
    async attack({ api, a, b }) {
      const ended = await api.send({
        method: 'DELETE',
        path: `/api/v1/members/${a.admin.userId}/sessions`,
        as: bearer(b.admin),
      })
      const still = await api.get('/api/v1/auth/me', bearer(a.admin))
      if (still.code !== null) return `A’s admin was signed out: ${ended.text}`
      const listed = await api.get(`/api/v1/members/${a.admin.userId}/sessions`, bearer(b.admin))
      if (listed.code !== null) return refused(listed, 'not_found')
      return withheld(listed, '"kind"', 'a session of A’s admin')
    },
  }),
  attack({
    id: 'tenant.member-role',
    actor,
    requirement: 'TEN-1',
    title: 'make A’s viewer an admin',
    needs: ['people'],
    async control({ api, a, people }) {
      const path = `/api/v1/members/${people.viewer.userId}`
      return passed(
        await api.send({ method: 'PATCH', path, body: { role: 'viewer' }, as: bearer(a.admin) }),
        'by A’s admin',
      )
    },
    attack: async ({ api, b, people }) =>
      refused(
        await api.send({
          method: 'PATCH',
          path: `/api/v1/members/${people.viewer.userId}`,
          body: { role: 'admin' },
          as: bearer(b.admin),
        }),
        'not_found',
      ),
  }),
  attack({
    id: 'tenant.header',
    actor,
    requirement: 'TEN-2',
    title: 'name A in the console’s organization header',
    control: async ({ web, b }) => passed(await web.ask('cases.list', {}, browser(b.admin)), 'naming its own'),
    attack: async ({ web, a, b }) =>
      refused(await web.ask('cases.list', {}, browser({ cookie: b.admin.cookie, organizationId: a.id })), 'forbidden'),
  }),
  attack({
    id: 'tenant.stream',
    actor,
    requirement: 'TEN-2',
    title: 'listen to A’s live events with one’s own session',
    control: async ({ web, b }) => {
      const stream = await openStream(web, b.admin, b.admin.cookie)
      stream.close()
      return 'a member’s own stream opens'
    },
    attack: async ({ web, a, b }) =>
      refused(await web.get(`/events?organization=${a.id}`, browser(b.admin)), 'forbidden'),
  }),
  attack({
    id: 'tenant.cursor',
    actor,
    requirement: 'TEN-1',
    title: 'go on in B with a cursor from A’s list',
    async control({ api, a }) {
      const { path } = await cursorOfA(api, a)
      return contains(await api.get(path, bearer(a.admin)), '"id"', 'the next page')
    },
    async attack({ api, a, b }) {
      const { path } = await cursorOfA(api, a)
      const answer = await api.get(path, bearer(b.admin))
      const { items } = bodyOf<{ items: { id: string; title: string }[] }>(answer)
      const own = bodyOf<{ items: { id: string }[] }>(await api.get('/api/v1/cases?limit=200', bearer(b.admin))).items
      const foreign = items.find(({ id }) => !own.some((each) => each.id === id))
      if (foreign) return `the page held “${foreign.title}”`
      throw new Stopped(`${answer.status} with ${items.length} cases, all of B`)
    },
  }),
  attack({
    id: 'tenant.export',
    actor,
    requirement: 'AUD-1',
    title: 'export A’s audit log',
    control: async ({ api, a }) => contains(await api.get('/api/v1/audit/export', bearer(a.admin)), a.id, 'A’s log'),
    async attack({ api, a, b }) {
      const named = await api.get('/api/v1/audit/export', { ...bearer(b.admin), 'redoubt-organization': a.id })
      if (named.code !== 'forbidden') return refused(named, 'forbidden')
      return withheld(
        await api.get(`/api/v1/audit/export?organizationId=${a.id}`, bearer(b.admin)),
        a.id,
        'anything of A',
      )
    },
  }),
  attack({
    id: 'tenant.provider',
    actor,
    requirement: 'TEN-1',
    title: 'read a client’s cases as a member of its provider, without a membership',
    needs: ['people'],
    control: async ({ web, a }) => passed(await web.ask('cases.list', {}, browser(a.admin)), 'as a member'),
    attack: async ({ web, a, people }) =>
      refused(
        await web.ask('cases.list', {}, browser({ cookie: people.analyst.cookie, organizationId: a.id })),
        'forbidden',
      ),
  }),
  attack({
    id: 'tenant.assign',
    actor,
    requirement: 'TEN-1',
    title: 'make A’s person a recipient of a case of B, to learn their name',
    async control({ api, a }) {
      const { id, version } = await openCase(api, a.admin)
      const share = { version, tlp: 'AMBER', audience: 'named', recipientIds: [a.admin.userId] }
      return contains(await api.post(`/api/v1/cases/${id}/share`, share, bearer(a.admin)), a.admin.name, 'the name')
    },
    async attack({ api, a, b }) {
      const { id, version } = await openCase(api, b.admin)
      const share = { version, tlp: 'AMBER', audience: 'named', recipientIds: [a.admin.userId] }
      const answer = await api.post(`/api/v1/cases/${id}/share`, share, bearer(b.admin))
      if (answer.text.includes(a.admin.name)) return `the answer names ${a.admin.name}`
      return refused(answer, 'bad_request', 'not_found', 'unprocessable')
    },
  }),
]

/** The second page of A's cases, one a page. */
async function cursorOfA(api: Terrain['api'], a: Terrain['a']): Promise<{ path: string }> {
  await openCase(api, a.admin)
  const { next } = bodyOf<{ next: string | null }>(await api.get('/api/v1/cases?limit=1', bearer(a.admin)))
  if (next === null) throw new NotShown('A’s list has one page only')
  return { path: `/api/v1/cases?limit=200&cursor=${encodeURIComponent(next)}` }
}
