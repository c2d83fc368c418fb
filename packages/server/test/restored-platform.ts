import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { HomeFile } from '../src/backup/index.ts'
import { directClient } from '../src/keeper/direct-client.ts'
import { openKeeper } from '../src/keeper/open-keeper.ts'
import { mountAuditExport } from '../src/modules/audit/index.ts'
import type { DatabaseAddress } from '../src/platform/database-url.ts'
import { createDispatch, type Dispatch, type Operation } from '../src/platform/dispatch.ts'
import { createServer } from '../src/platform/http.ts'
import type { Credentials } from '../src/platform/operation.ts'
import { equip } from '../src/services/kernel.ts'
import { composeGuards, composeOperations } from '../src/services/operations.ts'
import type { TestPerson, TestPlatform } from './harness.ts'
import { keeperConfig } from './keeper-of.ts'

/** The keeper's files, as an installation's backup names them. */
export async function keeperFiles(t: TestPlatform): Promise<HomeFile[]> {
  const folder = join(t.kernel.config.home, 'keys')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: `keys/${path.slice(folder.length + 1)}`, path }))
}

export type RestoredPlatform = Awaited<ReturnType<typeof platformOver>>

/** The API's operations over a restored database, with keys out of the restored home alone. */
export async function platformOver(t: TestPlatform, owner: DatabaseAddress, home: string) {
  const { config, clock, log, metrics } = t.kernel
  const { keeper } = await openKeeper(keeperConfig(home), clock)
  t.onStop(() => keeper.close())
  const address = { host: owner.host, port: owner.port, database: owner.database }
  const ground = { config: { ...config, home }, clock, log, metrics, address }
  const parts = await equip(ground, directClient(keeper, 'api'), { role: 'redoubt_api', connections: 4 })
  t.onStop(parts.stop)
  const guards = composeGuards(parts.kernel, parts.database, await parts.follow(), t.access)
  const dispatch = createDispatch(parts.kernel, parts.database, guards)
  const operations = composeOperations(parts.kernel, parts.database, t.access)
  const call = async (as: TestPerson | Credentials, name: string, input: unknown): Promise<unknown> => {
    const person = 'userId' in as ? as : null
    return dispatch(operations.find((operation) => operation.name === name) as Operation, {
      requestId: randomUUID(),
      address: '127.0.0.1',
      userAgent: 'test',
      credentials: person ? { kind: 'browser', token: person.token } : (as as Credentials),
      organizationId: person?.organizationId ?? null,
      input,
    })
  }
  return { kernel: parts.kernel, dispatch, call }
}

/** The audit log of who holds this token, as the file that `redoubt audit verify` reads. */
export async function auditFile(
  t: TestPlatform,
  { kernel, dispatch }: { readonly kernel: TestPlatform['kernel']; readonly dispatch: Dispatch },
  token: string,
): Promise<string> {
  const server = createServer(kernel, 'api', async () => true)
  mountAuditExport(server, kernel, dispatch)
  const { url, stop } = await server.listen(0)
  t.onStop(stop)
  const response = await fetch(`${url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${token}` } })
  if (response.status !== 200) throw new Error(`the export answers ${response.status}`)
  return response.text()
}
