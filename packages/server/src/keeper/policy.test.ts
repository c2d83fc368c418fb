import { dataClasses, NIL_ORGANIZATION, Secret } from '@redoubt/trust'
import { beforeAll, describe, expect, it } from 'vitest'
import { memoryStore } from '../../test/memory-store.ts'
import { type KeeperRequest, keeperProtocol, serviceIdentities, signingUses } from '../platform/keeper-protocol.ts'
import { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'
import { KekRing } from './kek-ring.ts'
import { FileMasterKey } from './master-file.ts'
import { covers, policy } from './policy.ts'

/** The policy written down a second time: what each service has, and nothing else. */
const classes = {
  web: ['pii', 'index', 'integration'],
  api: ['pii', 'index', 'integration'],
  ingestion: ['integration'],
  worker: ['pii', 'index', 'integration'],
  'workflow-processor': [],
  'misp-processor': [],
  'search-sync': [],
  keeper: [],
} as Readonly<Record<string, readonly string[]>>
const signers = { access: ['web', 'api'], plan: ['workflow-processor'], checkpoint: ['worker'] } as const
const privileged: Readonly<Partial<Record<KeeperRequest, readonly string[]>>> = {
  'data-key.rewrap': ['worker'],
  'kek.active': ['worker'],
  'kek.retire': ['worker'],
  'runner.certify': ['api'],
  'secret.list': ['web', 'api'],
  'secret.write': ['web', 'api'],
  'secret.remove': ['web', 'api'],
  'keys.rotate': ['web', 'api'],
}

let keeper: Keeper
beforeAll(async () => {
  let ring: string | null = null
  const file = {
    read: async () => ring,
    write: async (text: string) => {
      ring = text
    },
  }
  const clock = { now: () => new Date() }
  const master = new FileMasterKey(Buffer.alloc(32, 1))
  const parts = { master, ring: await KekRing.open(file, master, clock.now()), store: memoryStore(), clock }
  keeper = new Keeper({ ...parts, trustDomain: 'redoubt.test' })
})
const verdict = (work: Promise<unknown>) =>
  work.then(
    () => 'allowed',
    (error: unknown) => (error instanceof KeeperError ? error.code : String(error)),
  )

describe('the keeper’s policy', () => {
  it('opens the data classes of each service and no other', async () => {
    for (const service of serviceIdentities)
      for (const dataClass of dataClasses) {
        const made = keeper.ring.wrap(
          new Secret(Buffer.alloc(32)),
          `redoubt.data-key|${NIL_ORGANIZATION}|${dataClass}|1`,
        )
        const input = {
          organizationId: NIL_ORGANIZATION,
          dataClass,
          version: 1,
          kek: made.kek,
          wrapped: made.wrapped.toString('base64'),
        }
        const expected = classes[service]?.includes(dataClass) ? 'allowed' : 'not_allowed'
        expect(await verdict(keeper.handle(service, 'data-key.open', input)), `${service} ${dataClass}`).toBe(expected)
      }
  })

  it('gives each private key to those who sign with it, and its public half to all', async () => {
    for (const service of serviceIdentities)
      for (const use of signingUses) {
        const [version] = await keeper.handle(service, 'signing.line', { use })
        const signs = (signers[use] as readonly string[]).includes(service)
        expect(version?.privateJwk !== null, `${service} ${use}`).toBe(signs)
        expect(version?.publicJwk).not.toHaveProperty('d')
      }
  })

  it('lets each service read the secrets below its own name alone', async () => {
    for (const service of serviceIdentities)
      for (const other of serviceIdentities)
        expect(await verdict(keeper.handle(service, 'secret.read', { path: `database/${other}/password` }))).toBe(
          service === other ? 'not_found' : 'not_allowed',
        )
  })

  it('names who may do what is more than their own', () => {
    for (const [request, services] of Object.entries(privileged))
      expect(
        serviceIdentities.filter((service) => policy[service].requests.includes(request as KeeperRequest)),
        request,
      ).toEqual(services)
  })

  it('knows no request that is not in the protocol, and none that nobody may ask', () => {
    const granted = new Set(serviceIdentities.flatMap((service) => policy[service].requests))
    expect([...granted].sort()).toEqual(Object.keys(keeperProtocol).sort())
  })

  it('keeps the platform’s own secrets out of people’s hands, but for the one they must give', async () => {
    for (const path of [
      'database/web/password',
      'iam/access-key',
      'audit/checkpoint-key',
      'services/web/key',
      'tls/authority',
      'tls/deny-list',
      'backup/key',
      'keys/kek',
    ]) {
      const input = { path, value: 'x', expectedVersion: 0 }
      expect(await verdict(keeper.handle('web', 'secret.write', input)), path).toBe('invalid')
      expect(await verdict(keeper.handle('web', 'secret.remove', { path })), path).toBe('invalid')
    }
    const given = { path: 'database/owner', value: 'x', expectedVersion: 0 }
    expect(await verdict(keeper.handle('web', 'secret.write', given))).toBe('allowed')
  })

  it('takes a prefix only with its slash', () => {
    expect(covers(['database/web/'], 'database/web/password')).toBe(true)
    expect(covers(['database/web/'], 'database/web2/password')).toBe(false)
    expect(covers(['database/owner'], 'database/owner/password')).toBe(false)
  })
})
