import { type AnyAttack, attack, Stopped } from '../attack.ts'
import { type Answer, type Door, passed, refused } from '../http.ts'
import { browser, newCookie, type Person } from '../organization.ts'

const actor = 'browser on a hostile page'
const hostile = 'https://hostile.example'

/** Opens a case with the victim's cookie, as another site's page would make the victim's browser do. */
function openCase(web: Door, victim: Person, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return web.send({
    method: 'POST',
    path: '/trpc/cases.open',
    as: browser(victim),
    headers,
    body: { title: 'Redoubt drill: opened by another site', severity: 'informational' },
  })
}

type Headers = Readonly<Record<string, string>>
/** CSRF: the control is the console's own request, which differs in these headers alone. */
const csrf = (
  id: string,
  title: string,
  headers: Headers | ((own: string) => Headers),
  codes: readonly string[] = ['forbidden'],
): AnyAttack =>
  attack({
    id: `browser.${id}`,
    actor,
    requirement: 'SESS-2',
    title,
    control: async ({ web, a }) =>
      passed(
        await openCase(web, a.admin, {
          'redoubt-csrf': '1',
          'sec-fetch-site': 'same-origin',
          origin: new URL(web.url).origin,
        }),
        'from the console itself',
      ),
    attack: async ({ web, a }) =>
      refused(
        await openCase(web, a.admin, typeof headers === 'function' ? headers(new URL(web.url).origin) : headers),
        ...codes,
      ),
  })

/** What only the browser enforces: the drill reads the instruction that the server gives it. */
const instruction = (
  id: string,
  requirement: string,
  title: string,
  read: (answer: Answer) => { readonly wrong: string } | { readonly right: string },
  path = '/',
): AnyAttack =>
  attack({
    id: `browser.${id}`,
    actor,
    requirement,
    title,
    control: { impossible: 'a browser enforces it; the console’s browser tests show it there' },
    async attack({ web }) {
      const answer = await web.get(path)
      const read_ = read(answer)
      if ('wrong' in read_) return read_.wrong
      throw new Stopped(read_.right)
    },
  })

const policy = ({ headers }: Answer): ReadonlyMap<string, string> =>
  new Map(
    String(headers['content-security-policy'] ?? '')
      .split(';')
      .map((each) => each.trim())
      .map((each) => [each.split(' ')[0] ?? '', each.split(' ').slice(1).join(' ')]),
  )

export const browserAttacks: readonly AnyAttack[] = [
  csrf('csrf-form', 'post a form across sites with the victim’s cookie', { 'content-type': 'text/plain' }, [
    'forbidden',
    'unsupported_media_type',
  ]),
  csrf('csrf-origin', 'send the console’s header, from another origin', { 'redoubt-csrf': '1', origin: hostile }),
  csrf('csrf-fetch-site', 'send it from another site with its origin hidden', {
    'redoubt-csrf': '1',
    'sec-fetch-site': 'cross-site',
  }),
  csrf('csrf-null-origin', 'send it from a sandboxed frame (Origin: null)', { 'redoubt-csrf': '1', origin: 'null' }),
  csrf('csrf-look-alike', 'send it from an origin that begins like ours', (own) => ({
    'redoubt-csrf': '1',
    origin: `${own}.hostile.example`,
  })),
  attack({
    id: 'browser.csrf-get',
    actor,
    requirement: 'SESS-2',
    title: 'change something with a GET, as an image on another site would',
    control: async ({ web, a }) => passed(await openCase(web, a.admin, { 'redoubt-csrf': '1' }), 'with POST'),
    async attack({ web, a }) {
      const input = encodeURIComponent(JSON.stringify({ title: 'Redoubt drill: by GET', severity: 'low' }))
      const answer = await web.send({
        method: 'GET',
        path: `/trpc/cases.open?input=${input}`,
        as: browser(a.admin),
        headers: { 'redoubt-csrf': '1' },
      })
      return refused(answer, 'method_not_allowed', 'bad_request', 'not_found')
    },
  }),
  attack({
    id: 'browser.cors',
    actor,
    requirement: 'NET-5',
    title: 'be allowed to read answers across origins (CORS)',
    control: { impossible: 'no origin is on the allow-list of a fresh installation' },
    async attack({ web, api, a }) {
      for (const door of [web, api])
        for (const method of ['OPTIONS', 'GET']) {
          const headers = {
            origin: hostile,
            'access-control-request-method': 'GET',
            'access-control-request-headers': 'authorization',
          }
          const path = door === api ? '/api/v1/auth/me' : '/trpc/auth.me'
          const answer = await door.send({ method, path, headers, as: { cookie: a.admin.cookie } })
          const allowed = answer.headers['access-control-allow-origin']
          if (allowed !== undefined) return `${method} ${path} allows ${allowed}`
        }
      throw new Stopped('no Access-Control-Allow-Origin on preflight or answer, of web and api')
    },
  }),
  attack({
    id: 'browser.cookie',
    actor,
    requirement: 'SESS-2',
    title: 'read the session cookie in a script, or have it sent across sites or in the clear',
    control: { impossible: 'a browser enforces it; the console’s browser tests show it there' },
    async attack({ web, a }) {
      const answer = await web.call('auth.signIn', { email: a.admin.email, password: a.admin.password })
      const [cookie = ''] = answer.headers['set-cookie'] ?? []
      const attributes = cookie.split(';').map((each) => each.trim().toLowerCase())
      const missing = ['httponly', 'secure', 'samesite=strict', 'path=/'].filter((each) => !attributes.includes(each))
      if (!cookie.startsWith('__Host-')) missing.push('the __Host- prefix')
      if (missing.length > 0) return `the cookie lacks ${missing.join(', ')}`
      throw new Stopped(attributes.slice(1).join('; '))
    },
  }),
  instruction('inline-script', 'NET-5', 'run an injected script (CSP)', (answer) => {
    const csp = policy(answer)
    const scripts = csp.get('script-src') ?? csp.get('default-src')
    if (scripts !== "'self'") return { wrong: `script-src ${scripts ?? 'is missing'}` }
    if (csp.get('require-trusted-types-for') !== "'script'") return { wrong: 'trusted types are not required' }
    return { right: `script-src 'self'; require-trusted-types-for 'script'` }
  }),
  instruction('framing', 'NET-5', 'lay the console under a hostile page (clickjacking)', (answer) => {
    const ancestors = policy(answer).get('frame-ancestors')
    if (ancestors !== "'none'" || answer.headers['x-frame-options'] !== 'DENY')
      return { wrong: `frame-ancestors ${ancestors ?? 'is missing'}` }
    return { right: `frame-ancestors 'none'; X-Frame-Options: DENY` }
  }),
  instruction(
    'sniffing',
    'NET-5',
    'have an answer taken for a script or a page (nosniff)',
    ({ headers }) => {
      if (headers['x-content-type-options'] !== 'nosniff') return { wrong: 'X-Content-Type-Options is missing' }
      if (!String(headers['content-type']).includes('json')) return { wrong: `an error is ${headers['content-type']}` }
      return { right: `nosniff; ${headers['content-type']}` }
    },
    '/trpc/<script>',
  ),
  attack({
    id: 'browser.redirect',
    actor,
    requirement: 'NET-5',
    title: 'be sent to another site by a link to the console (open redirect)',
    control: async ({ web }) => passed(await web.get('/'), 'with an address of its own'),
    async attack({ web }) {
      const paths = [
        '//hostile.example',
        '/\\hostile.example',
        '//hostile.example/%2e%2e',
        '/sign-in?next=https://hostile.example',
        '/%0d%0alocation:%20https://hostile.example',
      ]
      for (const path of paths) {
        const answer = await web.get(path)
        if (answer.headers.location !== undefined) return `GET ${path} leads to ${answer.headers.location}`
      }
      throw new Stopped(`no Location at any of ${paths.length} addresses`)
    },
  }),
  attack({
    id: 'browser.cookie-of-sibling',
    actor,
    requirement: 'SESS-2',
    title: 'plant a session under the cookie’s plain name, as a sibling host could',
    async control({ web, b }) {
      return passed(await web.ask('auth.me', {}, { cookie: await newCookie(web, b.admin) }), 'under its __Host- name')
    },
    async attack({ web, b }) {
      const planted = (await newCookie(web, b.admin)).replace('__Host-', '')
      return refused(await web.ask('auth.me', {}, { cookie: planted }), 'unauthenticated')
    },
  }),
]
