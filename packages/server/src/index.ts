/** The door for the command line: configuration, start, and the errors it prints. */
export { StartError } from './platform/app-error.ts'
export { type Config, configOf, defaultLimits, readConfig } from './platform/config.ts'
export { type Installation, openInstallation, type ServiceRole, serviceRoles } from './platform/installation.ts'
export { type PostgresServer, startPostgres } from './platform/postgres-server.ts'
export {
  createOwner,
  type DatabaseAddress,
  type Login,
  prepareDatabase,
  withClient,
} from './platform/prepare-database.ts'
export { type DatabaseInspection, databaseAddress, inspectDatabase } from './services/inspection.ts'
export { type Platform, startPlatform } from './services/platform.ts'
