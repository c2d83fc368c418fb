/** What the keeper refuses or cannot do, as a closed set. */
export type KeeperErrorCode =
  /** The master key's holder (token, vault, file) does not answer. */
  | 'master_unavailable'
  /** The master key did not wrap these bytes, or a passphrase or share is wrong. */
  | 'master_refuses'
  /** The secret store does not answer. */
  | 'store_unavailable'
  /** The store's file is damaged or belongs to another installation. */
  | 'store_damaged'
  /** Somebody else wrote the same path meanwhile. */
  | 'store_conflict'
  /** Nothing is served before the store is unsealed (SEC-4). */
  | 'sealed'
  /** The caller may not have this path, key or operation (SEC-2). */
  | 'not_allowed'
  | 'not_found'
  | 'invalid'

/** The one error of the keeper. The message says what, where and how to mend it, never a secret. */
export class KeeperError extends Error {
  override readonly name = 'KeeperError'
  readonly code: KeeperErrorCode

  constructor(code: KeeperErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
