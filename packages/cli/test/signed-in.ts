import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Role } from '@redoubt/contract'
import { startApi } from '../../server/src/services/api.ts'
import { startTestPlatform, type TestOrganization } from '../../server/test/harness.ts'
import { type Finished, redoubt } from './command-process.ts'

export const password = 'three unrelated words'

/** The api service over a database of its own, and a place where a command line keeps its sign-ins. */
export async function startInstallation() {
  const t = await startTestPlatform()
  const { url, runnersUrl, stop } = await startApi(t.kernel, t.databases.redoubt_api, t.operations, t.guards)
  t.onStop(stop)
  const folder = await mkdtemp(join(tmpdir(), 'redoubt-cli-'))
  t.onStop(() => rm(folder, { recursive: true, force: true }))
  let homes = 0

  return {
    t,
    url,
    runnersUrl,
    folder,
    stop: () => t.stop(),
    /** A member with a password, as one who accepted an invitation. */
    async person(organization: TestOrganization, role: Role): Promise<{ email: string; userId: string }> {
      const { email, userId } = await t.member(organization, role)
      const inviter = await t.member(organization, 'admin')
      const invited = `p-${email}`
      const { link } = await t.call(inviter, 'members.invite', { email: invited, role })
      await t.call({ kind: 'none' }, 'auth.acceptInvitation', {
        token: new URL(link).searchParams.get('token') as string,
        name: `${role} by invitation`,
        password,
      })
      return { email: invited, userId }
    },
    /** A machine of its own: commands on it share their sign-ins. */
    machine(): Machine {
      const configHome = join(folder, `machine-${homes++}`)
      const environment = { XDG_CONFIG_HOME: configHome, REDOUBT_URL: url }
      return {
        credentials: join(configHome, 'redoubt', 'credentials.json'),
        environment,
        run: (args, input, more = {}) => redoubt(args, { ...environment, ...more }, input),
      }
    },
  }
}

export type Installation = Awaited<ReturnType<typeof startInstallation>>
export type Machine = {
  readonly credentials: string
  readonly environment: Readonly<Record<string, string>>
  run(args: readonly string[], input?: string, more?: Readonly<Record<string, string>>): Promise<Finished>
}
