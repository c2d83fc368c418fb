import { resolve } from 'node:path'
import { z } from 'zod'
import { absent, type Complain, httpsAddress, need, secretPath, superfluous, whole } from './setting.ts'

/** Backups that are made by themselves (OPS-3). */
export type BackupConfig = {
  readonly to:
    | { readonly kind: 'folder'; readonly path: string }
    | {
        readonly kind: 's3'
        readonly bucket: string
        /** Without slashes at its ends; '' for none. */
        readonly prefix: string
        /** Null for Amazon's own. */
        readonly endpoint: string | null
        readonly region: string
        readonly accessKeyId: string
        /** Path of the secret access key in the secret store. */
        readonly secret: string
      }
  readonly everyHours: number
  /** How many are kept; older ones are removed. */
  readonly keep: number
}

const s3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/

export const backupSettings = {
  REDOUBT_BACKUP_TO: z
    .string()
    .min(1)
    .refine((to) => (to.includes('://') ? s3.test(to) : true), 'must be a folder or s3://bucket/prefix')
    .optional(),
  REDOUBT_BACKUP_EVERY_HOURS: whole(/^[1-9]\d{0,3}$/, 'must be a number of hours, 1 to 9999').optional(),
  REDOUBT_BACKUP_KEEP: whole(/^[1-9]\d{0,3}$/, 'must be a number of backups, 1 to 9999').optional(),
  REDOUBT_S3_ENDPOINT: httpsAddress.optional(),
  REDOUBT_S3_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be a region, such as eu-central-1')
    .optional(),
  REDOUBT_S3_ACCESS_KEY_ID: z.string().min(1).max(200).optional(),
  REDOUBT_S3_SECRET: secretPath.optional(),
}
type Settings = z.output<z.ZodObject<typeof backupSettings>>

/** Null when no backups are made by themselves; says what does not go together. */
export function backupConfigOf(env: Settings, complain: Complain): BackupConfig | null {
  const to = env.REDOUBT_BACKUP_TO
  if (to === undefined) {
    superfluous(env, ['REDOUBT_BACKUP_EVERY_HOURS', 'REDOUBT_BACKUP_KEEP'], 'REDOUBT_BACKUP_TO', complain)
  }
  const [, bucket, prefix = ''] = s3.exec(to ?? '') ?? []
  if (bucket === undefined) {
    const names = ['REDOUBT_S3_ENDPOINT', 'REDOUBT_S3_REGION', 'REDOUBT_S3_ACCESS_KEY_ID', 'REDOUBT_S3_SECRET'] as const
    superfluous(env, names, 'REDOUBT_BACKUP_TO=s3://bucket/prefix', complain)
  }
  if (to === undefined) return null
  const rhythm = { everyHours: env.REDOUBT_BACKUP_EVERY_HOURS ?? 24, keep: env.REDOUBT_BACKUP_KEEP ?? 14 }
  if (bucket === undefined) return { to: { kind: 'folder', path: resolve(to) }, ...rhythm }
  need(env, ['REDOUBT_S3_ACCESS_KEY_ID', 'REDOUBT_S3_SECRET'], 'REDOUBT_BACKUP_TO=s3://…', complain)
  return {
    to: {
      kind: 's3',
      bucket,
      prefix: prefix.replace(/^\/+|\/+$/g, ''),
      endpoint: env.REDOUBT_S3_ENDPOINT?.replace(/\/+$/, '') ?? null,
      region: env.REDOUBT_S3_REGION ?? 'us-east-1',
      accessKeyId: env.REDOUBT_S3_ACCESS_KEY_ID ?? absent,
      secret: env.REDOUBT_S3_SECRET ?? absent,
    },
    ...rhythm,
  }
}
