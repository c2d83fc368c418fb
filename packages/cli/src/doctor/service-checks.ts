import { connect } from 'node:tls'
import type { Config } from '@redoubt/server'
import { type Check, check } from './check.ts'

const timeoutMs = 5000

/** What answers on the ports of the configuration, and how the console is guarded. */
export async function checkServices({ host, ports }: Pick<Config, 'host' | 'ports'>): Promise<Check[]> {
  const at = (port: number) => `http://${reachableHost(host)}:${port}`
  const [web, ...others] = await Promise.all([
    checkService('web', at(ports.web)),
    checkService('api', at(ports.api)),
    checkService('ingestion', at(ports.ingestion)),
    checkRunnerProcess(reachableHost(host).replace(/^\[|\]$/g, ''), ports.runner),
  ])
  return [web, ...others, ...(web.status === 'fail' ? [] : [await checkCsp(at(ports.web))])]
}

async function checkService(service: 'web' | 'api' | 'ingestion', url: string): Promise<Check> {
  const { ok, fail } = check(`service.${service}`, service)
  const health = await ask(`${url}/healthz`)
  if (health === null) return fail(`nothing answers at ${url}`, 'start the platform: npm start')
  if (isSealed(health.body)) return fail(`waits at ${url}: the keys are sealed`, 'redoubt unseal')
  if (!isHealthOf(health.body, service)) {
    return fail(`another program answers at ${url}`, `stop it, or set REDOUBT_${service.toUpperCase()}_PORT`)
  }
  const ready = await ask(`${url}/readyz`)
  if (ready?.status !== 200)
    return fail(`answers at ${url}, but is not ready`, 'mend the database; it is ready again by itself')
  return ok(`ready at ${url}`)
}

/** A stranger is told nothing by a runner; its certificate tells whether it is one that is enrolled. */
async function checkRunnerProcess(host: string, port: number): Promise<Check> {
  const { ok, warn } = check('service.runner', 'runner process')
  const url = `https://${host}:${port}`
  const shown = await shownBy(host, port)
  if (shown === null)
    return warn(`none answers at ${url}`, 'start the platform, or redoubt runner start where it stands')
  if (/^URI:spiffe:\/\/[^/]+\/runner\//.test(shown)) return ok(`enrolled, at ${url}`)
  if (shown !== '') return warn(`another program answers at ${url}`, 'stop it, or set REDOUBT_RUNNER_PORT')
  return warn(`waits for an enrolment at ${url}`, 'set the platform up, or redoubt runner start --enrol URL TOKEN')
}

/** The names in the certificate that is shown there; empty when no handshake comes about, null when nothing listens. */
function shownBy(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    // Nothing is sent: who is shown is compared with nothing but what a runner calls itself.
    const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const done = (answer: string | null) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeoutMs, () => done(null))
    socket.once('secureConnect', () => done(socket.getPeerX509Certificate()?.subjectAltName ?? 'no name'))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => done(code === 'ECONNREFUSED' ? null : ''))
  })
}

/** Directives without which an injected tag would run; console.md. */
const required = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"]

async function checkCsp(url: string): Promise<Check> {
  const { ok, fail } = check('csp', 'content security policy')
  const page = await ask(url)
  return judgeCsp(page?.csp ?? null)
    ? ok('strict, no inline code')
    : fail(
        page?.csp ? `is weak: ${page.csp}` : `${url} sends none`,
        'let no proxy remove or replace the header content-security-policy',
      )
}

/** Whether a policy has every directive that is needed, and nothing that lets inline code run. */
export function judgeCsp(policy: string | null): boolean {
  const directives = (policy ?? '').split(';').map((each) => each.trim())
  return required.every((each) => directives.includes(each)) && !/unsafe-/.test(policy ?? '')
}

type Answer = { readonly status: number; readonly body: unknown; readonly csp: string | null }

async function ask(url: string): Promise<Answer | null> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    const csp = response.headers.get('content-security-policy')
    return { status: response.status, body: await response.json().catch(() => null), csp }
  } catch {
    return null
  }
}

const isHealthOf = (body: unknown, service: string): boolean =>
  typeof body === 'object' && body !== null && 'service' in body && body.service === service

/** What the door of each service answers until the master key is unsealed; it does not know whose door it is. */
const isSealed = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'status' in body && body.status === 'sealed'

const reachableHost = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
