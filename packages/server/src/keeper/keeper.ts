import { acceptedVersions, importVerifyingKey, keyStateAt, parseSpiffeId, Secret } from '@redoubt/trust'
import type { Clock } from '../platform/clock.ts'
import {
  type KeeperAnswer,
  type KeeperInput,
  type KeeperRequest,
  keeperProtocol,
  type RotatableKey,
  type ServiceIdentity,
  type SigningUse,
  serviceIdentities,
} from '../platform/keeper-protocol.ts'
import { ChangeLog } from './change-log.ts'
import { checkpointLine, type SigningMaterial } from './checkpoint-line.ts'
import { createDataKey, openDataKey, rewrapDataKey } from './data-keys.ts'
import { EmbeddedStore } from './embedded-store.ts'
import { IdentityDesk } from './identity-desk.ts'
import { KeeperError } from './keeper-error.ts'
import type { KekRing } from './kek-ring.ts'
import { type KeyLine, type KeyLineSpec, macLine, readLine, rotateKeyLine, signingLine, tendLine } from './key-lines.ts'
import { Ledger } from './ledger.ts'
import type { MasterKey } from './master-key.ts'
import { covers, isManaged, policy, renewedBy } from './policy.ts'
import { rotationRules } from './rotation-rules.ts'
import { SecretPath, type SecretStore } from './secret-store.ts'
import type { WrappedCount } from './wrapped-count.ts'

export const signingLines: Readonly<Record<SigningUse, KeyLineSpec<SigningMaterial>>> = {
  access: signingLine('iam/access-key', rotationRules.access, 'ES256'),
  plan: signingLine('iam/plan-key', rotationRules.plan, 'ES256'),
  checkpoint: checkpointLine('audit/checkpoint-key', rotationRules.checkpoint),
}
export const serviceLine = (service: ServiceIdentity): KeyLineSpec<string> =>
  macLine(`services/${service}/key`, rotationRules.service)

/** Between two rotations of one key that services ask for. The operator of the machine need not wait. */
const restMs = 10 * 60_000

/** What the keeper refused, for the audit log. */
export type Refusal = {
  readonly service: ServiceIdentity
  readonly request: string
  readonly code: string
  readonly path?: string
}

type Handlers = {
  readonly [R in KeeperRequest]: (caller: ServiceIdentity, input: KeeperInput<R>) => Promise<KeeperAnswer<R>>
}

/**
 * Holds the way to the master key and answers services what their policy names (docs/decisions/0012). One per
 * installation; the only owner of the files under `keys/`.
 */
export class Keeper {
  readonly master: MasterKey
  readonly ring: KekRing
  readonly store: SecretStore
  readonly desk: IdentityDesk
  readonly #clock: Clock
  readonly #changes = new ChangeLog()
  #wrappedCount: WrappedCount | null = null
  readonly #ledger: Ledger
  readonly #listeners = new Set<(changed: string) => void>()
  readonly #refusals = new Set<(refusal: Refusal) => void>()
  readonly #stopWatching: () => void

  constructor(parts: { master: MasterKey; ring: KekRing; store: SecretStore; clock: Clock; trustDomain: string }) {
    this.master = parts.master
    this.ring = parts.ring
    this.store = parts.store
    this.#clock = parts.clock
    this.#ledger = new Ledger(parts.clock.now())
    this.desk = new IdentityDesk(parts.store, parts.clock, parts.trustDomain)
    this.#stopWatching = parts.store.watch('', ({ path }) => this.#changed(path))
  }

  /**
   * Answers one request of a service that has proved who it is.
   * @throws KeeperError
   */
  async handle<R extends KeeperRequest>(caller: ServiceIdentity, request: R, input: unknown): Promise<KeeperAnswer<R>> {
    try {
      if (!policy[caller].requests.includes(request))
        throw new KeeperError('not_allowed', `${caller} may not ask for ${request}.`)
      const parsed = keeperProtocol[request].input.safeParse(input)
      if (!parsed.success) throw new KeeperError('invalid', `The request ${request} is not understood.`)
      const answer = await this.#handlers[request](caller, parsed.data as KeeperInput<R>)
      this.#ledger.note(caller, request, parsed.data as KeeperInput<R>, this.#clock.now())
      return answer
    } catch (error) {
      if (error instanceof KeeperError && error.code === 'not_allowed') {
        // Only what has the form of a path: the rest is the caller's text, and the log is kept for ever.
        const path = SecretPath.safeParse((input as { path?: unknown } | null)?.path)
        const refusal = { service: caller, request, code: error.code, ...(path.success ? { path: path.data } : {}) }
        for (const tell of this.#refusals) tell(refusal)
      }
      throw error
    }
  }

  /** Tells how to look at the database, once there is one; until then no KEK is retired. */
  lookBeforeRetiring(count: WrappedCount): void {
    this.#wrappedCount = count
  }

  /** Calls back with what changed, after it changed. */
  onChange(listener: (changed: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onRefusal(listener: (refusal: Refusal) => void): () => void {
    this.#refusals.add(listener)
    return () => this.#refusals.delete(listener)
  }

  /** Makes what is missing on a first start, rotates what is due, destroys what has ended. Safe to repeat at any time. */
  async tend(): Promise<void> {
    const now = this.#clock.now()
    const isDue = ({ createdAt }: { createdAt: Date } | undefined = { createdAt: now }, periodMs: number) =>
      now.getTime() - createdAt.getTime() >= periodMs
    const { store } = this
    const tasks: (() => Promise<unknown>)[] = [
      ...Object.values(signingLines).map((spec) => () => tendLine(store, spec, now)),
      ...serviceIdentities.map((service) => () => tendLine(store, serviceLine(service), now)),
      () => this.desk.tend(),
      async () => isDue(this.ring.versions().at(-1), rotationRules.kek.periodMs) && this.rotate('kek'),
      async () =>
        store instanceof EmbeddedStore &&
        isDue(store.keys().at(-1), rotationRules.dataKey.periodMs) &&
        this.rotate('secrets'),
    ]
    // Each by itself: one line that cannot rotate must not let the authority's certificate run out.
    const failures: unknown[] = []
    for (const task of tasks) await task().catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }

  /** Rotates one key now, whatever its age. @throws KeeperError */
  async rotate(key: RotatableKey): Promise<void> {
    const now = this.#clock.now()
    switch (key) {
      case 'kek':
        await this.ring.rotate(now)
        if (this.store instanceof EmbeddedStore) await this.store.rewrap()
        this.#tell('kek')
        return
      case 'secrets':
        if (this.store instanceof EmbeddedStore) await this.store.rotateKey()
        return
      case 'services':
        for (const service of serviceIdentities) await rotateKeyLine(this.store, serviceLine(service), now)
        return
      case 'access':
      case 'plan':
      case 'checkpoint':
        await rotateKeyLine(this.store, signingLines[key], now)
        return
      case 'authority':
        await this.desk.rotate()
        return
      case 'data':
        throw new KeeperError('invalid', 'Data keys are rotated by the worker: redoubt keys rotate data.')
    }
  }

  /** A service's keys for RFC 9421, which it and the keeper alone know. */
  serviceKeys(service: ServiceIdentity): Promise<KeyLine<string>> {
    return readLine(this.store, serviceLine(service), this.#clock.now())
  }

  line(use: SigningUse): Promise<KeyLine<SigningMaterial>> {
    return readLine(this.store, signingLines[use], this.#clock.now())
  }

  async close(): Promise<void> {
    this.#stopWatching()
    this.#listeners.clear()
    this.#changes.close()
    await this.store.close()
    this.ring.close()
    await this.master.close()
  }

  readonly #handlers: Handlers = {
    'data-key.create': async (caller, scope) => {
      this.#requireClass(caller, scope.dataClass)
      const { kek, wrapped, key } = createDataKey(this.ring, scope)
      return { kek, wrapped: wrapped.toString('base64'), key: spend(key) }
    },
    'data-key.open': async (caller, { kek, wrapped, ...scope }) => {
      this.#requireClass(caller, scope.dataClass)
      return { key: spend(openDataKey(this.ring, scope, { kek, wrapped: Buffer.from(wrapped, 'base64') })) }
    },
    'data-key.rewrap': async (_caller, { kek, wrapped, ...scope }) => {
      const fresh = rewrapDataKey(this.ring, scope, { kek, wrapped: Buffer.from(wrapped, 'base64') })
      return { kek: fresh.kek, wrapped: fresh.wrapped.toString('base64') }
    },
    'kek.active': async () => ({ version: this.ring.active }),
    'kek.retire': async (_caller, { below }) => {
      const { store } = this
      // The keeper looks itself: a worker that was taken over could otherwise destroy what every tenant's data hangs on.
      const wrapped = await this.#wrappedCount?.(below)
      if (wrapped !== 0)
        throw new KeeperError('invalid', `${wrapped ?? 'Unknown'} data keys are still wrapped by older keys.`)
      if (store instanceof EmbeddedStore && store.keys().some(({ kek }) => kek < below)) await store.rewrap()
      await this.ring.destroyBelow(below)
      this.#tell('kek')
      return {}
    },
    'signing.line': async (caller, { use }) => {
      // KEY-5: a service does not start without the vault, and one that runs notices that it is away.
      if (!(await this.store.reachable()))
        throw new KeeperError('store_unavailable', 'The secret store does not answer.')
      const line = acceptedVersions(await this.line(use), this.#clock.now())
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
      const secret = await this.store.read(pathOf(path))
      if (!secret) throw new KeeperError('not_found', `There is no secret ${path}: redoubt secret set ${path}`)
      return { version: secret.version, value: secret.value.reveal() }
    },
    'secret.list': async (_caller, { prefix }) =>
      (await this.store.list(prefix)).map(({ path, version, writtenAt }) => ({
        path,
        version,
        writtenAt: writtenAt.toISOString(),
        managed: isManaged(path),
      })),
    'secret.write': async (_caller, { path, value, expectedVersion }) => ({
      version: await this.setByHand(path, new Secret(value), expectedVersion),
    }),
    'secret.remove': async (_caller, { path }) => ({ removed: await this.removeByHand(path) }),
    'identity.certify': (caller, { requestPem }) =>
      this.desk.certify({ trustDomain: this.desk.trustDomain, kind: 'service', name: caller }, requestPem),
    'identity.trust': async () => ({
      rootsPem: await this.desk.rootsPem(),
      denied: (await this.desk.denials()).map(({ subject }) => subject),
    }),
    'identity.keys': async (caller) => {
      const now = this.#clock.now()
      return acceptedVersions(await this.serviceKeys(caller), now).map(({ version, activeAt, endsAt, material }) => ({
        version,
        activeAt: activeAt.toISOString(),
        endsAt: endsAt?.toISOString() ?? null,
        key: material,
      }))
    },
    'identity.report': async (caller, report) => {
      this.desk.seen(caller, report)
      return {}
    },
    'runner.certify': async (_caller, { organizationId, runnerId, requestPem }) =>
      this.desk.certify({ trustDomain: this.desk.trustDomain, kind: 'runner', organizationId, runnerId }, requestPem),
    'services.list': () => this.desk.list(),
    'services.denials': async () =>
      (await this.desk.denials()).map(({ subject, reason, at }) => ({ subject, reason, at: at.toISOString() })),
    'services.deny': async (_caller, { subject, reason, until }) => {
      await this.deny(subject, reason, until)
      return {}
    },
    changes: (_caller, { after }) => this.#changes.since(after),
    'keys.status': () => this.status(),
    'keys.usage': async () => ({
      since: this.#ledger.since.toISOString(),
      uses: this.#ledger.uses().map(({ lastAt, ...use }) => ({ ...use, lastAt: lastAt.toISOString() })),
    }),
    'keys.rotate': async (_caller, { key }) => {
      await this.#requireRested(key)
      await this.rotate(key)
      return {}
    },
  }

  /**
   * Puts a subject on the deny-list, or with no reason takes it off.
   * @throws KeeperError `invalid` for what can be no subject, and for the keeper itself: whoever believed it would hear
   * nothing any more, not even that it is admitted again
   */
  async deny(subject: string, reason: string | null, until: Date | null = null): Promise<void> {
    if (reason !== null) {
      requireSubject(subject, this.desk.trustDomain)
      const { spiffeId, certificate } = (await this.desk.list()).find(({ service }) => service === 'keeper') ?? {}
      if (subject === spiffeId || subject === certificate?.serial)
        throw new KeeperError('invalid', 'Without the keeper no service could be admitted again: stop it instead.')
    }
    await this.desk.deny(subject, reason, until)
  }

  /**
   * Services pass on what people ask. One that was taken over could ask without end: each rotation makes a line longer,
   * and one that is full does not rotate any more.
   */
  async #requireRested(key: RotatableKey): Promise<void> {
    const name = key === 'services' ? 'service:web' : key
    const newest = (await this.status()).keys.find((each) => each.key === name)?.versions[0]
    // The first version was made, not rotated.
    if (newest === undefined || newest.version === 1) return
    if (this.#clock.now().getTime() - Date.parse(newest.createdAt) >= restMs) return
    const wait = `wait ${restMs / 60_000} minutes in between`
    throw new KeeperError('invalid', `This key was rotated at ${newest.createdAt}: ${wait}.`)
  }

  /** Sets a secret that people give. @throws KeeperError `invalid` for a path the platform keeps itself */
  async setByHand(path: string, value: Secret<string>, expectedVersion: number): Promise<number> {
    refuseManaged(path)
    return this.store.write(pathOf(path), value, expectedVersion)
  }

  /** Removes a secret that people gave. @throws KeeperError `invalid` for a path the platform keeps itself */
  async removeByHand(path: string): Promise<boolean> {
    refuseManaged(path)
    return this.store.remove(pathOf(path))
  }

  /** Ages, states and what comes next; no key material. */
  async status(): Promise<KeeperAnswer<'keys.status'>> {
    const now = this.#clock.now()
    const keys: KeeperAnswer<'keys.status'>['keys'] = [
      shownLine('kek', this.ring.versions(), rotationRules.kek.periodMs, now),
    ]
    if (this.store instanceof EmbeddedStore) {
      const versions = this.store.keys().map((key) => ({ ...key, activeAt: key.createdAt, endsAt: null }))
      keys.push(shownLine('secrets', versions, rotationRules.dataKey.periodMs, now))
    }
    for (const [use, spec] of Object.entries(signingLines)) {
      const line = await readLine(this.store, spec, now)
      const kids = new Map(line.map(({ version, material }) => [version, material.kid]))
      keys.push(shownLine(use, line, spec.rule.periodMs, now, kids))
    }
    for (const service of serviceIdentities) {
      const spec = serviceLine(service)
      keys.push(shownLine(`service:${service}`, await readLine(this.store, spec, now), spec.rule.periodMs, now))
    }
    keys.push(shownLine('authority', await this.desk.line(), rotationRules.authority.periodMs, now))
    const { provider, id } = this.master
    return {
      master: { provider, id },
      store: {
        kind: this.store.kind,
        reachable: await this.store.reachable(),
        secrets: (await this.store.list('')).length,
      },
      keys,
    }
  }

  #requireClass(caller: ServiceIdentity, dataClass: (typeof policy)[ServiceIdentity]['dataClasses'][number]): void {
    if (!policy[caller].dataClasses.includes(dataClass))
      throw new KeeperError('not_allowed', `${caller} may not open data keys of class ${dataClass}.`)
  }

  #changed(path: string): void {
    const use = (Object.keys(signingLines) as SigningUse[]).find((each) => signingLines[each].path === path)
    this.#tell(path.startsWith('tls/') ? 'trust' : use ? `signing:${use}` : `secret:${path}`)
  }

  #tell(changed: string): void {
    this.#changes.add(changed)
    for (const listener of this.#listeners) listener(changed)
  }
}

type Times = { version: number; createdAt: Date; activeAt: Date; endsAt: Date | null }
function shownLine(
  key: string,
  line: readonly Times[],
  periodMs: number,
  now: Date,
  kids: ReadonlyMap<number, string> = new Map(),
): KeeperAnswer<'keys.status'>['keys'][number] {
  const newest = line.reduce((a, b) => (b.version > a.version ? b : a), line[0] as Times)
  return {
    key,
    versions: line
      .toSorted((a, b) => b.version - a.version)
      .map((each) => ({
        version: each.version,
        kid: kids.get(each.version) ?? null,
        state: keyStateAt(line, each, now),
        createdAt: each.createdAt.toISOString(),
        activeAt: each.activeAt.toISOString(),
        endsAt: each.endsAt?.toISOString() ?? null,
      })),
    nextRotationAt: new Date(newest.createdAt.getTime() + periodMs).toISOString(),
  }
}

/** A data key's way out of the keeper: as text, its bytes here zeroed. */
function spend(key: Secret<Buffer>): string {
  const text = key.reveal().toString('base64')
  key.reveal().fill(0)
  return text
}

function pathOf(path: string): SecretPath {
  const parsed = SecretPath.safeParse(path)
  if (!parsed.success) throw new KeeperError('invalid', `A secret’s path ${parsed.error.issues[0]?.message}.`)
  return parsed.data
}

/** @throws KeeperError `invalid` unless it names one of ours, or is the serial of a certificate */
function requireSubject(subject: string, trustDomain: string): void {
  if (/^[0-9a-f]{2,40}$/.test(subject)) return
  try {
    if (parseSpiffeId(subject).trustDomain === trustDomain) return
  } catch {
    // Said below.
  }
  const example = `spiffe://${trustDomain}/service/api`
  throw new KeeperError('invalid', `Deny an id such as ${example}, or the serial of a certificate in lower-case hex.`)
}

function refuseManaged(path: string): void {
  if (!isManaged(path)) return
  throw new KeeperError('invalid', `${path} is kept by the platform: ${renewedBy(path)}.`)
}
