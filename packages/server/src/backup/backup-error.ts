/** What backups refuse or cannot do, as a closed set. A damaged archive is a TrustError `archive_*`. */
export type BackupErrorCode =
  /** The target does not answer, or not well enough after several attempts. */
  | 'target_unavailable'
  /** The target refuses the credentials or has no such bucket or folder. */
  | 'target_refuses'
  /** The target's address, name or rule cannot be used. */
  | 'target_invalid'
  | 'archive_not_found'
  /** The database would not give the backup all of its rows. */
  | 'incomplete'
  /** The archive is whole, and does not fit this version or this installation. */
  | 'not_restorable'
  /** A restore goes into an installation that has never been used. */
  | 'not_empty'

/** The one error of this room. The message says what, where and how to mend it, never a secret. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly code: BackupErrorCode

  constructor(code: BackupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
