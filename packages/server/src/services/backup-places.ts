import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Secret } from '@redoubt/trust'
import { BackupError, type BackupTarget, folderTarget, parseArchiveName, s3Target } from '../backup/index.ts'
import type { BackupConfig } from '../platform/backup-config.ts'
import type { Config } from '../platform/config.ts'

type Place = BackupConfig['to']
/** Gives the secret access key of the storage, by its path in the secret store. */
export type StorageSecret = (path: string) => Promise<Secret<string>>

/**
 * Where archives lie: where the configuration says, or in another folder or bucket.
 * @param to a folder's absolute path or `s3://bucket/prefix`; null for the configuration's
 * @throws BackupError `target_invalid`
 */
export async function backupTarget(
  config: Pick<Config, 'backup'>,
  to: string | null,
  secretOf: StorageSecret,
): Promise<BackupTarget> {
  const place = placeOf(config, to)
  if (place.kind === 'folder') return folderTarget(place.path)
  const { bucket, prefix, endpoint, region, accessKeyId, secret } = place
  return s3Target({
    endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
    region,
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    accessKeyId,
    secretAccessKey: await secretOf(secret),
  })
}

function placeOf({ backup }: Pick<Config, 'backup'>, to: string | null): Place {
  if (to === null) {
    if (backup) return backup.to
    throw new BackupError('target_invalid', 'Where to? Add --to FOLDER, or set REDOUBT_BACKUP_TO.')
  }
  if (!to.startsWith('s3://')) return { kind: 'folder', path: to }
  if (backup?.to.kind !== 's3')
    throw new BackupError(
      'target_invalid',
      `${to} needs the storage's settings: set REDOUBT_BACKUP_TO=${to}, REDOUBT_S3_ACCESS_KEY_ID and REDOUBT_S3_SECRET.`,
    )
  const [bucket = '', ...folders] = to.slice('s3://'.length).replace(/\/+$/, '').split('/')
  return { ...backup.to, bucket, prefix: folders.join('/') }
}

/** One archive that can be read from its beginning as often as it takes. */
export type Archive = { readonly name: string; open(): Promise<AsyncIterable<Uint8Array>> }

/**
 * The archive that a person names: a file, `s3://bucket/prefix/NAME`, or a name of `redoubt backup list`.
 * @throws BackupError
 */
export async function findArchive(
  config: Pick<Config, 'backup'>,
  archive: string,
  secretOf: StorageSecret,
): Promise<Archive> {
  if (archive.startsWith('s3://') || parseArchiveName(archive)) {
    const inStorage = archive.startsWith('s3://')
    const name = basename(archive)
    const target = await backupTarget(config, inStorage ? dirname(archive) : null, secretOf)
    return { name, open: () => target.open(name) }
  }
  const found = await stat(archive).catch((cause: NodeJS.ErrnoException) => {
    throw new BackupError('archive_not_found', `${archive} cannot be read (${cause.code}).`, { cause })
  })
  if (!found.isFile()) throw new BackupError('archive_not_found', `${archive} is no file.`)
  return { name: basename(archive), open: async () => createReadStream(archive, { highWaterMark: 256 * 1024 }) }
}
