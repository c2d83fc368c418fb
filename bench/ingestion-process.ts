import { openDatabase } from '../packages/server/src/platform/database.ts'
import type { Installation } from '../packages/server/src/platform/installation.ts'
import { openInstallation } from '../packages/server/src/platform/installation.ts'
import type { DatabaseAddress } from '../packages/server/src/platform/prepare-database.ts'
import { startIngestion } from '../packages/server/src/services/ingestion.ts'
import { serveParent, settingsOf } from './child.ts'
import { benchConfig, benchKernel } from './cluster.ts'

export type IngestionReady = { readonly url: string }

/* The ingestion service alone in its process, as in a container: its own role, pool and port. */
const { home, address } = settingsOf<{ home: string; address: DatabaseAddress }>()
const { installation }: { installation: Installation } = await openInstallation(home)
const role = 'redoubt_ingestion'
const database = await openDatabase(address, role, installation.rolePasswords[role], installation.contextKeys[role])
const config = benchConfig(home, { web: 0, api: 0, ingestion: 0, runner: 0 })
const service = await startIngestion(benchKernel(config, installation), database)
serveParent({ url: service.url } satisfies IngestionReady, async () => {
  await service.stop()
  await database.close()
})
