import { z } from 'zod'
import { Done, Nothing, OrganizationId, Page, pageOf, Timestamp } from './fields.ts'
import type { OpGroup } from './operation.ts'

/** Pending keys are published and do not sign yet; retiring ones still verify and open. */
export const keyStates = ['pending', 'active', 'retiring', 'ended'] as const
export type KeyState = (typeof keyStates)[number]

/** What one command rotates. `data` is every organization's data keys, `services` the key of every service. */
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

/** KEY-5, of a signing key in the memory of the service that answers; the graver word hides the others. */
export const signingKeyStates = ['INIT', 'READY', 'ROTATING', 'OUTAGE', 'DEGRADED'] as const
export const SigningKeyHealth = z.object({
  key: z.enum(['access', 'plan', 'checkpoint']),
  state: z.enum(signingKeyStates),
  /** The keeper does not answer: the key in memory goes on, and nothing turns. */
  isAway: z.boolean(),
  isOverAge: z.boolean(),
  /** The version that signs now. */
  version: z.int(),
  keyId: z.string(),
  createdAt: Timestamp,
})
export type SigningKeyHealth = z.output<typeof SigningKeyHealth>

export const KeyLine = z.object({
  /** One of the rotatable keys, or `service:<name>`. */
  key: z.string(),
  /** Newest first. */
  versions: z.array(
    z.object({
      version: z.int(),
      /** The RFC 7638 thumbprint, where there is a public half. */
      keyId: z.string().nullable(),
      state: z.enum(keyStates),
      createdAt: Timestamp,
      activeAt: Timestamp,
      /** Null as long as no successor is decided, or for ever. */
      endsAt: Timestamp.nullable(),
    }),
  ),
  nextRotationAt: Timestamp,
})
export type KeyLine = z.output<typeof KeyLine>

/** The data keys of one organization and data class. */
export const DataKeyLine = z.object({
  /** Null for what belongs to the installation and no organization. */
  organization: z.object({ id: OrganizationId, name: z.string().nullable() }).nullable(),
  dataClass: z.string(),
  versions: z.int(),
  newestVersion: z.int(),
  oldestAt: Timestamp,
  newestAt: Timestamp,
  /** Values sealed under the newest version, counted in blocks: never too few. */
  uses: z.int(),
})
export type DataKeyLine = z.output<typeof DataKeyLine>

/** Re-wrapping under a new KEK, or re-encryption of columns under a new data key; resumed after a restart. */
export const KeyJob = z.object({
  id: z.string(),
  kind: z.enum(['rewrap', 'reencrypt']),
  organization: z.object({ id: OrganizationId, name: z.string().nullable() }).nullable(),
  /** Null when it is about all of them. */
  dataClass: z.string().nullable(),
  /** Of the key that everything is brought under. */
  version: z.int(),
  done: z.int(),
  total: z.int(),
  /** Values that could not be opened and were left as they are. */
  damaged: z.int(),
  state: z.enum(['running', 'done', 'failed']),
  startedAt: Timestamp,
  endedAt: Timestamp.nullable(),
})
export type KeyJob = z.output<typeof KeyJob>

/** A service that fetched a key. */
export const KeyUse = z.object({
  service: z.string(),
  /** As in `keys.status`, or `data:<class>`, or `secret:<path>`. */
  key: z.string(),
  times: z.int(),
  lastAt: Timestamp,
})
export type KeyUse = z.output<typeof KeyUse>

export const keys = {
  status: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'Every key of the installation: where the master key is, versions, states, ages and what comes next.',
    input: Nothing,
    output: z.object({
      master: z.object({ provider: z.string(), id: z.string() }),
      store: z.object({ kind: z.string(), reachable: z.boolean(), secrets: z.int() }),
      keys: z.array(KeyLine),
      /** Those that run, then the latest that ended. */
      jobs: z.array(KeyJob),
    }),
    rest: { method: 'GET', path: '/installation/keys' },
  },
  signing: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'The state of each signing key in the answering service’s memory; answered while the keeper is away too.',
    input: Nothing,
    output: z.object({ items: z.array(SigningKeyHealth), answeredBy: z.string() }),
    rest: { method: 'GET', path: '/installation/keys/signing' },
  },
  dataKeys: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'The data keys of every organization and data class: versions, ages, uses.',
    input: Page,
    output: pageOf(DataKeyLine),
    rest: { method: 'GET', path: '/installation/data-keys' },
  },
  usage: {
    kind: 'read',
    access: { permission: 'installation:read' },
    summary: 'Which service fetched which key, how often and when last, since the keeper started.',
    input: Nothing,
    output: z.object({ since: Timestamp, items: z.array(KeyUse) }),
    rest: { method: 'GET', path: '/installation/keys/usage' },
  },
  rotate: {
    kind: 'write',
    access: { permission: 'installation:manage' },
    summary: 'Rotate a key now, whatever its age. What the old one signed or sealed stays good for its time.',
    input: z.object({ key: z.enum(rotatableKeys) }),
    output: Done,
    rest: { method: 'POST', path: '/installation/keys/rotate' },
    limit: 'expensive',
  },
} as const satisfies OpGroup
