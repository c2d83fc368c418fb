import { createAccess } from '../modules/access/index.ts'
import type { ServiceRole } from '../platform/database-roles.ts'
import type { ServiceIdentity } from '../platform/keeper-protocol.ts'
import type { Stop } from '../platform/kernel.ts'
import type { LiveFeed } from '../platform/live.ts'
import { startApi } from './api.ts'
import { startIngestion } from './ingestion.ts'
import type { ServiceParts } from './kernel.ts'
import { composeGuards, composeOperations } from './operations.ts'
import { startWeb } from './web.ts'
import { startWorker } from './worker.ts'
import { startWorkflowProcessor } from './workflow-processor.ts'

/** A service that runs. */
export type Running = {
  /** What the start says of it. */
  readonly line: string
  /** Where it listens, if it does. */
  readonly url: string | null
  /** The api's second port, where runners reach it. */
  readonly runnersUrl?: string
  /** Notices of changes, in the services that follow them. */
  readonly live: LiveFeed | null
  readonly stop: Stop
}

export type Post = {
  readonly role: ServiceRole
  /** Of its pool; 8 unless told otherwise. */
  readonly connections?: number
  start(parts: ServiceParts): Promise<Running>
}

/** The seven services (SVC-1), in the order they start. Each runs alone, or all of them in one process. */
export const roster: Readonly<Record<Exclude<ServiceIdentity, 'keeper'>, Post>> = {
  worker: {
    role: 'redoubt_worker',
    connections: 4,
    async start({ kernel, database, login, follow }) {
      const live = await follow()
      const stop = await startWorker(kernel, database, login, live)
      return { line: 'worker runs, no port open', url: null, live, stop }
    },
  },
  'workflow-processor': {
    role: 'redoubt_workflow',
    connections: 4,
    async start({ kernel, database, login }) {
      const stop = await startWorkflowProcessor(kernel, database, login)
      return { line: 'workflow-processor runs, no port open', url: null, live: null, stop }
    },
  },
  'misp-processor': standby('redoubt_misp', 'misp-processor', 'no intelligence feed can be configured yet'),
  'search-sync': standby('redoubt_search', 'search-sync', 'no search index can be configured yet'),
  ingestion: {
    role: 'redoubt_ingestion',
    async start({ kernel, database }) {
      const { url, stop } = await startIngestion(kernel, database)
      return { line: `ingestion at ${url}`, url, live: null, stop }
    },
  },
  api: {
    role: 'redoubt_api',
    async start({ kernel, database, follow }) {
      const access = createAccess()
      const live = await follow()
      const guards = composeGuards(kernel, database, live, access)
      const operations = composeOperations(kernel, database, access)
      const { url, runnersUrl, stop } = await startApi(kernel, database, operations, guards)
      return { line: `api at ${url}/api/v1, for runners at ${runnersUrl}`, url, runnersUrl, live, stop }
    },
  },
  web: {
    role: 'redoubt_web',
    async start({ kernel, database, follow }) {
      const access = createAccess()
      const live = await follow()
      const guards = composeGuards(kernel, database, live, access)
      const { url, stop } = await startWeb(kernel, database, live, composeOperations(kernel, database, access), guards)
      return { line: `web at ${url}`, url, live, stop }
    },
  },
}

/**
 * A service whose work has no source yet. It proves itself to the keeper, holds its certificate and its database role,
 * and reports; it does nothing else, and its line at the start says so.
 */
function standby(role: ServiceRole, name: string, because: string): Post {
  return {
    role,
    connections: 1,
    start: async () => ({
      line: `${name} stands by, no port open: ${because}`,
      url: null,
      live: null,
      stop: async () => undefined,
    }),
  }
}
