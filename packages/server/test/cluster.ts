import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../src/platform/postgres-server.ts'
import { createOwner, prepareDatabase, withClient } from '../src/platform/prepare-database.ts'
import { secretsOf } from './keeper-of.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Home of the test cluster; its keys open every database cloned from the template. */
    clusterHome: string
  }
}

/** One real PostgreSQL for the whole run, with a migrated template that each test file clones. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const home = await mkdtemp(join(tmpdir(), 'redoubt-test-'))
  const secrets = await secretsOf(home)
  const server = await startPostgres(home, secrets.superuserPassword.reveal())
  const owner = await createOwner({ host: server.host, port: server.port, database: 'redoubt_template' }, secrets)
  await prepareDatabase(owner, secrets)
  await withClient(
    { ...owner, database: 'postgres', user: 'postgres', password: secrets.superuserPassword.reveal() },
    async (client) => {
      // Tests measure what is committed, not how a disk survives a power cut; the kill -9 tests start clusters of their own.
      await client.query('alter system set fsync = off')
      await client.query('alter system set synchronous_commit = off')
      await client.query('alter system set max_connections = 100')
      await client.query('select pg_reload_conf()')
    },
  )
  project.provide('clusterHome', home)
  return async () => {
    await server.stop()
    await rm(home, { recursive: true, force: true })
    await rm(server.host, { recursive: true, force: true })
  }
}
