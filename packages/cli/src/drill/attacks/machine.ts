import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import type { Parts, Terrain } from '../terrain.ts'
import type { Watched } from '../watched-machine.ts'

/* Somebody with an account on the machine, or with its logs, its manifests and its crash reports (SEC-1, KEY-1). */

const actor = 'somebody on the machine'
const needs = ['machine'] as const
type Machine = Terrain & Pick<Parts, (typeof needs)[number]>

/** Looking for secrets where everybody can look. */
const looking = (
  id: string,
  title: string,
  where: (watched: Watched) => string,
  /** Stands there for sure: the search sees what there is. */
  harmless: RegExp,
): AnyAttack =>
  attack({
    id: `machine.${id}`,
    actor,
    requirement: 'SEC-1',
    title,
    needs,
    async control({ machine }) {
      const watched = await machine.watched()
      if (!harmless.test(where(watched)) || watched.secrets.length < 20) throw new NotShown('there is nothing to see')
      return `what is no secret is seen there, and there are ${watched.secrets.length} secrets`
    },
    async attack({ machine }) {
      const watched = await machine.watched()
      const text = where(watched)
      const found = watched.secrets.filter((secret) => text.includes(secret))
      if (found.length > 0) return `${found.length} secrets, the first at …${around(text, found[0] ?? '')}…`
      throw new Stopped(`none of ${watched.secrets.length} secrets in ${text.length} letters`)
    },
  })

const around = (text: string, secret: string): string =>
  text.slice(Math.max(0, text.indexOf(secret) - 60), text.indexOf(secret))

/** Starting with a setting that would weaken the installation. The control starts without it. */
const starting = (
  id: string,
  requirement: string,
  title: string,
  environment: Record<string, string>,
  sentence: RegExp,
): AnyAttack =>
  attack({
    id: `machine.${id}`,
    actor,
    requirement,
    title,
    needs,
    async control({ machine }: Machine) {
      await machine.watched()
      return 'without it, it starts and is used'
    },
    async attack({ machine }) {
      const { started, said } = await machine.start(environment)
      if (started) return 'it starts'
      if (!sentence.test(said)) throw new Error(`it ended for another reason: ${said.slice(-200)}`)
      if (said.includes('tr0ub4dor')) return `it says the secret: ${said.slice(-200)}`
      throw new Stopped(sentence.exec(said)?.[0] ?? '')
    },
  })

export const machineAttacks: readonly AnyAttack[] = [
  looking('log', 'read secrets, passwords or addresses in what it logs', ({ said }) => said, /Ready after/),
  attack({
    id: 'machine.processes',
    actor,
    requirement: 'SEC-1',
    title: 'read secrets in the command lines and environments of its processes',
    needs,
    async control({ machine }) {
      const { processes } = await machine.watched()
      if (processes === null) return 'this machine does not show processes as files'
      if (!processes.some((text) => text.includes('REDOUBT_HOME'))) throw new NotShown('its processes are not seen')
      return `${processes.length} processes are seen, with what is set in their environment`
    },
    async attack({ machine }) {
      const { processes, secrets } = await machine.watched()
      if (processes === null) throw new Stopped('this machine does not show processes as files')
      const found = secrets.filter((secret) => processes.some((text) => text.includes(secret)))
      if (found.length > 0) return `${found.length} secrets`
      throw new Stopped(`none of ${secrets.length} secrets in ${processes.length} processes`)
    },
  }),
  starting(
    'database-password',
    'SEC-1',
    'start with the database’s password in DATABASE_URL',
    { DATABASE_URL: 'postgresql://redoubt_owner:tr0ub4dor@127.0.0.1:1/redoubt' },
    /DATABASE_URL holds a password: store it with redoubt secret set [a-z/]+/,
  ),
  starting(
    'vault-token',
    'SEC-1',
    'start with a Vault token in the environment',
    { VAULT_TOKEN: 'hvs.tr0ub4dor' },
    /VAULT_TOKEN is set: write the token into a file/,
  ),
  starting(
    'named-secret',
    'SEC-1',
    'start with a secret in a setting of one’s own',
    { DATABASE_URL: 'postgresql://redoubt_owner@127.0.0.1:1/redoubt', REDOUBT_DATABASE_PASSWORD: 'tr0ub4dor-and-3' },
    /REDOUBT_DATABASE_PASSWORD must refer to the secret store: [^,]+/,
  ),
  starting(
    'misspelt',
    'SEC-1',
    'leave a weaker default in force by a misspelt setting',
    { REDOUBT_MASTERKEY: 'pkcs11' },
    /REDOUBT_MASTERKEY is not known: did you mean REDOUBT_MASTER_KEY\?/,
  ),
]
