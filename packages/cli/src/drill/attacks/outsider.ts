import { contract, type OpSpec } from '@redoubt/contract'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { openStream } from '../event-stream.ts'
import { type Answer, bodyOf, contains, type Door, type Proof, passed, refusalOf, refused } from '../http.ts'
import { bearer, newSecret } from '../organization.ts'
import { enrolmentToken, sendEnrolment } from '../runner-identity.ts'

const actor = 'outsider'

/** Every REST operation of the api's public port that is not public, with its path filled in. */
export const guardedOperations = Object.entries(contract).flatMap(([group, specs]) =>
  Object.entries(specs as Record<string, OpSpec>).flatMap(([name, { access, rest, kind, channel }]) =>
    rest === undefined || 'public' in access || channel !== undefined
      ? []
      : [{ name: `${group}.${name}`, kind, access, method: rest.method, path: pathOf(rest.path) }],
  ),
)
type Guarded = (typeof guardedOperations)[number]

/** An id that nothing has: whoever may call the operation is told so, whoever may not is told that instead. */
function pathOf(template: string): string {
  return `/api/v1${template.replaceAll(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000')}`
}

/** The answers of the operations to an empty request. */
export async function answersOf(api: Door, operations: readonly Guarded[], as: Proof): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const { method, path } of operations)
    answers.push(await api.send({ method, path, as, ...(method === 'GET' ? {} : { body: {} }) }))
  return answers
}

const guess = 'rdt_setup_0000000000000000000000000000000000000000000000000'
const signIn = (web: Door, email: string, password: string): Promise<Answer> =>
  web.send({
    method: 'POST',
    path: '/trpc/auth.signIn',
    headers: { 'redoubt-csrf': '1' },
    body: { email, password },
    feelsLimits: true,
  })
const nobody = () => `${newSecret('nobody')}@people.example`

export const outsiderAttacks: readonly AnyAttack[] = [
  attack({
    id: 'outsider.every-operation',
    actor,
    requirement: 'AZ-1',
    title: `call each of the ${guardedOperations.length} guarded operations without credentials`,
    async control({ api, a }) {
      const reads = guardedOperations.filter(({ kind, access }) => kind === 'read' && !('machine' in access))
      const answers = await answersOf(api, reads, bearer(a.admin))
      const closed = answers.find(({ code }) => code === 'unauthenticated')
      if (closed) throw new NotShown(`${closed.asked} is refused to an admin as well`)
      return `an admin is let in to ${answers.length} of them, the reads`
    },
    async attack({ api }) {
      const answers = await answersOf(api, guardedOperations, {})
      const open = answers.find(({ code }) => code !== 'unauthenticated')
      if (open) return `${open.asked}: ${refusalOf(open)}`
      throw new Stopped(`401 unauthenticated from all ${answers.length}`)
    },
  }),
  attack({
    id: 'outsider.event-stream',
    actor,
    requirement: 'ZT-1',
    title: 'listen to the live events of an organization without a session',
    control: async ({ web, a }) => {
      const stream = await openStream(web, a.admin, a.admin.cookie)
      stream.close()
      return 'a member’s own stream opens'
    },
    attack: async ({ web, a }) => refused(await web.get(`/events?organization=${a.id}`), 'unauthenticated'),
  }),
  attack({
    id: 'outsider.set-up-again',
    actor,
    requirement: 'AUTH-1',
    title: 'use the set-up link again once there is an operator',
    control: { impossible: 'the link worked once, to set this installation up, and an installation is set up once' },
    attack: async ({ web, keys }) =>
      refused(
        await web.call('auth.setUp', {
          token: keys?.setUpToken ?? guess,
          organization: 'Mine',
          name: 'Mallory',
          email: nobody(),
          password: newSecret('p'),
        }),
        'gone',
      ),
  }),
  attack({
    id: 'outsider.invitation-reused',
    actor,
    requirement: 'AUTH-1',
    title: 'accept an invitation that was accepted before',
    async control({ web, api, a }) {
      const { token, accept } = await invitation(web, api, bearer(a.admin), a.slug)
      return passed(await accept(token), 'the first time')
    },
    async attack({ web, api, a }) {
      const { token, accept } = await invitation(web, api, bearer(a.admin), a.slug)
      bodyOf(await accept(token))
      return refused(await accept(token), 'gone')
    },
  }),
  attack({
    id: 'outsider.enrolment-reused',
    actor,
    requirement: 'PLAN-1',
    title: 'enrol a second runner with a used enrolment token',
    needs: ['people', 'runnersPort'],
    async control({ api, b, runnersPort }) {
      const { answer } = await sendEnrolment(runnersPort, await enrolmentToken(api, b))
      return passed(answer, 'the first time')
    },
    async attack({ api, b, runnersPort }) {
      const token = await enrolmentToken(api, b)
      bodyOf((await sendEnrolment(runnersPort, token)).answer)
      return refused((await sendEnrolment(runnersPort, token)).answer, 'gone', 'unauthenticated', 'not_found')
    },
  }),
  attack({
    id: 'outsider.enumeration',
    actor,
    requirement: 'AUTH-5',
    title: 'tell from the answer whether somebody has an account',
    control: async ({ web, a }) =>
      passed(await signIn(web, a.admin.email, a.admin.password), 'with the right password'),
    async attack({ web, a }) {
      const [known, unknown] = [
        await signIn(web, a.admin.email, 'wrong password'),
        await signIn(web, nobody(), 'wrong password'),
      ]
      const of = (answer: Answer) => refusalOf(answer)
      if (of(known) !== of(unknown)) return `known: ${of(known)}; unknown: ${of(unknown)}`
      throw new Stopped(`both: ${of(known)}`)
    },
  }),
  attack({
    id: 'outsider.spraying',
    actor,
    requirement: 'RL-2',
    title: 'try passwords on one account without end',
    control: async ({ web }) => {
      const answer = await signIn(web, nobody(), 'first guess')
      if (answer.code === 'unauthenticated') return 'the first guess is answered with yes or no'
      throw new NotShown(refusalOf(answer))
    },
    async attack({ web }) {
      const email = nobody()
      // Four at a time and more than any window of the limits holds, so that a slow machine does not pass for an open one.
      for (let tried = 1; tried <= 200; tried += 4) {
        const answers = await Promise.all([0, 1, 2, 3].map((more) => signIn(web, email, `guess ${tried + more}`)))
        const refused = answers.find(({ code }) => code === 'rate_limited')
        if (refused) throw new Stopped(`guesses ${tried} to ${tried + 3}: ${refusalOf(refused)}`)
      }
      return 'two hundred guesses were answered'
    },
  }),
  attack({
    id: 'outsider.undocumented',
    actor,
    requirement: 'AZ-1',
    title: 'find a route that nobody declared',
    control: async ({ api }) => passed(await api.get('/healthz'), 'declared and public'),
    async attack({ web, api }) {
      const guesses = [
        '/.env',
        '/.git/config',
        '/debug',
        '/metrics',
        '/api/v1/users',
        '/graphql',
        '/server-status',
        '/actuator/env',
      ]
      for (const door of [web, api])
        for (const path of guesses) {
          if (door === api && path === '/metrics') continue
          const answer = await door.get(path)
          const isConsole =
            String(answer.headers['content-type']).startsWith('text/html') && answer.text.includes('<div id="root"')
          if (answer.status !== 404 && !isConsole)
            return `${answer.asked}: ${answer.status} ${answer.text.slice(0, 60)}`
        }
      throw new Stopped(`404, or the console’s own page, at all of ${guesses.join(' ')}`)
    },
  }),
  attack({
    id: 'outsider.token-in-query',
    actor,
    requirement: 'SESS-2',
    title: 'pass an access token in the query, where it ends up in logs',
    control: async ({ api, a }) =>
      passed(await api.get('/api/v1/auth/me', bearer(a.admin)), 'with the token in the header'),
    attack: async ({ api, a }) =>
      refused(await api.get(`/api/v1/auth/me?access_token=${a.admin.access}`), 'unauthenticated'),
  }),
  attack({
    id: 'outsider.error-text',
    actor,
    requirement: 'NET-5',
    title: 'make an error tell a stack, a path or SQL',
    control: async ({ api, a }) =>
      contains(await api.get(`/api/v1/cases/${a.caseId}`, bearer(a.admin)), a.secret, 'the case'),
    async attack({ api }) {
      const probes: Answer[] = [
        await api.post('/api/v1/auth/login', '{"email":'),
        await api.send({
          method: 'POST',
          path: '/api/v1/auth/login',
          headers: { 'content-type': 'application/xml' },
          body: '<a/>',
        }),
        await api.get('/api/v1/cases/%00'),
        await api.post('/api/v1/auth/login', { email: { $ne: '' }, password: { $ne: '' } }),
      ]
      const talkative = probes.find(({ text }) =>
        /\bat .+:\d+:\d+|node_modules|select .+ from |\/packages\//i.test(text),
      )
      if (talkative) return `${talkative.asked}: ${talkative.text.slice(0, 200)}`
      const broken = probes.find(({ status }) => status >= 500)
      if (broken) throw new Error(`${broken.asked}: ${refusalOf(broken)}`)
      throw new Stopped(`${probes.map(({ status }) => status).join(', ')}: problem details without either`)
    },
  }),
  attack({
    id: 'outsider.other-service',
    actor,
    requirement: 'SVC-1',
    title: 'use a browser’s cookie on the api, or a program’s token on the console',
    control: async ({ api, web, a }) => {
      passed(await api.get('/api/v1/auth/me', bearer(a.admin)), 'with its token')
      return passed(await web.ask('auth.me', {}, { cookie: a.admin.cookie }), 'with its cookie')
    },
    async attack({ api, web, a }) {
      const cookieOnApi = await api.get('/api/v1/auth/me', { cookie: a.admin.cookie })
      const tokenOnWeb = await web.ask('auth.me', {}, bearer(a.admin))
      if (cookieOnApi.code !== 'unauthenticated') return refused(cookieOnApi, 'unauthenticated')
      return refused(tokenOnWeb, 'unauthenticated')
    },
  }),
]

/** An invitation into A, and how to accept it. */
async function invitation(web: Door, api: Door, by: Proof, slug: string) {
  const email = nobody()
  const { link } = bodyOf<{ link: string }>(await api.post('/api/v1/invitations', { email, role: 'viewer' }, by))
  const accept = (token: string | null) =>
    web.call('auth.acceptInvitation', { token, name: `Passer-by of ${slug}`, password: newSecret('p') })
  return { token: new URL(link).searchParams.get('token'), accept }
}
