import { createAuthority, createCertificateRequest, createOpaqueToken, generateSigningKey } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { asRunner, certificateFor, showing } from '../channel.ts'
import { bodyOf, type Door, passed, refused } from '../http.ts'
import { bearer } from '../organization.ts'
import { enrolRunner } from '../runner-identity.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* Mutual TLS between runners and their control plane (SVC-4, NET-2). */

const actor = 'runner’s channel'
const requirement = 'SVC-4'
const needs = ['runner', 'runnerKeys', 'authority', 'runnersPort'] as const
type Channel = Terrain & Pick<Parts, (typeof needs)[number]>

const health = (door: Door) => door.get('/v1/health')
const service = ({ authority }: Channel, name: string) =>
  ({ trustDomain: authority.trustDomain, kind: 'service', name }) as const
const byDeliverer = async (t: Channel): Promise<string> => passed(await health(t.runner), 'as workflow-processor')

/** Reaching A's runner with something else than the certificate of its workflow-processor. */
const reaching = (id: string, title: string, door: (t: Channel) => Promise<Door>): AnyAttack =>
  attack({
    id: `channel.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: byDeliverer,
    attack: async (t) => refused(await health(await door(t)), 'not_control_plane'),
  })

const trust = { method: 'GET', path: '/api/v1/runner/trust' }
const ownRequest = async (t: Channel): Promise<string> =>
  passed(await asRunner(t.runnerKeys.a.channel, t.runnerKeys.a, t.a.id, trust), 'by A’s runner')

/** Asking the control plane in the name of A's runner. */
const posing = (id: string, title: string, code: string, ask: (t: Channel) => ReturnType<typeof asRunner>): AnyAttack =>
  attack({
    id: `channel.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: ownRequest,
    attack: async (t) => refused(await ask(t), code),
  })

/** Speaking to a port of the channel in another way. @param words what the handshake fails with */
const speaking = (id: string, title: string, words: RegExp, door: (t: Channel) => Door): AnyAttack =>
  attack({
    id: `channel.${id}`,
    actor,
    requirement: 'NET-2',
    title,
    needs,
    control: byDeliverer,
    async attack(t) {
      try {
        return `it answered: ${(await health(door(t))).status}`
      } catch (error) {
        const { code = '', message } = error as { code?: string; message: string }
        if (words.test(`${code} ${message}`)) throw new Stopped(code || message)
        throw error
      }
    },
  })

export const runnerChannelAttacks: readonly AnyAttack[] = [
  reaching('no-certificate', 'reach a runner without a certificate', async (t) => showing(t.runner.url, null)),
  reaching('own-authority', 'show it a certificate of workflow-processor by an authority of one’s own', async (t) => {
    const { trustDomain } = t.authority
    const own = await createAuthority({ trustDomain, now: new Date(Date.now() - 60_000), validityMs: 86_400_000 })
    return showing(t.runner.url, await certificateFor(own, service(t, 'workflow-processor')))
  }),
  reaching('other-service', 'reach it with the certificate of the service api', async (t) =>
    showing(t.runner.url, await certificateFor(t.authority, service(t, 'api'))),
  ),
  reaching('other-runner', 'reach A’s runner with the certificate of B’s', async (t) =>
    showing(t.runner.url, t.runnerKeys.b.shown),
  ),
  reaching('ended', 'reach it with a certificate that ended seconds ago', async (t) =>
    showing(t.runner.url, await certificateFor(t.authority, service(t, 'workflow-processor'), 5000)),
  ),
  speaking('plain', 'speak plain HTTP to a runner', /ECONNRESET|HPE_|socket hang up|EPIPE/, (t) =>
    showing(t.runner.url.replace('https:', 'http:'), null),
  ),
  speaking('downgrade', 'make a runner speak TLS 1.2', /ALERT_PROTOCOL_VERSION|EPROTO/, (t) =>
    showing(t.runner.url, null, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }),
  ),
  posing('token-alone', 'sign as A’s runner on a connection without its certificate', 'forbidden', (t) =>
    asRunner(t.runnersPort, t.runnerKeys.a, t.a.id, trust),
  ),
  posing('foreign-certificate', 'sign as A’s runner behind the certificate of B’s', 'forbidden', (t) =>
    asRunner(t.runnerKeys.b.channel, t.runnerKeys.a, t.a.id, trust),
  ),
  posing(
    'certificate-alone',
    'use the stolen certificate of A’s runner with a key of one’s own',
    'unauthenticated',
    (t) => asRunner(t.runnerKeys.a.channel, { id: t.runnerKeys.a.id, key: generateSigningKey('ES256') }, t.a.id, trust),
  ),
  posing('renewal-for-another', 'renew the certificate of A’s runner with the key of B’s', 'unauthenticated', (t) => {
    const body = { certificateRequest: createCertificateRequest().requestPem }
    const by = { ...t.runnerKeys.b, id: t.runnerKeys.a.id }
    return asRunner(t.runnersPort, by, t.a.id, { method: 'POST', path: '/api/v1/runner/certificate', body })
  }),
  posing('public-port', 'report to the api’s public port, where nobody shows a certificate', 'not_found', (t) =>
    asRunner(t.api, t.runnerKeys.a, t.a.id, { method: 'POST', path: '/api/v1/runner/reports', body: {} }),
  ),
  attack({
    id: 'channel.revoked',
    actor,
    requirement,
    title: 'go on as a runner that was revoked, with its key and its certificate',
    needs,
    async control(t) {
      const lost = await enrolRunner(t, t.b)
      return passed(await asRunner(lost.channel, lost, t.b.id, trust), 'before it was revoked')
    },
    async attack(t) {
      const lost = await enrolRunner(t, t.b)
      const path = `/api/v1/runners/${lost.id}`
      bodyOf(await t.api.send({ method: 'DELETE', path, as: bearer(t.b.admin) }))
      const body = { certificateRequest: createCertificateRequest().requestPem }
      const renewed = await asRunner(lost.channel, lost, t.b.id, {
        method: 'POST',
        path: '/api/v1/runner/certificate',
        body,
      })
      if (renewed.code !== 'unauthenticated') return refused(renewed, 'unauthenticated')
      return refused(await asRunner(lost.channel, lost, t.b.id, trust), 'unauthenticated')
    },
  }),
  attack({
    id: 'channel.enrolment-guessed',
    actor,
    requirement,
    title: 'enrol with a token that nobody made',
    needs,
    async control(t) {
      const { id } = await enrolRunner(t, t.b)
      if (!id) throw new NotShown('a genuine token does not enrol')
      return 'with a genuine token a runner enrols'
    },
    attack: async (t) =>
      enrolRunner(t, t.b, createOpaqueToken('run')).then(
        () => 'it enrolled',
        (error: Error) => {
          if (/ 410 gone/.test(error.message)) throw new Stopped(error.message)
          throw error
        },
      ),
  }),
]
