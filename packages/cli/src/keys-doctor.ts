import type { Report } from './command.ts'
import { check, reportOf } from './doctor/check.ts'
import { judgeBackups, judgeCertificates, judgeKeys, judgeProtection, judgeSecrets } from './doctor/key-checks.ts'
import { checkKeyFiles } from './doctor/key-files.ts'
import type { KeeperLine } from './keeper-line.ts'

/** `redoubt keys doctor`: looks at all that can go wrong with keys. */
export async function checkKeys(line: KeeperLine): Promise<Report> {
  const { config, ask, isRunning } = line
  const now = new Date()
  const status = await ask('keys.status')
  const secrets = await ask('secret.list', {})
  const master = check('master', 'master key')
  const reached = await ask('master.check').then(
    ({ provider, id, milliseconds }) => master.ok(`${provider} ${id} answers within ${milliseconds} ms`),
    (error: Error) => master.fail(error.message, 'mend the token or the vault; keys in memory work on until then'),
  )
  const store = check('store', 'secret store')
  const stored = status.store.reachable
    ? store.ok(`${status.store.secrets} secrets in the ${status.store.kind} store`)
    : store.fail(`the ${status.store.kind} store does not answer`, 'mend it; keys in memory work on until then')
  const backups = config.backup
    ? await ask('backup.list', { to: null }).then(
        ({ items }) => items,
        (error: Error) => error,
      )
    : null
  return reportOf(config.home, [
    ...checkKeyFiles(config.home),
    judgeProtection(await ask('master.protection'), config.home),
    reached,
    stored,
    ...judgeKeys(status.keys, { now, isRunning, keyMaxAgeMs: config.keyMaxAgeMs }),
    ...judgeCertificates(await ask('services.list'), now),
    ...judgeSecrets(secrets, config, now),
    ...judgeBackups(backups, secrets, config, now),
  ])
}
