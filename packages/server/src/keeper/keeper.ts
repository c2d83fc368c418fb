import { parseSpiffeId, type Secret } from '@redoubt/trust'
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
import type { SigningMaterial } from './checkpoint-line.ts'
import { EmbeddedStore } from './embedded-store.ts'
import { IdentityDesk } from './identity-desk.ts'
import { KeeperError } from './keeper-error.ts'
import type { KekRing } from './kek-ring.ts'
import { serviceLine, signingLines } from './kept-lines.ts'
import { type KeyLine, readLine, rotateKeyLine, tendLine } from './key-lines.ts'
import { Ledger } from './ledger.ts'
import type { MasterKey } from './master-key.ts'
import { isManaged, policy, renewedBy } from './policy.ts'
import { type RequestHandlers, requestHandlers } from './request-handlers.ts'
import { rotationRules } from './rotation-rules.ts'
import { SecretPath, type SecretStore, secretPath } from './secret-store.ts'
import type { WrappedCount } from './wrapped-count.ts'

/** What the keeper refused, for the audit log. */
export type Refusal = {
  readonly service: ServiceIdentity
  readonly request: string
  readonly code: string
  readonly path?: string
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
  readonly clock: Clock
  /** What changed lately, for services that ask over the wire. */
  readonly changes = new ChangeLog()
  #wrappedCount: WrappedCount | null = null
  readonly ledger: Ledger
  readonly #handlers: RequestHandlers
  readonly #listeners = new Set<(changed: string) => void>()
  readonly #refusals = new Set<(refusal: Refusal) => void>()
  readonly #stopWatching: () => void

  constructor(parts: { master: MasterKey; ring: KekRing; store: SecretStore; clock: Clock; trustDomain: string }) {
    this.master = parts.master
    this.ring = parts.ring
    this.store = parts.store
    this.clock = parts.clock
    this.ledger = new Ledger(parts.clock.now())
    this.desk = new IdentityDesk(parts.store, parts.clock, parts.trustDomain)
    this.#handlers = requestHandlers(this)
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
      this.ledger.note(caller, request, parsed.data as KeeperInput<R>, this.clock.now())
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

  /**
   * Destroys the KEKs below a version. The keeper looks itself whether anything is wrapped by them: a service that was
   * taken over could otherwise destroy what every tenant's data hangs on.
   * @throws KeeperError `invalid` while anything is, or nobody can look
   */
  async retireBelow(below: number): Promise<void> {
    const wrapped = await this.#wrappedCount?.(below)
    if (wrapped !== 0)
      throw new KeeperError('invalid', `${wrapped ?? 'Unknown'} data keys are still wrapped by older keys.`)
    const { store } = this
    if (store instanceof EmbeddedStore && store.keys().some(({ kek }) => kek < below)) await store.rewrap()
    await this.ring.destroyBelow(below)
    this.#tell('kek')
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
    const now = this.clock.now()
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
    const now = this.clock.now()
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
    return readLine(this.store, serviceLine(service), this.clock.now())
  }

  line(use: SigningUse): Promise<KeyLine<SigningMaterial>> {
    return readLine(this.store, signingLines[use], this.clock.now())
  }

  async close(): Promise<void> {
    this.#stopWatching()
    this.#listeners.clear()
    this.changes.close()
    await this.store.close()
    this.ring.close()
    await this.master.close()
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

  /** Sets a secret that people give. @throws KeeperError `invalid` for a path the platform keeps itself */
  async setByHand(path: string, value: Secret<string>, expectedVersion: number): Promise<number> {
    refuseManaged(path)
    return this.store.write(secretPath(path), value, expectedVersion)
  }

  /** Removes a secret that people gave. @throws KeeperError `invalid` for a path the platform keeps itself */
  async removeByHand(path: string): Promise<boolean> {
    refuseManaged(path)
    return this.store.remove(secretPath(path))
  }

  #changed(path: string): void {
    const use = (Object.keys(signingLines) as SigningUse[]).find((each) => signingLines[each].path === path)
    this.#tell(path.startsWith('tls/') ? 'trust' : use ? `signing:${use}` : `secret:${path}`)
  }

  #tell(changed: string): void {
    this.changes.add(changed)
    for (const listener of this.#listeners) listener(changed)
  }
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
