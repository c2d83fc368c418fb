import type { Secret } from '@redoubt/trust'
import { z } from 'zod'
import { KeeperError } from './keeper-error.ts'

/** `noun/…/name`: lower case, at most eight parts, no dots: a path can leave no folder and no URL segment. */
export const SecretPath = z
  .string()
  .max(200)
  .regex(/^[a-z0-9][a-z0-9_-]*(\/[a-z0-9][a-z0-9_-]*){0,7}$/, 'is lower-case words with slashes, such as smtp/password')
export type SecretPath = z.output<typeof SecretPath>

/** @throws KeeperError `invalid` for what has not the form of a path */
export function secretPath(path: string): SecretPath {
  const parsed = SecretPath.safeParse(path)
  if (!parsed.success) throw new KeeperError('invalid', `A secret’s path ${parsed.error.issues[0]?.message}.`)
  return parsed.data
}

export type SecretValue = {
  readonly path: SecretPath
  /** Counts from 1; a removed and rewritten path goes on counting. */
  readonly version: number
  readonly value: Secret<string>
  readonly writtenAt: Date
}
/** What may be shown of a secret. */
export type SecretSummary = {
  readonly path: SecretPath
  readonly version: number
  readonly writtenAt: Date
}

/** Where secrets lie (SEC-1): the embedded store, or Vault/OpenBao KV v2. Every method throws KeeperError. */
export type SecretStore = {
  readonly kind: 'embedded' | 'vault'
  /** The newest version, or null when there is none. @throws `store_unavailable`, `store_damaged` */
  read(path: SecretPath): Promise<SecretValue | null>
  /** All below a prefix that ends with `/`, or all with ''; in order of path. */
  list(prefix: string): Promise<readonly SecretSummary[]>
  /**
   * Check-and-set: `expectedVersion` is the version the caller saw, 0 for none.
   * @param value at most 64 KiB of UTF-8. @returns the new version. @throws `store_conflict` when it changed meanwhile
   */
  write(path: SecretPath, value: Secret<string>, expectedVersion: number): Promise<number>
  /** All versions. @returns whether there was one */
  remove(path: SecretPath): Promise<boolean>
  /** Calls back with the path and version after a change by anybody, at the latest after the store's polling interval. */
  watch(prefix: string, onChange: (summary: SecretSummary) => void): () => void
  /** Whether it answers now. */
  reachable(): Promise<boolean>
  close(): Promise<void>
}
