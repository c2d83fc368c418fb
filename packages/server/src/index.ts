/** The door for the command line: configuration, start, and the errors it prints. */

export { BackupError, type BackupProgress, type RestoreProgress, verifyArchive } from './backup/index.ts'
export { type AdminLine, type AdminRefusal, adminSocketPath, refusalOf } from './keeper/admin-socket.ts'
export { backupPassword, databaseSecrets } from './keeper/database-secrets.ts'
export { holdHome } from './keeper/home-lock.ts'
export type { Keeper } from './keeper/keeper.ts'
export { KeeperError } from './keeper/keeper-error.ts'
export type { MasterKey } from './keeper/master-key.ts'
export { openKeeper } from './keeper/open-keeper.ts'
export type { Seal } from './keeper/open-master.ts'
export { writeNewPrivateFile } from './keeper/private-file.ts'
export { type SealState, Unsealing } from './keeper/unsealing.ts'
export { StartError } from './platform/app-error.ts'
export { systemClock } from './platform/clock.ts'
export { type Config, configOf, defaultLimits, readConfig } from './platform/config.ts'
export { type DatabaseSecrets, type ServiceRole, serviceRoles } from './platform/database-roles.ts'
export type { DatabaseAddress, Login } from './platform/database-url.ts'
export {
  accountEmailOf,
  type EncryptedPlace,
  invitationEmailOf,
  sessionAddressOf,
  webhookSecretOf,
} from './platform/encrypted-columns.ts'
export { identityPath, readIdentity, type ServiceIdentityFile } from './platform/identity-file.ts'
export { type KeeperRequest, type ServiceIdentity, serviceIdentities } from './platform/keeper-protocol.ts'
export { type PostgresServer, startPostgres } from './platform/postgres-server.ts'
export {
  backupRole,
  createOwner,
  prepareDatabase,
  withClient,
} from './platform/prepare-database.ts'
export { remoteKeeper } from './platform/remote-keeper.ts'
export { newCredentials } from './platform/service-identity.ts'
export { startApart } from './services/apart.ts'
export { findArchive } from './services/backup-places.ts'
export { shownManifest } from './services/backups.ts'
export { type DatabaseInspection, databaseAddress, inspectDatabase } from './services/inspection.ts'
export { type ServicesPort, type ServicesPortOptions, startKeeper } from './services/keeper.ts'
export { type OperatorAnswers, openOperatorDesk } from './services/operator.ts'
export { type Platform, startPlatform } from './services/platform.ts'
export { restoreInstallation } from './services/restoration.ts'
