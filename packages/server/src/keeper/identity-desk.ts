import {
  acceptedVersions,
  activeVersion,
  createAuthority,
  formatSpiffeId,
  issueSvid,
  Secret,
  type SpiffeId,
} from '@redoubt/trust'
import { z } from 'zod'
import type { Clock } from '../platform/clock.ts'
import type { KeeperAnswer, ServiceIdentity } from '../platform/keeper-protocol.ts'
import { serviceIdentities } from '../platform/keeper-protocol.ts'
import { KeeperError } from './keeper-error.ts'
import { type KeyLineSpec, readLine, rotateKeyLine, tendLine } from './key-lines.ts'
import { rotationRules } from './rotation-rules.ts'
import type { SecretPath, SecretStore } from './secret-store.ts'

const day = 24 * 3_600_000
const denyListPath: SecretPath = 'tls/deny-list'

const Denial = z.strictObject({
  /** A SPIFFE id, or the serial of one certificate in lower-case hex. */
  subject: z.string().max(2048),
  reason: z.string().max(200),
  at: z.coerce.date(),
  /** When it may be forgotten; null for never. */
  until: z.coerce.date().nullable().default(null),
})
export type Denial = z.output<typeof Denial>

type Seen = {
  lastSeenAt: Date | null
  startedAt: Date | null
  version: string | null
  certificate: { serial: string; notBefore: Date; notAfter: Date } | null
}

/**
 * The internal CA and who it has certified (SVC-4): issues X.509-SVIDs to services and runners whose identity the caller
 * has proved, keeps the deny-list, and remembers when each service was last seen.
 */
export class IdentityDesk {
  readonly trustDomain: string
  readonly #store: SecretStore
  readonly #clock: Clock
  readonly #seen = new Map<ServiceIdentity, Seen>()

  constructor(store: SecretStore, clock: Clock, trustDomain: string) {
    this.trustDomain = trustDomain
    this.#store = store
    this.#clock = clock
  }

  get #services(): string {
    return `spiffe://${this.trustDomain}/service/`
  }

  get #spec(): KeyLineSpec<{ certificatePem: string; privateKeyPem: string }> {
    const { periodMs, leadMs, outlivesMs } = rotationRules.authority
    return {
      path: 'tls/authority',
      rule: rotationRules.authority,
      material: z.strictObject({ certificatePem: z.string(), privateKeyPem: z.string() }),
      make: async ({ createdAt }) => {
        const { certificatePem, privateKeyPem } = await createAuthority({
          trustDomain: this.trustDomain,
          now: createdAt,
          // Twice its time in use: a rotation that is late by a whole period stops nobody.
          validityMs: 2 * periodMs + leadMs + outlivesMs,
        })
        return { certificatePem, privateKeyPem: privateKeyPem.reveal() }
      },
    }
  }

  /** @throws KeeperError `not_allowed` for whom the deny-list names, `invalid` for a request that proves no key */
  async certify(spiffeId: SpiffeId, requestPem: string): Promise<KeeperAnswer<'identity.certify'>> {
    const now = this.#clock.now()
    const name = formatSpiffeId(spiffeId)
    if ((await this.denials()).some(({ subject }) => subject === name))
      throw new KeeperError('not_allowed', `${name} is on the deny-list: redoubt service admit takes it off.`)
    const line = await readLine(this.#store, this.#spec, now)
    const active = activeVersion(line, now)
    if (!active) throw new KeeperError('store_damaged', 'There is no certificate authority.')
    const { certificatePem, privateKeyPem } = active.material
    const issued = await issueSvid({ certificatePem, privateKeyPem: new Secret(privateKeyPem) }, requestPem, spiffeId, {
      now,
      lifetimeMs: day,
    }).catch((cause: Error) => {
      throw new KeeperError('invalid', `${cause.message}.`, { cause })
    })
    if (spiffeId.kind === 'service') {
      const { serial, notBefore, notAfter } = issued
      this.#of(spiffeId.name as ServiceIdentity).certificate = { serial, notBefore, notAfter }
    }
    return { certificatePem: issued.certificatePem, rootsPem: await this.rootsPem() }
  }

  /** Every root that is to be trusted now, the coming one included. */
  async rootsPem(): Promise<string[]> {
    const now = this.#clock.now()
    const line = acceptedVersions(await readLine(this.#store, this.#spec, now), now)
    return line.map(({ material }) => material.certificatePem)
  }

  /**
   * Who is not to be believed: until admitted again, or as long as was said. A revoked runner is given no other certificate,
   * so its entry may go when the last one has ended; one that was denied by hand stays.
   */
  async denials(): Promise<readonly Denial[]> {
    const stored = await this.#store.read(denyListPath)
    const all = stored ? z.array(Denial).parse(JSON.parse(stored.value.reveal())) : []
    const now = this.#clock.now()
    return all.filter(({ until }) => until === null || now < until)
  }

  /** Puts an id or a serial on the deny-list, or takes it off; every service learns it with its next question. */
  async deny(subject: string, reason: string | null, until: Date | null = null): Promise<void> {
    const stored = await this.#store.read(denyListPath)
    const others = (await this.denials()).filter((each) => each.subject !== subject)
    const denials = reason === null ? others : [...others, { subject, reason, at: this.#clock.now(), until }]
    await this.#store.write(denyListPath, new Secret(JSON.stringify(denials)), stored?.version ?? 0)
  }

  seen(service: ServiceIdentity, { version, startedAt }: { version: string; startedAt: Date }): void {
    Object.assign(this.#of(service), { version, startedAt, lastSeenAt: this.#clock.now() })
  }

  /** Every service with its certificate and when it was last heard of. */
  async list(): Promise<KeeperAnswer<'services.list'>> {
    const denied = new Set((await this.denials()).map(({ subject }) => subject))
    return serviceIdentities.map((service) => {
      const { lastSeenAt, startedAt, version, certificate } = this.#of(service)
      const spiffeId = `${this.#services}${service}`
      return {
        service,
        spiffeId,
        version,
        startedAt: startedAt?.toISOString() ?? null,
        lastSeenAt: lastSeenAt?.toISOString() ?? null,
        certificate: certificate && {
          serial: certificate.serial,
          notBefore: certificate.notBefore.toISOString(),
          notAfter: certificate.notAfter.toISOString(),
        },
        denied: denied.has(spiffeId) || (certificate !== null && denied.has(certificate.serial)),
      }
    })
  }

  tend(): Promise<boolean> {
    return tendLine(this.#store, this.#spec, this.#clock.now())
  }

  /** @throws KeeperError `invalid` while a new root is pending: every one of them has to reach all who verify */
  async rotate(): Promise<void> {
    const now = this.#clock.now()
    if ((await this.line()).some(({ activeAt }) => now < activeAt))
      throw new KeeperError('invalid', 'A new authority is on its way already; it begins within the hour.')
    await rotateKeyLine(this.#store, this.#spec, this.#clock.now())
  }

  line() {
    return readLine(this.#store, this.#spec, this.#clock.now())
  }

  #of(service: ServiceIdentity): Seen {
    const known = this.#seen.get(service) ?? { lastSeenAt: null, startedAt: null, version: null, certificate: null }
    this.#seen.set(service, known)
    return known
  }
}
