import type { DataClass } from '@redoubt/trust'
import type { KeeperRequest, ServiceIdentity, SigningUse } from '../platform/keeper-protocol.ts'

/**
 * Who may ask the keeper for what (SVC-2, SEC-2). What is not here is refused. Read it as: were this service taken over,
 * its attacker would have the keys of this line and no others.
 */
export type Grant = {
  readonly requests: readonly KeeperRequest[]
  readonly dataClasses: readonly DataClass[]
  /** Private halves; public ones are in every service's reach. */
  readonly signs: readonly SigningUse[]
  /** Paths, or prefixes that end with `/`. */
  readonly secrets: readonly string[]
}

const own = (service: string): readonly string[] => [`database/${service}/`]
const common = [
  'signing.line',
  'secret.read',
  'identity.certify',
  'identity.trust',
  'identity.keys',
  'identity.report',
  'changes',
] as const
const dataKeys = ['data-key.create', 'data-key.open'] as const
/** What people administer through operations; it reads no value of a secret. */
const administration = [
  'secret.list',
  'secret.write',
  'secret.remove',
  'keys.status',
  'keys.usage',
  'keys.rotate',
  'services.list',
  'services.denials',
  'services.deny',
] as const

export const policy: Readonly<Record<ServiceIdentity, Grant>> = {
  web: {
    requests: [...common, ...dataKeys, ...administration],
    dataClasses: ['pii', 'index', 'integration'],
    signs: ['access'],
    secrets: own('web'),
  },
  api: {
    requests: [...common, ...dataKeys, ...administration, 'runner.certify'],
    dataClasses: ['pii', 'index', 'integration'],
    signs: ['access'],
    secrets: own('api'),
  },
  ingestion: {
    requests: [...common, 'data-key.open'],
    dataClasses: ['integration'],
    signs: [],
    secrets: own('ingestion'),
  },
  worker: {
    requests: [...common, ...dataKeys, 'data-key.rewrap', 'kek.active', 'kek.retire', 'keys.status'],
    dataClasses: ['pii', 'index', 'integration'],
    signs: ['checkpoint'],
    secrets: own('worker'),
  },
  'workflow-processor': { requests: common, dataClasses: [], signs: ['plan'], secrets: own('workflow-processor') },
  'misp-processor': { requests: common, dataClasses: [], signs: [], secrets: own('misp-processor') },
  'search-sync': { requests: common, dataClasses: [], signs: [], secrets: own('search-sync') },
  /** The keeper's own line to its database, under the same rule. */
  keeper: { requests: common, dataClasses: [], signs: [], secrets: own('keeper') },
}

/** Whether a grant covers a path. */
export const covers = (paths: readonly string[], path: string): boolean =>
  paths.some((allowed) => (allowed.endsWith('/') ? path.startsWith(allowed) : path === allowed))

/** Paths the platform itself keeps: rotated by their own command, never set or removed by hand. */
const managedPrefixes = [
  'database/',
  'iam/',
  'audit/',
  'services/',
  'tls/',
  'backup/key',
  'backup/recovery',
  'keys/',
] as const
/** Under a managed prefix, yet given by people: how to reach a database that is not ours to make. */
const givenPaths = ['database/owner'] as const

/** Whether the platform keeps this path itself. */
export const isManaged = (path: string): boolean => covers(managedPrefixes, path) && !covers(givenPaths, path)

/** Which command renews what the platform keeps. */
export function renewedBy(path: string): string {
  const keys = {
    'iam/access-key': 'access',
    'iam/plan-key': 'plan',
    'audit/': 'checkpoint',
    'services/': 'services',
    'tls/authority': 'authority',
    'keys/kek': 'kek',
  }
  const [, key] = Object.entries(keys).find(([prefix]) => covers([prefix], path)) ?? []
  if (key !== undefined) return `redoubt keys rotate ${key} renews it`
  if (path === 'backup/key') return 'redoubt backup key --renew renews it'
  if (path === 'tls/deny-list') return 'redoubt service deny and admit change it'
  return 'nothing has to be done about it'
}
