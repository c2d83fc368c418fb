import { mkdir } from 'node:fs/promises'
import { backupPassword, databaseSecrets } from '../keeper/database-secrets.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { StartError } from '../platform/app-error.ts'
import type { Config } from '../platform/config.ts'
import type { DatabaseSecrets } from '../platform/database-roles.ts'
import { addressOf, type DatabaseAddress, type Login } from '../platform/database-url.ts'
import type { Stop } from '../platform/kernel.ts'
import type { Log } from '../platform/log.ts'
import { startPostgres } from '../platform/postgres-server.ts'
import { createOwner, prepareDatabase } from '../platform/prepare-database.ts'
import { holdAlone, isAlone } from '../platform/sole-use.ts'

/** @throws StartError when the home cannot be made */
export async function makeHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
    throw new StartError(
      `${home} cannot be made (${cause.code}): choose another REDOUBT_HOME or mend its permissions.`,
      { cause },
    )
  })
}

/**
 * The database, started where it is embedded, held alone, migrated, with every service's role and context key.
 * @throws StartError one clear sentence
 */
export async function layGround(
  config: Config,
  keeper: Keeper,
  log: Log,
  stops: Stop[],
  onStep: (line: string) => void,
): Promise<DatabaseAddress> {
  const secrets = await databaseSecrets(keeper.store)
  const owner =
    config.databaseUrl === undefined
      ? await embeddedDatabase(config, secrets, log, stops, onStep)
      : await givenDatabase(config.databaseUrl, config, keeper)
  const where = config.databaseUrl === undefined ? config.home : `the database ${owner.database}`
  stops.push(await holdAlone(owner, where, log))
  const { applied } = await prepareDatabase(owner, secrets, await backupPassword(keeper.store))
  onStep(
    applied > 0
      ? `database migrated (${applied} steps), roles and row security in place`
      : 'database up to date, roles and row security in place',
  )
  const { user: _user, password: _password, ...address } = owner
  return address
}

/** A database that is not ours, with its owner's password out of the secret store (SEC-1). */
async function givenDatabase(url: string, { databasePassword: path }: Config, keeper: Keeper): Promise<Login> {
  // An address that could never be used is refused before anybody types a password for it.
  const address = addressOf(url)
  const secret = path === null ? null : await keeper.store.read(path)
  if (!secret)
    throw new StartError(
      `DATABASE_URL needs the owner's password from the secret store: redoubt secret set ${path}, then start again.`,
    )
  return { ...address, password: secret.value.reveal() }
}

async function embeddedDatabase(
  config: Config,
  secrets: DatabaseSecrets,
  log: Log,
  stops: Stop[],
  onStep: (line: string) => void,
): Promise<Login> {
  const server = await startPostgres(config.home, secrets.superuserPassword.reveal(), log)
  const owner = await createOwner({ host: server.host, port: server.port, database: 'redoubt' }, secrets)
  // Only who holds the home alone may stop its database: this is pushed before the lock and undone when the lock fails.
  stops.push(async () => {
    await ((await isAlone(owner)) ? server.stop() : server.letGo())
  })
  onStep('PostgreSQL 18 (embedded) answers')
  return owner
}
