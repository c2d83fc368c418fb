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
    checkRunnerProcess(at(ports.runner)),
  ])
  return [web, ...others, ...(web.status === 'fail' ? [] : [await checkCsp(at(ports.web))])]
}

async function checkService(service: 'web' | 'api' | 'ingestion', url: string): Promise<Check> {
  const { ok, fail } = check(`service.${service}`, service)
  const health = await ask(`${url}/healthz`)
  if (health === null) return fail(`nothing answers at ${url}`, 'start the platform: npm start')
  if (!isHealthOf(health.body, service)) {
    return fail(`another program answers at ${url}`, `stop it, or set REDOUBT_${service.toUpperCase()}_PORT`)
  }
  const ready = await ask(`${url}/readyz`)
  if (ready?.status !== 200)
    return fail(`answers at ${url}, but is not ready`, 'mend the database; it is ready again by itself')
  return ok(`ready at ${url}`)
}

async function checkRunnerProcess(url: string): Promise<Check> {
  const { ok, warn } = check('service.runner', 'runner process')
  const health = await ask(`${url}/v1/health`)
  const status = health?.status === 200 ? (health.body as { status?: unknown } | null)?.status : undefined
  if (status === 'ok') return ok(`enrolled, at ${url}`)
  if (status === 'not-enrolled')
    return warn(`waits for an enrolment at ${url}`, 'set the platform up, or redoubt runner start --enrol URL TOKEN')
  return warn(`none answers at ${url}`, 'start the platform, or redoubt runner start where the runner stands')
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

const reachableHost = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
