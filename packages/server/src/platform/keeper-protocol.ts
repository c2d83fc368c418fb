import { dataClasses } from '@redoubt/trust'
import { z } from 'zod'

/*
 * What a service may ask of the keeper (docs/decisions/0012). One table for both ways there: inside one process, and
 * between processes over mutual TLS. Secrets travel as base64 or text and become `Secret` on arrival.
 */

/** Every process that has an identity. Seven services (SVC-1), and the keeper itself. */
export const serviceIdentities = [
  'web',
  'api',
  'ingestion',
  'worker',
  'workflow-processor',
  'misp-processor',
  'search-sync',
  'keeper',
] as const
export type ServiceIdentity = (typeof serviceIdentities)[number]

/** What the platform signs. */
export const signingUses = ['access', 'plan', 'checkpoint'] as const
export type SigningUse = (typeof signingUses)[number]

const when = z.iso.datetime().transform((text) => new Date(text))
const base64 = z.base64().max(100_000)
const path = z.string().max(200)

const DataKeyScope = z.strictObject({
  /** The nil UUID for what belongs to the installation and no organization. */
  organizationId: z.guid(),
  dataClass: z.enum(dataClasses),
  version: z.int().positive(),
})
export type DataKeyScope = z.output<typeof DataKeyScope>
const Wrapped = z.strictObject({ kek: z.int().positive(), wrapped: base64 })

const SigningVersion = z.strictObject({
  version: z.int().positive(),
  createdAt: when,
  activeAt: when,
  endsAt: when.nullable(),
  publicJwk: z.looseObject({ kid: z.string() }),
  /** Present only for the services that sign with it, and only as long as it may sign. */
  privateJwk: z.looseObject({}).nullable(),
  /** The statement by which the version before named this one (docs/decisions/0015); of a checkpoint key alone. */
  succession: z.string().max(4000).nullable(),
})

export const rotatableKeys = [
  'kek',
  'data',
  'secrets',
  'access',
  'plan',
  'checkpoint',
  'services',
  'authority',
] as const
export type RotatableKey = (typeof rotatableKeys)[number]

const KeyStatus = z.strictObject({
  /** `kek`, `secrets`, `access`, `plan`, `checkpoint`, `authority`, or `service:<name>`. */
  key: z.string(),
  /** Newest first. */
  versions: z.array(
    z.strictObject({
      version: z.int(),
      /** The key id where it has a public one. */
      kid: z.string().nullable(),
      state: z.enum(['pending', 'active', 'retiring', 'ended']),
      createdAt: when,
      activeAt: when,
      endsAt: when.nullable(),
    }),
  ),
  nextRotationAt: when,
})
const Certificate = z.strictObject({ serial: z.string(), notBefore: when, notAfter: when })
const pem = z.string().max(8192)
const Trust = z.strictObject({
  rootsPem: z.array(z.string()).min(1),
  /** SPIFFE ids and serials that are not to be believed. */
  denied: z.array(z.string()),
})
const ServiceStatus = z.strictObject({
  service: z.enum(serviceIdentities),
  spiffeId: z.string(),
  version: z.string().nullable(),
  startedAt: when.nullable(),
  /** Null when it was not heard of since the keeper's start. */
  lastSeenAt: when.nullable(),
  certificate: Certificate.nullable(),
  denied: z.boolean(),
})
const SecretSummary = z.strictObject({
  path,
  version: z.int(),
  writtenAt: when,
  /** Kept by the platform itself: nobody sets or removes it by hand. */
  managed: z.boolean(),
})
const Done = z.strictObject({})

export const keeperProtocol = {
  'data-key.create': { input: DataKeyScope, output: Wrapped.extend({ key: base64 }) },
  'data-key.open': { input: DataKeyScope.extend(Wrapped.shape), output: z.strictObject({ key: base64 }) },
  'data-key.rewrap': { input: DataKeyScope.extend(Wrapped.shape), output: Wrapped },
  'kek.active': { input: Done, output: z.strictObject({ version: z.int() }) },
  /** Destroys older KEKs, once nothing in the database is wrapped by them. */
  'kek.retire': { input: z.strictObject({ below: z.int() }), output: Done },
  'signing.line': { input: z.strictObject({ use: z.enum(signingUses) }), output: z.array(SigningVersion) },
  'secret.read': { input: z.strictObject({ path }), output: z.strictObject({ version: z.int(), value: z.string() }) },
  'secret.list': { input: z.strictObject({ prefix: path }), output: z.array(SecretSummary) },
  'secret.write': {
    input: z.strictObject({ path, value: z.string().max(65_536), expectedVersion: z.int().min(0) }),
    output: z.strictObject({ version: z.int() }),
  },
  'secret.remove': { input: z.strictObject({ path }), output: z.strictObject({ removed: z.boolean() }) },
  'keys.status': {
    input: Done,
    output: z.strictObject({
      master: z.strictObject({ provider: z.string(), id: z.string() }),
      store: z.strictObject({ kind: z.string(), reachable: z.boolean(), secrets: z.int() }),
      keys: z.array(KeyStatus),
    }),
  },
  /** A certificate for the caller itself, whose request proves the key. */
  'identity.certify': {
    input: z.strictObject({ requestPem: pem }),
    output: z.strictObject({ certificatePem: z.string(), rootsPem: z.array(z.string()) }),
  },
  'identity.trust': { input: Done, output: Trust },
  /** The caller's own keys for signing its requests. */
  'identity.keys': {
    input: Done,
    output: z.array(z.strictObject({ version: z.int(), activeAt: when, endsAt: when.nullable(), key: base64 })),
  },
  /** Sent at the start and every half minute. */
  'identity.report': { input: z.strictObject({ version: z.string().max(60), startedAt: when }), output: Done },
  /** A certificate for a runner that has proved itself to the api. */
  'runner.certify': {
    input: z.strictObject({ organizationId: z.guid(), runnerId: z.guid(), requestPem: pem }),
    output: z.strictObject({ certificatePem: z.string(), rootsPem: z.array(z.string()) }),
  },
  'services.list': { input: Done, output: z.array(ServiceStatus) },
  /** What is on the deny-list, and why. */
  'services.denials': {
    input: Done,
    output: z.array(z.strictObject({ subject: z.string(), reason: z.string(), at: when })),
  },
  /**
   * Takes a SPIFFE id or a serial out of trust, or with no reason back into it. `until` is when it may be forgotten, for
   * what cannot prove itself after that anyway.
   */
  'services.deny': {
    input: z.strictObject({
      subject: z.string().min(1).max(2048),
      reason: z.string().min(1).max(200).nullable(),
      until: when.nullable().default(null),
    }),
    output: Done,
  },
  /** What changed after the given position; waits up to 25 seconds for something. 0 asks for the present position. */
  changes: {
    input: z.strictObject({ after: z.int().min(0) }),
    output: z.strictObject({ position: z.int(), changed: z.array(z.string()) }),
  },
  /** Who fetched which key since the keeper's start: a key of `keys.status`, `data:<class>` or `secret:<path>`. */
  'keys.usage': {
    input: Done,
    output: z.strictObject({
      since: when,
      uses: z.array(
        z.strictObject({ service: z.enum(serviceIdentities), key: z.string(), times: z.int(), lastAt: when }),
      ),
    }),
  },
  'keys.rotate': { input: z.strictObject({ key: z.enum(rotatableKeys) }), output: Done },
} as const satisfies Record<string, { input: z.ZodType; output: z.ZodType }>

export type KeeperProtocol = typeof keeperProtocol
export type KeeperRequest = keyof KeeperProtocol
/** What a caller passes and the wire carries: dates as text. */
export type KeeperQuestion<R extends KeeperRequest> = z.input<KeeperProtocol[R]['input']>
export type KeeperInput<R extends KeeperRequest> = z.output<KeeperProtocol[R]['input']>
export type KeeperOutput<R extends KeeperRequest> = z.output<KeeperProtocol[R]['output']>
/** What a handler returns and the wire carries: dates as text. */
export type KeeperAnswer<R extends KeeperRequest> = z.input<KeeperProtocol[R]['output']>
export type SigningVersion = z.output<typeof SigningVersion>
export type KeyStatus = z.output<typeof KeyStatus>

/** A service's line to the keeper, under its own name. */
export type KeeperClient = {
  readonly service: ServiceIdentity
  /** @throws KeeperRefusal when the keeper refuses, AppError `unavailable` when it does not answer */
  call<R extends KeeperRequest>(request: R, input: KeeperQuestion<R>): Promise<KeeperOutput<R>>
  /** Calls back after something this service may read has changed: `signing:access`, `secret:<path>`, `kek`. */
  onChange(listener: (changed: string) => void): () => void
}

/** What the keeper answered instead: a closed code and a sentence without secrets. */
export class KeeperRefusal extends Error {
  override readonly name = 'KeeperRefusal'
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
