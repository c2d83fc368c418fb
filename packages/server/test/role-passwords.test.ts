import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { prepareDatabase, withClient } from '../src/platform/prepare-database.ts'
import { emptyInstallation } from './backup-fixture.ts'
import { startTestPlatform, type TestPlatform } from './harness.ts'

let t: TestPlatform
afterEach(async () => {
  vi.restoreAllMocks()
  await t.stop()
})

test('the services’ passwords are in no statement, which PostgreSQL may log, and they open all the same', async () => {
  t = await startTestPlatform()
  const { owner } = await emptyInstallation(t)
  const query = vi.spyOn(pg.Client.prototype, 'query')
  await prepareDatabase(owner, t.secrets)
  const said = JSON.stringify(query.mock.calls.map(([asked]) => asked))
  expect(said).toContain('alter role \\"redoubt_web\\"')
  for (const [role, password] of Object.entries(t.secrets.rolePasswords)) {
    expect(said).not.toContain(password.reveal())
    const login = { ...owner, user: role, password: password.reveal() }
    await withClient(login, (client) => client.query('select'))
    await expect(withClient({ ...login, password: 'another' }, async () => undefined)).rejects.toThrow()
  }
})
