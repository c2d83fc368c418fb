import { connect } from 'node:net'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Answer, bodyOf, contains, type Door, isSuccess, passed, refusalOf, refused, withheld } from '../http.ts'
import { bearer, newSecret, openCase, type Person } from '../organization.ts'

const actor = 'poisoned input'
const draft = { title: 'Redoubt drill: an input', severity: 'informational' }
const open = (api: Door, by: Person, body: unknown) => api.post('/api/v1/cases', body, bearer(by))
const goodDraft = async ({ api, a }: { api: Door; a: { admin: Person } }) =>
  passed(await open(api, a.admin, draft), 'with a good body')

/** A body that must be refused where a good one is taken. */
const body = (
  id: string,
  title: string,
  poisoned: () => unknown,
  codes: readonly string[] = ['bad_request'],
): AnyAttack =>
  attack({
    id: `input.${id}`,
    actor,
    requirement: 'NET-5',
    title,
    control: goodDraft,
    attack: async ({ api, a }) => refused(await open(api, a.admin, poisoned()), ...codes),
  })

const nested = (depth: number) => `{"title":"x","severity":"low","x":${'['.repeat(depth)}${']'.repeat(depth)}}`

export const poisonedInputAttacks: readonly AnyAttack[] = [
  body('oversized', 'send a body of 2 MB', () => ({ ...draft, description: 'x'.repeat(2_000_000) }), ['too_large']),
  body('over-deep', 'nest JSON 100 000 levels deep', () => nested(100_000)),
  body('nul', 'put a NUL into text, which the database cannot hold', () => ({ ...draft, description: 'a\u0000b' })),
  body('control-characters', 'put a line break and an escape sequence into a title', () => ({
    ...draft,
    title: 'one\r\n\u001b[2Jtwo',
  })),
  body('operator-object', 'pass an object where text belongs (operator injection)', () => ({
    ...draft,
    title: { $gt: '' },
  })),
  attack({
    id: 'input.prototype',
    actor,
    requirement: 'NET-5',
    title: 'pollute the prototype of every object',
    control: goodDraft,
    async attack({ api, a }) {
      const text =
        '{"title":"Redoubt drill: prototype","severity":"low","__proto__":{"tlp":"CLEAR","polluted":true},"constructor":{"prototype":{"tlp":"CLEAR"}}}'
      const answer = await open(api, a.admin, text)
      if (!isSuccess(answer)) return refused(answer, 'bad_request')
      const after = bodyOf<{ tlp: string }>(await open(api, a.admin, draft))
      if (bodyOf<{ tlp: string }>(answer).tlp !== 'AMBER' || after.tlp !== 'AMBER') return `the TLP is ${after.tlp}`
      throw new Stopped('the members were dropped: this case and the next are TLP:AMBER')
    },
  }),
  attack({
    id: 'input.mass-assignment',
    actor,
    requirement: 'TEN-1',
    title: 'set the organization, number and owner of a case by naming them',
    control: goodDraft,
    async attack({ api, a, b }) {
      const answer = await open(api, b.admin, {
        ...draft,
        organizationId: a.id,
        organization_id: a.id,
        number: 1,
        phase: 'closed',
        openedBy: 'Somebody',
      })
      if (!isSuccess(answer)) return refused(answer, 'bad_request')
      const made = bodyOf<{ id: string; phase: string }>(answer)
      const inA = await api.get(`/api/v1/cases/${made.id}`, bearer(a.admin))
      if (isSuccess(inA) || made.phase !== 'detection') return `the case is in A, or ${made.phase}`
      throw new Stopped('the members were dropped: the case is B’s, in its first phase')
    },
  }),
  attack({
    id: 'input.sql-search',
    actor,
    requirement: 'NET-5',
    title: 'break out of a search into SQL',
    control: async ({ api, a }) =>
      contains(await api.get(`/api/v1/cases?search=${a.secret}`, bearer(a.admin)), a.secret, 'the case'),
    async attack({ api, a, b }) {
      for (const words of ["%' or 1=1 --", `' union select * from redoubt.cases --`, '%', '_']) {
        const answer = await api.get(`/api/v1/cases?limit=200&search=${encodeURIComponent(words)}`, bearer(b.admin))
        if (answer.text.includes(a.secret)) return `search=${words} found A’s case`
        if (!isSuccess(answer)) throw new Error(refusalOf(answer))
      }
      return withheld(
        await api.get('/api/v1/cases?limit=200', bearer(b.admin)),
        a.secret,
        'A’s case, for any of 4 searches',
      )
    },
  }),
  attack({
    id: 'input.cursor',
    actor,
    requirement: 'NET-5',
    title: 'pass SQL, another shape or a huge number as a cursor',
    async control({ api, a }) {
      await openCase(api, a.admin)
      const { next } = bodyOf<{ next: string }>(await api.get('/api/v1/cases?limit=1', bearer(a.admin)))
      return passed(await api.get(`/api/v1/cases?limit=1&cursor=${next}`, bearer(a.admin)), 'with a cursor given out')
    },
    async attack({ api, a }) {
      let last: Answer | undefined
      for (const cursor of [
        "';drop table redoubt.cases;--",
        Buffer.from('[1,2]').toString('base64url'),
        '9'.repeat(390),
      ]) {
        last = await api.get(`/api/v1/cases?cursor=${encodeURIComponent(cursor)}`, bearer(a.admin))
        if (last.code !== 'bad_request') return refused(last, 'bad_request')
      }
      return refused(last as Answer, 'bad_request')
    },
  }),
  attack({
    id: 'input.static-path',
    actor,
    requirement: 'NET-5',
    title: 'climb out of the console’s files to the keys',
    control: async ({ web }) => passed(await web.get('/mark.svg'), 'inside its files'),
    async attack({ web }) {
      const up = ['..', '%2e%2e', '..%2f..', '%2e%2e%2f%2e%2e', '....//..', '..%5c..', '%252e%252e']
      for (const step of up)
        for (const path of [`/${step}/${step}/${step}/package.json`, `/assets/${step}/${step}/${step}/package.json`]) {
          const answer = await web.get(path)
          if (/"(name|workspaces|dependencies)"/.test(answer.text)) return `GET ${path} gave a file away`
          if (answer.status >= 500) throw new Error(`GET ${path}: ${refusalOf(answer)}`)
        }
      throw new Stopped(`no file at any of ${up.length * 2} paths: 404, 400, or the console’s page`)
    },
  }),
  attack({
    id: 'input.methods',
    actor,
    requirement: 'NET-5',
    title: 'use methods that no operation has (TRACE, PUT, a made-up one)',
    control: async ({ api, a }) => passed(await api.get(`/api/v1/cases/${a.caseId}`, bearer(a.admin)), 'with GET'),
    async attack({ api, a }) {
      const answers: string[] = []
      for (const method of ['TRACE', 'PUT', 'CONNECT', 'PROPFIND']) {
        const status = await statusOfRaw(
          api,
          `${method} /api/v1/cases/${a.caseId} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${a.admin.access}\r\nConnection: close\r\n\r\n`,
        )
        if (status !== null && status < 400) return `${method}: ${status}`
        answers.push(`${method} ${status ?? 'cut off'}`)
      }
      throw new Stopped(answers.join(', '))
    },
  }),
  attack({
    id: 'input.smuggling',
    actor,
    requirement: 'NET-5',
    title: 'hide a second request behind two lengths (request smuggling)',
    async control({ api }) {
      const status = await statusOfRaw(api, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      if (status === 200) return 'GET /healthz over the same socket: 200'
      throw new NotShown(`GET /healthz over the same socket: ${status}`)
    },
    async attack({ api }) {
      const hidden = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
      const status = await statusOfRaw(
        api,
        `POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      )
      if (status !== null && status < 400) return `it was answered with ${status}`
      throw new Stopped(status === null ? 'cut off without an answer' : `${status}, once`)
    },
  }),
  attack({
    id: 'input.host',
    actor,
    requirement: 'NET-5',
    title: 'put a host of one’s own into an invitation’s link (Host header)',
    control: async ({ api, a }) => contains(await invite(api, a.admin, {}), '/invitation?token=', 'the link'),
    attack: async ({ api, a }) =>
      withheld(
        await invite(api, a.admin, { host: 'hostile.example', 'x-forwarded-host': 'hostile.example' }),
        'hostile.example/',
        'a link to the attacker’s host',
      ),
  }),
  attack({
    id: 'input.request-id',
    actor,
    requirement: 'ALM-2',
    title: 'choose the request id that goes into logs and audit events',
    control: async ({ api, a }) => {
      const id = (await api.get('/api/v1/auth/me', bearer(a.admin))).headers['x-request-id']
      if (id === undefined) throw new NotShown('answers carry no request id')
      return `an answer carries one: ${String(id)}`
    },
    async attack({ api, a }) {
      const wanted = '00000000-0000-4000-8000-00000000d811'
      const answer = await api.send({
        method: 'GET',
        path: '/api/v1/auth/me',
        as: bearer(a.admin),
        headers: { 'x-request-id': wanted, 'request-id': wanted },
      })
      if (answer.headers['x-request-id'] === wanted) return 'the answer carries the chosen id'
      throw new Stopped(`the answer carries ${String(answer.headers['x-request-id'])}`)
    },
  }),
  attack({
    id: 'input.forwarded-for',
    actor,
    requirement: 'RL-2',
    title: 'escape the sign-in limit with made-up X-Forwarded-For addresses',
    control: async ({ web }) => {
      const answer = await guessFrom(web, `${newSecret('nobody')}@people.example`, 1)
      if (answer.code === 'unauthenticated') return 'the first guess is answered'
      throw new NotShown(refusalOf(answer))
    },
    async attack({ web }) {
      const email = `${newSecret('nobody')}@people.example`
      for (let tried = 1; tried <= 60; tried++) {
        const answer = await guessFrom(web, email, tried)
        if (answer.code === 'rate_limited') throw new Stopped(`guess ${tried}: ${refusalOf(answer)}`)
      }
      return 'sixty guesses from as many “addresses” were answered'
    },
  }),
  attack({
    id: 'input.batch',
    actor,
    requirement: 'RL-1',
    title: 'put 200 console calls into one request',
    control: async ({ web, a }) => passed(await batch(web, a.admin, 2), 'with two calls'),
    async attack({ web, a }) {
      const answer = await batch(web, a.admin, 200)
      if (isSuccess(answer)) return `answered ${answer.status}`
      if (answer.status >= 400 && answer.status < 500) throw new Stopped(refusalOf(answer))
      throw new Error(refusalOf(answer))
    },
  }),
]

const invite = (api: Door, by: Person, headers: Readonly<Record<string, string>>) =>
  api.send({
    method: 'POST',
    path: '/api/v1/invitations',
    as: bearer(by),
    headers,
    body: { email: 'host-header@people.example', role: 'viewer' },
  })

const guessFrom = (web: Door, email: string, from: number) =>
  web.send({
    method: 'POST',
    path: '/trpc/auth.signIn',
    headers: {
      'redoubt-csrf': '1',
      'x-forwarded-for': `203.0.113.${from}`,
      forwarded: `for=203.0.113.${from}`,
      'x-real-ip': `203.0.113.${from}`,
    },
    body: { email, password: `guess ${from}` },
    feelsLimits: true,
  })

function batch(web: Door, by: Person, calls: number): Promise<Answer> {
  const names = Array.from({ length: calls }, () => 'auth.me').join(',')
  const input = encodeURIComponent(
    JSON.stringify(Object.fromEntries(Array.from({ length: calls }, (_, at) => [at, {}]))),
  )
  return web.send({
    method: 'GET',
    path: `/trpc/${names}?batch=1&input=${input}`,
    as: { cookie: by.cookie },
    headers: { 'redoubt-csrf': '1' },
  })
}

/** The status of the last answer to bytes sent as they are; null when the connection is cut without one. */
function statusOfRaw(door: Door, bytes: string): Promise<number | null> {
  const { hostname, port } = new URL(door.url)
  return new Promise((resolve) => {
    let text = ''
    const socket = connect({ host: hostname, port: Number(port) }, () => void socket.write(bytes))
    socket.setTimeout(3000, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
      // With two answers the hidden request was answered as well: the best of them counts.
      resolve(statuses.length === 0 ? null : Math.min(...statuses))
    })
  })
}
