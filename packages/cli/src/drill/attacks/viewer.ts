import { contract, type OpSpec } from '@redoubt/contract'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Answer, bodyOf, contains, type Proof, passed, refusalOf, refused, withheld } from '../http.ts'
import { bearer, browser, openCase, type Person } from '../organization.ts'
import type { Parts, Terrain } from '../terrain.ts'
import { isOfInstallation } from './installation.ts'
import { answersOf, guardedOperations } from './outsider.ts'

const actor = 'viewer and the uninvited'

/** Operations that change something in a tenant; an installation’s own are its operator’s alone. `playbooks.check` only reads, though its input is a document. */
const writes = guardedOperations.filter(
  ({ kind, access, name }) =>
    kind === 'write' && 'permission' in access && !isOfInstallation(access.permission) && !isUnaudited(name),
)
function isUnaudited(name: string): boolean {
  const [group = '', operation = ''] = name.split('.')
  return (contract as Record<string, Record<string, OpSpec>>)[group]?.[operation]?.unaudited !== undefined
}

type Red = Terrain & Pick<Parts, 'people'>
type Ask = (terrain: Red, as: Proof) => Promise<Answer>
/** A RED case by its id: its recipient reads it; A's own admin, who is not named on it, does not learn that it is there. */
const redById = (id: string, title: string, ask: Ask): AnyAttack =>
  attack({
    id: `red.${id}`,
    actor,
    requirement: 'TLP-2',
    title,
    needs: ['people'],
    control: async (t) => passed(await ask(t, bearer(t.people.moderator)), 'by its recipient'),
    async attack(t) {
      const byUser = await ask(t, bearer(t.people.user))
      if (byUser.code !== 'not_found') return refused(byUser, 'not_found')
      return refused(await ask(t, bearer(t.a.admin)), 'not_found')
    },
  })
/** A list: the secret of the RED case is there for its recipient, and for A's admin it is not. */
const redInList = (id: string, title: string, ask: Ask): AnyAttack =>
  attack({
    id: `red.${id}`,
    actor,
    requirement: 'TLP-2',
    title,
    needs: ['people'],
    control: async (t) => contains(await ask(t, bearer(t.people.moderator)), t.people.red.secret, 'the RED title'),
    attack: async (t) => withheld(await ask(t, bearer(t.a.admin)), t.people.red.secret, 'the RED title'),
  })

export const viewerAttacks: readonly AnyAttack[] = [
  attack({
    id: 'viewer.every-write',
    actor,
    requirement: 'AZ-2',
    title: `call each of the ${writes.length} operations that change something, as a viewer`,
    needs: ['people'],
    async control({ api, a }) {
      const closed = (await answersOf(api, writes, bearer(a.admin))).find(
        ({ code }) => code === 'forbidden' || code === 'unauthenticated',
      )
      if (closed) throw new NotShown(`${closed.asked} is refused to an admin as well: ${refusalOf(closed)}`)
      return 'an admin gets past the door of each'
    },
    async attack({ api, people }) {
      const open = (await answersOf(api, writes, bearer(people.viewer))).find(({ code }) => code !== 'forbidden')
      if (open) return `${open.asked}: ${refusalOf(open)}`
      throw new Stopped(`403 forbidden from all ${writes.length}`)
    },
  }),
  attack({
    id: 'viewer.console-write',
    actor,
    requirement: 'AZ-2',
    title: 'open a case through the console’s own call, as a viewer',
    needs: ['people'],
    control: async ({ web, people }) =>
      passed(
        await web.call('cases.open', { title: 'Redoubt drill: by a user', severity: 'low' }, browser(people.user)),
        'as a user',
      ),
    attack: async ({ web, people }) =>
      refused(
        await web.call('cases.open', { title: 'by a viewer', severity: 'low' }, browser(people.viewer)),
        'forbidden',
      ),
  }),
  attack({
    id: 'viewer.audit',
    actor,
    requirement: 'AZ-2',
    title: 'read the audit log as a viewer, and export it as a moderator',
    needs: ['people'],
    control: async ({ api, a }) => passed(await api.get('/api/v1/audit/events', bearer(a.admin)), 'as an admin'),
    async attack({ api, people }) {
      const exported = await api.get('/api/v1/audit/export', bearer(people.moderator))
      if (exported.code !== 'forbidden') return refused(exported, 'forbidden')
      return refused(await api.get('/api/v1/audit/events', bearer(people.viewer)), 'forbidden')
    },
  }),
  attack({
    id: 'viewer.own-role',
    actor,
    requirement: 'ZT-2',
    title: 'make oneself an admin',
    needs: ['people'],
    control: async ({ api, a, people }) => passed(await roleOf(api, people, 'viewer', bearer(a.admin)), 'by an admin'),
    attack: async ({ api, people }) => refused(await roleOf(api, people, 'admin', bearer(people.viewer)), 'forbidden'),
  }),
  attack({
    id: 'viewer.invite-admin',
    actor,
    requirement: 'ZT-2',
    title: 'invite a second self as an admin, as a moderator',
    needs: ['people'],
    control: async ({ api, a }) =>
      passed(
        await api.post('/api/v1/invitations', { email: 'second@people.example', role: 'viewer' }, bearer(a.admin)),
        'by an admin',
      ),
    attack: async ({ api, people }) =>
      refused(
        await api.post(
          '/api/v1/invitations',
          { email: 'second@people.example', role: 'admin' },
          bearer(people.moderator),
        ),
        'forbidden',
      ),
  }),
  redById('case', 'read a RED case that one is not named on', ({ api, people }, as) =>
    api.get(`/api/v1/cases/${people.red.caseId}`, as),
  ),
  redById('timeline', 'read the timeline of a RED case', ({ api, people }, as) =>
    api.get(`/api/v1/cases/${people.red.caseId}/timeline`, as),
  ),
  redById('tasks', 'read the tasks of a RED case', ({ api, people }, as) =>
    api.get(`/api/v1/cases/${people.red.caseId}/tasks`, as),
  ),
  redById('observables', 'read the observables of a RED case', ({ api, people }, as) =>
    api.get(`/api/v1/cases/${people.red.caseId}/observables`, as),
  ),
  redById('alert', 'read an alert of a RED case', ({ api, people }, as) =>
    api.get(`/api/v1/alerts/${people.red.alertId}`, as),
  ),
  redById('run', 'read a run on a RED case, with its plan', ({ api, people }, as) =>
    api.get(`/api/v1/runs/${people.red.runId}`, as),
  ),
  redInList('list', 'find a RED case in the list and the search of cases', ({ api, people }, as) =>
    api.get(`/api/v1/cases?search=${people.red.secret}`, as),
  ),
  redInList('alerts', 'find the alerts of a RED case', ({ api, people }, as) =>
    api.get(`/api/v1/alerts?search=${people.red.secret}`, as),
  ),
  redInList('runs', 'find the runs on a RED case', ({ api }, as) => api.get('/api/v1/runs?limit=200', as)),
  attack({
    id: 'red.similar',
    actor,
    requirement: 'TLP-2',
    title: 'meet a RED case among the cases that share an observable with one’s own',
    needs: ['people'],
    control: async (t) => contains(await similarToRed(t, t.people.moderator), t.people.red.caseId, 'the RED case'),
    attack: async (t) => withheld(await similarToRed(t, t.a.admin), t.people.red.caseId, 'the RED case'),
  }),
  attack({
    id: 'red.counts',
    actor,
    requirement: 'TLP-2',
    title: 'learn from the figures that there is a RED case',
    needs: ['people'],
    async control({ api, a, people }) {
      const [recipient, admin] = [await openCases(api, bearer(people.moderator)), await openCases(api, bearer(a.admin))]
      if (recipient <= admin) throw new NotShown(`the recipient counts ${recipient} open cases, the admin ${admin}`)
      return `its recipient counts ${recipient} open cases, the RED one among them`
    },
    async attack({ api, a }) {
      const counted = await openCases(api, bearer(a.admin))
      const { items } = bodyOf<{ items: object[] }>(await api.get('/api/v1/cases?open=true&limit=200', bearer(a.admin)))
      if (counted !== items.length) return `the figures count ${counted} open cases, the list shows ${items.length}`
      throw new Stopped(`the figures count ${counted}, as many as the list shows`)
    },
  }),
  attack({
    id: 'red.audit',
    actor,
    requirement: 'TLP-2',
    title: 'read what a RED case is about in the audit log',
    needs: ['people'],
    async control({ api, a, people }) {
      return contains(
        await api.get(`/api/v1/audit/events?targetId=${people.red.caseId}`, bearer(a.admin)),
        'case.opened',
        'its events, without its words',
      )
    },
    attack: async ({ api, a, people }) =>
      withheld(
        await api.get(`/api/v1/audit/events?targetId=${people.red.caseId}&limit=200`, bearer(a.admin)),
        people.red.secret,
        'a word of the RED case',
      ),
  }),
  attack({
    id: 'red.add-oneself',
    actor,
    requirement: 'TLP-2',
    title: 'name oneself on a RED case, as an admin',
    needs: ['people'],
    async control({ api, people }) {
      const { version } = bodyOf<{ version: number }>(
        await api.get(`/api/v1/cases/${people.red.caseId}`, bearer(people.moderator)),
      )
      return passed(
        await shareRed(api, people, version, people.moderator.userId, bearer(people.moderator)),
        'by its recipient',
      )
    },
    attack: async ({ api, a, people }) =>
      refused(await shareRed(api, people, 1, a.admin.userId, bearer(a.admin)), 'not_found'),
  }),
]

type Api = Terrain['api']
const roleOf = (api: Api, { viewer }: Parts['people'], role: string, as: Proof) =>
  api.send({ method: 'PATCH', path: `/api/v1/members/${viewer.userId}`, body: { role }, as })
const shareRed = (api: Api, { red }: Parts['people'], version: number, recipient: string, as: Proof) =>
  api.post(
    `/api/v1/cases/${red.caseId}/share`,
    { version, tlp: 'RED', audience: 'named', recipientIds: [recipient] },
    as,
  )

/** The cases that share the RED case's observable with a fresh one. */
async function similarToRed({ api, people }: Red, by: Person): Promise<Answer> {
  const { id } = await openCase(api, by)
  const observable = { text: `${people.red.secret}.example.com` }
  bodyOf(await api.post(`/api/v1/cases/${id}/observables`, observable, bearer(by)))
  return api.get(`/api/v1/cases/${id}/similar`, bearer(by))
}

async function openCases(api: Api, as: Proof): Promise<number> {
  const { open } = bodyOf<{ open: { count: number }[] }>(await api.get('/api/v1/cases/figures', as))
  return open.reduce((sum, { count }) => sum + count, 0)
}
