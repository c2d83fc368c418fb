import { CommandError } from '../command-error.ts'
import { type DrillAccount, readDrillAccounts } from '../environment.ts'
import { ask, readPassword } from '../prompt.ts'
import { showing } from './channel.ts'
import { Door } from './http.ts'
import { ingestionPart } from './inhabitants.ts'
import { clear, furnish, type Person, signIn } from './organization.ts'
import type { Terrain } from './terrain.ts'

export type Addresses = {
  /** The console. */
  readonly against: string
  readonly api?: string
  readonly ingestion?: string
  readonly runner?: string
}

/** It has the usual limits, and two accounts to attack it with: what it says to wait for is waited for. */
const patienceMs = 61_000

/**
 * Signs in to another installation with two accounts of two organizations, and puts a case, a playbook and a source into
 * each, so that there is something to reach for. `stop` takes back what can be taken back.
 * @throws CommandError when the accounts belong to one organization
 */
export async function enterInstallation(
  addresses: Addresses,
  say: (line: string) => void,
): Promise<{ terrain: Terrain; stop: () => Promise<void> }> {
  const web = new Door(addresses.against, patienceMs)
  const api = new Door(addresses.api ?? apiBeside(addresses.against), patienceMs)
  const accounts = readDrillAccounts()
  const attacked = await signIn({ web, api }, await asked(accounts.attacked, 'the organization that is attacked'))
  const attacker = await signIn({ web, api }, await asked(accounts.attacker, 'the organization it is attacked from'))
  refuseOneOrganization(attacked, attacker)
  say(`signed in to ${attacked.slug}, which is attacked, and to ${attacker.slug}, from where`)
  const a = await furnish(api, attacked)
  const b = await furnish(api, attacker)
  say('a case, a playbook and a source in each, named “Redoubt drill”')
  const doors = { web, api }
  const ingestion = addresses.ingestion
    ? { ingestion: await ingestionPart({ ...doors, ingestion: new Door(addresses.ingestion, patienceMs) }, a, b) }
    : {}
  const runner = addresses.runner ? { runner: showing(addresses.runner, null) } : {}
  return {
    terrain: { ...doors, a, b, ...ingestion, ...runner },
    stop: async () => {
      await clear(api, a)
      await clear(api, b)
    },
  }
}

/** On a machine without a reverse proxy the api listens beside the console. */
function apiBeside(console: string): string {
  const url = new URL(console)
  if (url.port === '3000') url.port = '4000'
  return url.origin
}

function refuseOneOrganization(attacked: Person, attacker: Person): void {
  if (attacked.organizationId !== attacker.organizationId && attacked.userId !== attacker.userId) return
  throw new CommandError(
    'The two accounts must be different people, each an admin of an organization of their own: otherwise reaching the other’s things is no attack.',
    { exitCode: 2 },
  )
}

/** What the environment does not say is asked for at the terminal. */
async function asked(account: DrillAccount, of: string) {
  const email = account.email ?? (await ask(`E-mail address of an admin of ${of}: `))
  const password = account.password ?? (await readPassword('Password: '))
  return { email, password, slug: account.slug }
}
