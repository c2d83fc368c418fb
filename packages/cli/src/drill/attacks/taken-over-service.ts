import type { KeeperRequest, ServiceIdentity } from '@redoubt/server'
import { createCertificateRequest, Secret } from '@redoubt/trust'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Answer, bodyOf, isSuccess, passed, refusalOf, refused } from '../http.ts'
import { refusedAndTold } from '../service-trail.ts'
import type { TakenService } from '../services-port.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* A service with its certificate and its key in the attacker's hands, at the keeper (SVC-2, SEC-2, ZT-3). */

const actor = 'service that was taken over'
const needs = ['keeperPort', 'serviceTrail', 'sealed'] as const
type Inside = Terrain & Pick<Parts, (typeof needs)[number]>
type Input = unknown | ((t: Inside) => unknown)

const inputOf = async (t: Inside, input: Input): Promise<unknown> =>
  typeof input === 'function' ? await (input as (t: Inside) => unknown)(t) : input

/** The same question by a service whose work it is, and by one that was taken over. */
const asking = (
  id: string,
  requirement: string,
  title: string,
  [entitled, taken]: readonly [ServiceIdentity, ServiceIdentity],
  request: KeeperRequest,
  input: Input,
): AnyAttack =>
  attack({
    id: `service.${id}`,
    actor,
    requirement,
    title: `${taken}: ${title}`,
    needs,
    async control(t) {
      const by = await t.keeperPort.taken(entitled)
      return passed(await t.keeperPort.ask(by, request, await inputOf(t, input)), `by ${entitled}`)
    },
    attack: async (t) => refusedAndTold(t, await t.keeperPort.taken(taken), request, await inputOf(t, input)),
  })

/** Reading another's secret, which that one may. */
const reading = (id: string, path: string, [entitled, taken]: readonly [ServiceIdentity, ServiceIdentity]): AnyAttack =>
  asking(id, 'SEC-2', `read ${path}`, [entitled, taken], 'secret.read', { path })

/** A secret that no service reads at all: its own is what shows that asking works. */
const readingForbidden = (id: string, path: string, taken: ServiceIdentity): AnyAttack =>
  attack({
    id: `service.${id}`,
    actor,
    requirement: 'SEC-2',
    title: `${taken}: read ${path}, which stays with the keeper`,
    needs,
    control: (t) => ownSecret(t, taken),
    attack: async (t) => refusedAndTold(t, await t.keeperPort.taken(taken), 'secret.read', { path }),
  })

/** The public half is for everybody, the private one for who signs with it. */
const signingKey = (
  use: 'access' | 'plan' | 'checkpoint',
  [entitled, taken]: readonly [ServiceIdentity, ServiceIdentity],
) => {
  const privateHalf = async (t: Inside, service: ServiceIdentity) => {
    const answer = await t.keeperPort.ask(await t.keeperPort.taken(service), 'signing.line', { use })
    return bodyOf<{ privateJwk: { d?: string } | null }[]>(answer).find(({ privateJwk }) => privateJwk !== null)
  }
  return attack({
    id: `service.signing-${use}`,
    actor,
    requirement: 'SVC-2',
    title: `${taken}: get the private half of the ${use} key`,
    needs,
    async control(t) {
      if (!(await privateHalf(t, entitled))) throw new NotShown(`${entitled} does not get it either`)
      return `${entitled}, who signs with it, gets it`
    },
    async attack(t) {
      if (await privateHalf(t, taken)) return 'the private half'
      throw new Stopped('200, public halves alone')
    },
  })
}

async function ownSecret({ keeperPort }: Inside, service: ServiceIdentity): Promise<string> {
  const own = { path: `database/${service}/password` }
  return passed(await keeperPort.ask(await keeperPort.taken(service), 'secret.read', own), `of its own by ${service}`)
}

/** What a rightful request is turned into. @returns the answers, each of which must be a refusal with one of the codes */
const turned = (
  id: string,
  title: string,
  codes: readonly string[],
  taken: ServiceIdentity,
  send: (t: Inside, by: TakenService) => Promise<readonly Answer[]>,
): AnyAttack =>
  attack({
    id: `service.${id}`,
    actor,
    requirement: 'SVC-3',
    title: `${taken}: ${title}`,
    needs,
    control: (t) => ownSecret(t, taken),
    async attack(t) {
      const answers = await send(t, await t.keeperPort.taken(taken))
      for (const answer of answers) {
        if (isSuccess(answer)) return `${answer.asked} went through: ${answer.text.slice(0, 80)}`
        if (answer.code === null || !codes.includes(answer.code))
          throw new Error(`${answer.asked}: expected ${codes.join(' or ')}, got ${refusalOf(answer)}`)
      }
      throw new Stopped([...new Set(answers.map(refusalOf))].join('; '))
    },
  })

/** Each spelling of a request, rightly signed as it is sent. */
const spelled = (t: Inside, by: TakenService, paths: readonly string[], input: unknown): Promise<Answer[]> =>
  Promise.all(paths.map((path) => t.keeperPort.send(by, t.keeperPort.message(by, path, input))))

const rotated = { key: 'secrets' }
const nobody = { subject: 'spiffe://redoubt.internal/service/nobody', reason: 'the drill was here' }
const keyOfA = (dataClass: 'pii' | 'integration') => (t: Inside) => t.sealed.wrappedKey(t.a.id, dataClass)

export const takenOverServiceAttacks: readonly AnyAttack[] = [
  reading('secret-web', 'database/web/password', ['web', 'ingestion']),
  reading('secret-context-key', 'database/api/context-key', ['api', 'misp-processor']),
  reading('secret-keeper', 'database/keeper/password', ['keeper', 'worker']),
  readingForbidden('secret-superuser', 'database/embedded/superuser', 'api'),
  readingForbidden('secret-backup-role', 'database/backup/password', 'worker'),
  readingForbidden('secret-signing-key', 'iam/access-key', 'web'),
  readingForbidden('secret-service-key', 'services/keeper/key', 'web'),
  readingForbidden('secret-authority', 'tls/authority', 'api'),
  signingKey('access', ['api', 'workflow-processor']),
  signingKey('plan', ['workflow-processor', 'api']),
  signingKey('checkpoint', ['worker', 'web']),
  asking(
    'data-key-pii',
    'SVC-2',
    'open the key of A’s addresses',
    ['api', 'ingestion'],
    'data-key.open',
    keyOfA('pii'),
  ),
  asking(
    'data-key-any',
    'SVC-2',
    'open a data key, of which it has no class',
    ['api', 'search-sync'],
    'data-key.open',
    keyOfA('integration'),
  ),
  asking(
    'data-key-backup',
    'OPS-3',
    'make a key for addresses',
    ['web', 'ingestion'],
    'data-key.create',
    ({ a }: Inside) => ({
      organizationId: a.id,
      dataClass: 'pii',
      version: 900,
    }),
  ),
  asking(
    'data-key-rewrap',
    'KEY-1',
    'wrap a data key anew',
    ['worker', 'web'],
    'data-key.rewrap',
    keyOfA('integration'),
  ),
  asking('kek-retire', 'KEY-1', 'destroy key-encryption keys', ['worker', 'api'], 'kek.retire', { below: 1 }),
  asking('rotate', 'KEY-4', 'rotate keys, again and again', ['api', 'worker'], 'keys.rotate', rotated),
  asking('secret-list', 'SEC-2', 'list what secrets there are', ['api', 'ingestion'], 'secret.list', { prefix: '' }),
  asking('deny', 'SVC-4', 'put another service on the deny-list', ['api', 'misp-processor'], 'services.deny', nobody),
  asking(
    'certify-runner',
    'SVC-4',
    'certify a runner of one’s own',
    ['api', 'web'],
    'runner.certify',
    ({ a }: Inside) => ({
      organizationId: a.id,
      runnerId: crypto.randomUUID(),
      requestPem: createCertificateRequest().requestPem,
    }),
  ),
  asking('usage', 'KEY-6', 'see who uses which key', ['web', 'ingestion'], 'keys.usage', {}),
  attack({
    id: 'service.secret-write',
    actor,
    requirement: 'SEC-1',
    title: 'api: replace the key that signs tokens with one of the attacker’s',
    needs,
    async control({ keeperPort }) {
      const by = await keeperPort.taken('api')
      const path = 'drill/note'
      const written = await keeperPort.ask(by, 'secret.write', { path, value: 'of the drill', expectedVersion: 0 })
      await keeperPort.ask(by, 'secret.remove', { path })
      return passed(written, 'of a secret that people give')
    },
    async attack({ keeperPort }) {
      const by = await keeperPort.taken('api')
      const [kept] = bodyOf<{ version: number }[]>(
        await keeperPort.ask(by, 'secret.list', { prefix: 'iam/access-key' }),
      )
      const forged = { path: 'iam/access-key', value: '{}', expectedVersion: kept?.version ?? 0 }
      const written = await keeperPort.ask(by, 'secret.write', forged)
      if (isSuccess(written)) return refused(written)
      return refused(await keeperPort.ask(by, 'secret.remove', { path: 'tls/deny-list' }), 'invalid')
    },
  }),
  turned(
    'secret-path',
    'climb out of its own secrets by their path',
    ['invalid', 'not_allowed'],
    'ingestion',
    (t, by) =>
      Promise.all(
        [
          'database/ingestion/../web/password',
          'database/ingestion/%2e%2e/web/password',
          'database/ingestion//password',
          'DATABASE/WEB/PASSWORD',
          'database/ingestion/password/',
          'database/ingestion/\u0000',
        ].map((path) => t.keeperPort.ask(by, 'secret.read', { path })),
      ),
  ),
  turned(
    'request-path',
    'reach keys.rotate by another spelling',
    ['not_found', 'not_allowed', 'http_signature_malformed'],
    'ingestion',
    (t, by) =>
      spelled(
        t,
        by,
        [
          'signing.line/../keys.rotate',
          './keys.rotate',
          '/keys.rotate',
          'keys.rotate/',
          'KEYS.ROTATE',
          'keys%2Erotate',
          'keys.rotate%00',
          'keys.rotate;a=b',
          'keys.rotate?as=api',
        ],
        rotated,
      ),
  ),
  turned('unknown-request', 'ask for what an object has beside its requests', ['not_found'], 'worker', (t, by) =>
    spelled(t, by, ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'secret.readAll', ''], {}),
  ),
  turned('other-form', 'smuggle more into a request than its form has', ['invalid'], 'ingestion', (t, by) =>
    Promise.all([
      t.keeperPort.ask(by, 'secret.read', { path: 'database/ingestion/password', service: 'web' }),
      t.keeperPort.ask(by, 'secret.read', [{ path: 'database/web/password' }]),
      t.keeperPort.ask(by, 'identity.keys', { service: 'web' }),
      t.keeperPort.ask(by, 'identity.certify', { requestPem: createCertificateRequest().requestPem, service: 'api' }),
    ]),
  ),
  turned(
    'as-another',
    'speak as web: with its stolen key behind the own certificate',
    ['certificate_id'],
    'ingestion',
    async (t, by) => {
      const web = { key: await t.keeperPort.keyOf('web') }
      return [await t.keeperPort.send(by, t.keeperPort.message(web, 'secret.read', { path: 'database/web/password' }))]
    },
  ),
  turned(
    'key-of-another',
    'speak as web: with its own key under web’s name',
    ['http_signature_mac'],
    'ingestion',
    async (t, by) => {
      const { keyid } = await t.keeperPort.keyOf('web')
      const posing = { key: { keyid, secret: by.key.secret } }
      return [
        await t.keeperPort.send(by, t.keeperPort.message(posing, 'secret.read', { path: 'database/web/password' })),
      ]
    },
  ),
  turned(
    'certificate-alone',
    'use a stolen certificate without the key',
    ['http_signature_mac'],
    'worker',
    async (t, by) => {
      const posing = { key: { keyid: by.key.keyid, secret: new Secret<Uint8Array>(new Uint8Array(32)) } }
      return [await t.keeperPort.send(by, t.keeperPort.message(posing, 'kek.active', {}))]
    },
  ),
  attack({
    id: 'service.denied',
    actor,
    requirement: 'SVC-4',
    title: 'search-sync: go on after the operator put it on the deny-list',
    needs,
    control: (t) => ownSecret(t, 'search-sync'),
    async attack(t) {
      const { keeperPort } = t
      const api = await keeperPort.taken('api')
      const subject = 'spiffe://redoubt.internal/service/search-sync'
      const by = await keeperPort.taken('search-sync')
      bodyOf(await keeperPort.ask(api, 'services.deny', { subject, reason: 'the drill took it over' }))
      try {
        // The running service of the drill learns of it within moments; what matters here is the keeper's own answer.
        const own = { path: 'database/search-sync/password' }
        const refreshed = async (): Promise<Answer> => keeperPort.ask(by, 'secret.read', own)
        let answer = await refreshed()
        for (let left = 50; isSuccess(answer) && left > 0; left--) {
          await new Promise((next) => setTimeout(next, 50))
          answer = await refreshed()
        }
        return refused(answer, 'certificate_id')
      } finally {
        bodyOf(await keeperPort.ask(api, 'services.deny', { subject, reason: null }))
      }
    },
  }),
]
