import { acceptedVersions, type DataClass, importVerifyingKey, Secret } from '@redoubt/trust'
import type {
  KeeperAnswer,
  KeeperInput,
  KeeperRequest,
  RotatableKey,
  ServiceIdentity,
} from '../platform/keeper-protocol.ts'
import { createDataKey, openDataKey, rewrapDataKey } from './data-keys.ts'
import type { Keeper } from './keeper.ts'
import { KeeperError } from './keeper-error.ts'
import { keyStatus } from './key-status.ts'
import { covers, isManaged, policy } from './policy.ts'
import { secretPath } from './secret-store.ts'

/** Between two rotations of one key that services ask for. The operator of the machine need not wait. */
const restMs = 10 * 60_000

export type RequestHandlers = {
  readonly [R in KeeperRequest]: (caller: ServiceIdentity, input: KeeperInput<R>) => Promise<KeeperAnswer<R>>
}

/** What each request of the protocol answers, once the policy lets its caller ask. */
export const requestHandlers = (keeper: Keeper): RequestHandlers => ({
  'data-key.create': async (caller, scope) => {
    requireClass(caller, scope.dataClass)
    const { kek, wrapped, key } = createDataKey(keeper.ring, scope)
    return { kek, wrapped: wrapped.toString('base64'), key: spend(key) }
  },
  'data-key.open': async (caller, { kek, wrapped, ...scope }) => {
    requireClass(caller, scope.dataClass)
    return { key: spend(openDataKey(keeper.ring, scope, { kek, wrapped: Buffer.from(wrapped, 'base64') })) }
  },
  'data-key.rewrap': async (_caller, { kek, wrapped, ...scope }) => {
    const fresh = rewrapDataKey(keeper.ring, scope, { kek, wrapped: Buffer.from(wrapped, 'base64') })
    return { kek: fresh.kek, wrapped: fresh.wrapped.toString('base64') }
  },
  'kek.active': async () => ({ version: keeper.ring.active }),
  'kek.retire': async (_caller, { below }) => {
    await keeper.retireBelow(below)
    return {}
  },
  'signing.line': async (caller, { use }) => {
    // KEY-5: a service does not start without the vault, and one that runs notices that it is away.
    if (!(await keeper.store.reachable()))
      throw new KeeperError('store_unavailable', 'The secret store does not answer.')
    const line = acceptedVersions(await keeper.line(use), keeper.clock.now())
    const signs = policy[caller].signs.includes(use)
    return line.map(({ material, ...times }) => {
      const publicJwk = importVerifyingKey(material).jwk
      const { d, succession = null } = material
      return {
        version: times.version,
        createdAt: times.createdAt.toISOString(),
        activeAt: times.activeAt.toISOString(),
        endsAt: times.endsAt?.toISOString() ?? null,
        publicJwk,
        privateJwk: signs && d !== undefined ? { ...publicJwk, d } : null,
        succession,
      }
    })
  },
  'secret.read': async (caller, { path }) => {
    if (!covers(policy[caller].secrets, path))
      throw new KeeperError('not_allowed', `${caller} may not read the secret ${path}.`)
    const secret = await keeper.store.read(secretPath(path))
    if (!secret) throw new KeeperError('not_found', `There is no secret ${path}: redoubt secret set ${path}`)
    return { version: secret.version, value: secret.value.reveal() }
  },
  'secret.list': async (_caller, { prefix }) =>
    (await keeper.store.list(prefix)).map(({ path, version, writtenAt }) => ({
      path,
      version,
      writtenAt: writtenAt.toISOString(),
      managed: isManaged(path),
    })),
  'secret.write': async (_caller, { path, value, expectedVersion }) => ({
    version: await keeper.setByHand(path, new Secret(value), expectedVersion),
  }),
  'secret.remove': async (_caller, { path }) => ({ removed: await keeper.removeByHand(path) }),
  'identity.certify': (caller, { requestPem }) =>
    keeper.desk.certify({ trustDomain: keeper.desk.trustDomain, kind: 'service', name: caller }, requestPem),
  'identity.trust': async () => ({
    rootsPem: await keeper.desk.rootsPem(),
    denied: (await keeper.desk.denials()).map(({ subject }) => subject),
  }),
  'identity.keys': async (caller) => {
    const now = keeper.clock.now()
    return acceptedVersions(await keeper.serviceKeys(caller), now).map(({ version, activeAt, endsAt, material }) => ({
      version,
      activeAt: activeAt.toISOString(),
      endsAt: endsAt?.toISOString() ?? null,
      key: material,
    }))
  },
  'identity.report': async (caller, report) => {
    keeper.desk.seen(caller, report)
    return {}
  },
  'runner.certify': async (_caller, { organizationId, runnerId, requestPem }) =>
    keeper.desk.certify({ trustDomain: keeper.desk.trustDomain, kind: 'runner', organizationId, runnerId }, requestPem),
  'services.list': () => keeper.desk.list(),
  'services.denials': async () =>
    (await keeper.desk.denials()).map(({ subject, reason, at }) => ({ subject, reason, at: at.toISOString() })),
  'services.deny': async (_caller, { subject, reason, until }) => {
    await keeper.deny(subject, reason, until)
    return {}
  },
  changes: (_caller, { after }) => keeper.changes.since(after),
  'keys.status': () => keyStatus(keeper, keeper.clock.now()),
  'keys.usage': async () => ({
    since: keeper.ledger.since.toISOString(),
    uses: keeper.ledger.uses().map(({ lastAt, ...use }) => ({ ...use, lastAt: lastAt.toISOString() })),
  }),
  'keys.rotate': async (_caller, { key }) => {
    await requireRested(keeper, key)
    await keeper.rotate(key)
    return {}
  },
})

/**
 * Services pass on what people ask. One that was taken over could ask without end: each rotation makes a line longer,
 * and one that is full does not rotate any more.
 */
async function requireRested(keeper: Keeper, key: RotatableKey): Promise<void> {
  const name = key === 'services' ? 'service:web' : key
  const newest = (await keyStatus(keeper, keeper.clock.now())).keys.find((each) => each.key === name)?.versions[0]
  // The first version was made, not rotated.
  if (newest === undefined || newest.version === 1) return
  if (keeper.clock.now().getTime() - Date.parse(newest.createdAt) >= restMs) return
  const wait = `wait ${restMs / 60_000} minutes in between`
  throw new KeeperError('invalid', `This key was rotated at ${newest.createdAt}: ${wait}.`)
}

function requireClass(caller: ServiceIdentity, dataClass: DataClass): void {
  if (!policy[caller].dataClasses.includes(dataClass))
    throw new KeeperError('not_allowed', `${caller} may not open data keys of class ${dataClass}.`)
}

/** A data key's way out of the keeper: as text, its bytes here zeroed. */
function spend(key: Secret<Buffer>): string {
  const text = key.reveal().toString('base64')
  key.reveal().fill(0)
  return text
}
