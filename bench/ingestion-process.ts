import type { DatabaseAddress } from '../packages/server/src/platform/database-url.ts'
import { startIngestion } from '../packages/server/src/services/ingestion.ts'
import { serveParent, settingsOf } from './child.ts'
import { benchConfig, benchService } from './cluster.ts'

export type IngestionReady = { readonly url: string }

/* The ingestion service alone in its process, as in a container: its own role, pool and port. */
const { home, address } = settingsOf<{ home: string; address: DatabaseAddress }>()
const config = benchConfig(home, { web: 0, api: 0, ingestion: 0, runner: 0 })
const { kernel, database, stop } = await benchService(config, address, 'redoubt_ingestion')
const service = await startIngestion(kernel, database)
serveParent({ url: service.url } satisfies IngestionReady, async () => {
  await service.stop()
  await stop()
})
