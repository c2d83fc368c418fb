import type { Secret } from '@redoubt/trust'

/** Where the top of the key hierarchy lives (KEY-1). */
export type MasterProvider = 'file' | 'pkcs11' | 'vault-transit'

/**
 * The one key above all others. It wraps key-encryption keys and nothing else, and with an HSM or a vault it never comes
 * to this process.
 */
export type MasterKey = {
  readonly provider: MasterProvider
  /** Names the key without giving it away: a fingerprint, a token's label, a transit key's name. At most 200 characters. */
  readonly id: string
  /** @param kek 32 bytes. @throws KeeperError `master_unavailable` */
  wrap(kek: Secret<Buffer>): Promise<Buffer>
  /** @throws KeeperError `master_unavailable`, or `master_refuses` when this key did not wrap these bytes */
  unwrap(wrapped: Uint8Array): Promise<Secret<Buffer>>
  /** Forgets what is held in memory; zeroes it where it is ours. */
  close(): Promise<void>
}
