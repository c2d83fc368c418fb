import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { openStream } from '../event-stream.ts'
import { bodyOf, type Door, passed, refusalOf, refused } from '../http.ts'
import { invited } from '../inhabitants.ts'
import { bearer, newCookie, newTokens, type Person } from '../organization.ts'

const actor = 'stolen token'

const refresh = (api: Door, refreshToken: string) => api.post('/api/v1/auth/refresh', { refreshToken })
const me = (api: Door, access: string) => api.get('/api/v1/auth/me', bearer({ access }))

/** Asks until refused, and says how long that took; SESS-1 gives it a second. */
async function refusedWithinASecond(ask: () => ReturnType<typeof me>): Promise<string> {
  const began = performance.now()
  let last = await ask()
  while (last.code === null && performance.now() - began < 1000) last = await ask()
  const ms = Math.round(performance.now() - began)
  if (last.code === 'unauthenticated' || last.code === 'forbidden')
    throw new Stopped(`${refusalOf(last)}, after ${ms} ms`)
  return `${last.asked} still went through after ${ms} ms`
}

export const stolenTokenAttacks: readonly AnyAttack[] = [
  attack({
    id: 'stolen.refresh-reused',
    actor,
    requirement: 'SESS-3',
    title: 'use a refresh token that its owner has used already',
    async control({ api, a }) {
      return passed(await refresh(api, (await newTokens(api, a.admin)).refreshToken), 'the first time')
    },
    async attack({ api, a }) {
      const { refreshToken } = await newTokens(api, a.admin)
      bodyOf(await refresh(api, refreshToken))
      return refused(await refresh(api, refreshToken), 'unauthenticated')
    },
  }),
  attack({
    id: 'stolen.family',
    actor,
    requirement: 'SESS-3',
    title: 'go on with the thief’s tokens after the owner’s use gave the theft away',
    async control({ api, a }) {
      const { refreshToken } = await newTokens(api, a.admin)
      const { accessToken } = bodyOf<{ accessToken: string }>(await refresh(api, refreshToken))
      return passed(await me(api, accessToken), 'with the renewed token, before its family ends')
    },
    async attack({ api, a }) {
      const { refreshToken } = await newTokens(api, a.admin)
      const thief = bodyOf<{ accessToken: string; refreshToken: string }>(await refresh(api, refreshToken))
      await refresh(api, refreshToken)
      const renewed = await refresh(api, thief.refreshToken)
      if (renewed.code !== 'unauthenticated') return `the thief’s refresh token: ${refusalOf(renewed)}`
      return refusedWithinASecond(() => me(api, thief.accessToken))
    },
  }),
  attack({
    id: 'stolen.refresh-race',
    actor,
    requirement: 'SESS-3',
    title: 'refresh eight times at once, so that one of them goes unnoticed',
    async control({ api, a }) {
      return passed(await refresh(api, (await newTokens(api, a.admin)).refreshToken), 'alone')
    },
    async attack({ api, a }) {
      const { refreshToken } = await newTokens(api, a.admin)
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          api.send({ method: 'POST', path: '/api/v1/auth/refresh', body: { refreshToken }, feelsLimits: true }),
        ),
      )
      const won = answers.filter(({ code }) => code === null)
      if (won.length > 1) return `${won.length} of 8 got new tokens`
      const [winner] = won
      if (!winner) throw new Error('none of the eight got through')
      // Nobody can tell whether the owner or the thief was first, so what the first one got must end too.
      return refusedWithinASecond(() => me(api, bodyOf<{ accessToken: string }>(winner).accessToken))
    },
  }),
  attack({
    id: 'stolen.access-after-logout',
    actor,
    requirement: 'SESS-1',
    title: 'use an access token after its owner signed out',
    async control({ api, a }) {
      return passed(await me(api, (await newTokens(api, a.admin)).accessToken), 'before signing out')
    },
    async attack({ api, a }) {
      const { accessToken } = await newTokens(api, a.admin)
      bodyOf(await me(api, accessToken))
      bodyOf(await api.post('/api/v1/auth/logout', {}, bearer({ access: accessToken })))
      return refusedWithinASecond(() => me(api, accessToken))
    },
  }),
  attack({
    id: 'stolen.cookie-after-logout',
    actor,
    requirement: 'SESS-1',
    title: 'replay a session cookie after its owner signed out',
    async control({ web, a }) {
      return passed(await web.ask('auth.me', {}, { cookie: await newCookie(web, a.admin) }), 'before signing out')
    },
    async attack({ web, a }) {
      const cookie = await newCookie(web, a.admin)
      bodyOf(await web.ask('auth.me', {}, { cookie }))
      bodyOf(await web.call('auth.logout', {}, { cookie }))
      return refusedWithinASecond(() => web.ask('auth.me', {}, { cookie }))
    },
  }),
  attack({
    id: 'stolen.revoked-elsewhere',
    actor,
    requirement: 'SESS-1',
    title: 'go on at the console with a session that its owner ended through the api',
    async control({ web, a }) {
      return passed(await web.ask('auth.me', {}, { cookie: await newCookie(web, a.admin) }), 'before it is ended')
    },
    async attack({ web, api, a }) {
      const cookie = await newCookie(web, a.admin)
      const { session } = bodyOf<{ session: { id: string } }>(await web.ask('auth.me', {}, { cookie }))
      bodyOf(await api.send({ method: 'DELETE', path: `/api/v1/sessions/${session.id}`, as: bearer(a.admin) }))
      return refusedWithinASecond(() => web.ask('auth.me', {}, { cookie }))
    },
  }),
  attack({
    id: 'stolen.stream',
    actor,
    requirement: 'SESS-1',
    title: 'keep a stream of live events open after its session was ended',
    async control({ web, a }) {
      const stream = await openStream(web, a.admin, await newCookie(web, a.admin))
      const ended = await stream.endsWithin(300)
      stream.close()
      if (ended) throw new NotShown('the stream ended although its session had not')
      return 'a stream whose session goes on stays open'
    },
    async attack({ web, a }) {
      const cookie = await newCookie(web, a.admin)
      const stream = await openStream(web, a.admin, cookie)
      bodyOf(await web.call('auth.logout', {}, { cookie }))
      const began = performance.now()
      const ended = await stream.endsWithin(1000)
      stream.close()
      if (!ended) return 'the stream was open a second later'
      throw new Stopped(`the stream was closed after ${Math.round(performance.now() - began)} ms`)
    },
  }),
  attack({
    id: 'stolen.removed-member',
    actor,
    requirement: 'ZT-1',
    title: 'read with a good access token after its person was removed',
    needs: ['people'],
    control: async ({ web, api, a }) =>
      passed(await api.get('/api/v1/cases', bearer(await leaver(web, api, a.admin))), 'as a member'),
    async attack({ web, api, a }) {
      const person = await leaver(web, api, a.admin)
      bodyOf(await api.get('/api/v1/cases', bearer(person)))
      bodyOf(await api.send({ method: 'DELETE', path: `/api/v1/members/${person.userId}`, as: bearer(a.admin) }))
      return refusedWithinASecond(() => api.get('/api/v1/cases', bearer(person)))
    },
  }),
  attack({
    id: 'stolen.lowered-role',
    actor,
    requirement: 'ZT-2',
    title: 'write with a token from before its person became a viewer',
    needs: ['people'],
    async control({ web, api, a }) {
      return passed(await openAs(api, await leaver(web, api, a.admin)), 'as a user')
    },
    async attack({ web, api, a }) {
      const person = await leaver(web, api, a.admin)
      bodyOf(await openAs(api, person))
      const lowered = {
        method: 'PATCH',
        path: `/api/v1/members/${person.userId}`,
        body: { role: 'viewer' },
        as: bearer(a.admin),
      }
      bodyOf(await api.send(lowered))
      return refusedWithinASecond(() => openAs(api, person))
    },
  }),
  attack({
    id: 'stolen.other-organization-header',
    actor,
    requirement: 'TEN-2',
    title: 'take a stolen token of B into A by naming A in the header',
    control: async ({ api, b }) =>
      passed(
        await api.get('/api/v1/organization', { ...bearer(b.admin), 'redoubt-organization': b.id }),
        'naming its own',
      ),
    attack: async ({ api, a, b }) =>
      refused(await api.get('/api/v1/organization', { ...bearer(b.admin), 'redoubt-organization': a.id }), 'forbidden'),
  }),
]

let leavers = 0
/** Somebody who is let in only to be put out. */
async function leaver(web: Door, api: Door, admin: Person): Promise<Person> {
  leavers += 1
  return invited({ web, api }, bearer(admin), admin.slug, 'user', `leaver-${leavers}-${Date.now()}`)
}

const openAs = (api: Door, person: Person) =>
  api.post(
    '/api/v1/cases',
    { title: 'Redoubt drill: opened with an old token', severity: 'informational' },
    bearer(person),
  )
