import type { SecretBytes } from './secret-bytes.ts'

/** What a data key is for: personal data, its blind indexes, evidence, integration credentials, the secret store, backups. */
export const dataClasses = ['pii', 'index', 'evidence', 'integration', 'secret', 'backup'] as const
export type DataClass = (typeof dataClasses)[number]

/** One version of the data-encryption key of an organization and data class (KEY-1). */
export type DataKey = {
  readonly organizationId: string
  readonly dataClass: DataClass
  /** From 1 to 2^32 - 1. */
  readonly version: number
  /** 32 bytes. */
  readonly key: SecretBytes
}
