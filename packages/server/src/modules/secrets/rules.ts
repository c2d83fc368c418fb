import type { SecretHealth } from '@redoubt/contract'
import type { Config } from '../../platform/config.ts'

/** As with keys (KEY-4): a secret that was not replaced for longer is due. */
export const secretMaxAgeMs = 90 * 24 * 3_600_000

/** The settings that name a secret, as `secret://path`. */
export function referredSecrets(config: Pick<Config, 'databasePassword' | 'backup'>): ReadonlyMap<string, string[]> {
  const { databasePassword, backup } = config
  const named = [
    ['REDOUBT_DATABASE_PASSWORD', databasePassword],
    ['REDOUBT_S3_SECRET', backup?.to.kind === 's3' ? backup.to.secret : null],
  ] as const
  const settings = new Map<string, string[]>()
  for (const [setting, path] of named) if (path !== null) settings.set(path, [...(settings.get(path) ?? []), setting])
  return settings
}

/** What the platform keeps itself is never due: it is rotated with its key, or as long-lived as what it names. */
export function healthOf(secret: { writtenAt: Date; managed: boolean }, now: Date): SecretHealth {
  return !secret.managed && now.getTime() - secret.writtenAt.getTime() >= secretMaxAgeMs ? 'due' : 'good'
}
