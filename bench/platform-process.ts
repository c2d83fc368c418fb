import type { OrganizationId } from '@redoubt/contract'
import Fastify from 'fastify'
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import { databaseSecrets } from '../packages/server/src/keeper/database-secrets.ts'
import { caseRows } from '../packages/server/src/modules/cases/store/cases.ts'
import type { Schema } from '../packages/server/src/platform/schema.ts'
import { startPlatform } from '../packages/server/src/services/platform.ts'
import { serveParent, settingsOf } from './child.ts'
import { adminPool, benchConfig } from './cluster.ts'

export type PlatformReady = {
  readonly web: string
  readonly api: string
  readonly setUpToken: string
  /** The reference: the same list with nothing around it. */
  readonly bare: string
}

/* The whole platform in one process, as `redoubt start` runs it, and beside it the bare route it is measured against. */
const { home, ports } = settingsOf<{ home: string; ports: { web: number; api: number; ingestion: number } }>()
const platform = await startPlatform(benchConfig(home, { ...ports, runner: 0 }))

// Taken from the product, so that the reference cannot fall behind it.
const dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (db: Kysely<Schema>) => new PostgresIntrospector(db),
  createQueryCompiler: () => new PostgresQueryCompiler(),
}
const anyOrganization = '' as OrganizationId
const { sql: listSql } = caseRows({ db: new Kysely<Schema>({ dialect }), organizationId: anyOrganization })
  .orderBy('c.id', 'desc')
  .limit(0)
  .compile()

const pool = adminPool(platform.address, await databaseSecrets(platform.keeper.store))
const bare = Fastify({ logger: false })
bare.get('/cases', async (request, reply) => {
  const { organization, limit } = request.query as { organization: string; limit: string }
  const { rows } = await pool.query(listSql, [organization, Number(limit) + 1])
  return reply.type('application/json').send(JSON.stringify({ items: rows }))
})

serveParent(
  {
    web: platform.urls.web,
    api: platform.urls.api,
    setUpToken: new URL(platform.setUpLink as string).searchParams.get('token') as string,
    bare: await bare.listen({ host: '127.0.0.1', port: 0 }),
  } satisfies PlatformReady,
  async () => {
    await bare.close()
    await pool.end()
    await platform.stop()
  },
)
