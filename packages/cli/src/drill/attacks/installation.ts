import type { Permission } from '@redoubt/contract'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { refusalOf } from '../http.ts'
import { bearer, type Person } from '../organization.ts'
import type { Parts, Terrain } from '../terrain.ts'
import { answersOf, guardedOperations } from './outsider.ts'

/* Keys, secrets and services of the whole installation, which no tenant has anything to do with (SEC-2). */

const needs = ['operator', 'people', 'stolenHome'] as const
type Inside = Terrain & Pick<Parts, (typeof needs)[number]>

export const isOfInstallation = (permission: Permission): boolean => permission.startsWith('installation:')
const operations = guardedOperations.filter(
  ({ access }) => 'permission' in access && isOfInstallation(access.permission),
)
const reads = operations.filter(({ kind }) => kind === 'read')

async function byOperator({ api, operator }: Inside): Promise<string> {
  const closed = (await answersOf(api, operations, bearer(operator))).find(
    ({ code }) => code === 'forbidden' || code === 'unauthenticated',
  )
  if (closed) throw new NotShown(`${closed.asked} is refused to the operator as well: ${refusalOf(closed)}`)
  return 'the operator gets past the door of each'
}

const callingEach = (id: string, title: string, who: (t: Inside) => Person): AnyAttack =>
  attack({
    id: `installation.${id}`,
    actor: 'member of another tenant',
    requirement: 'SEC-2',
    title,
    needs,
    control: byOperator,
    async attack(t) {
      const open = (await answersOf(t.api, operations, bearer(who(t)))).find(({ code }) => code !== 'forbidden')
      if (open) return `${open.asked}: ${refusalOf(open)}`
      throw new Stopped(`403 forbidden from all ${operations.length}`)
    },
  })

export const installationAttacks: readonly AnyAttack[] = [
  callingEach(
    'client',
    `call each of the ${operations.length} operations on keys, secrets and services, as an admin of a client`,
    ({ a }) => a.admin,
  ),
  callingEach(
    'analyst',
    'the same, as an analyst of the organization that runs the installation',
    ({ people }) => people.analyst,
  ),
  attack({
    id: 'installation.values',
    actor: 'stolen token',
    requirement: 'SEC-2',
    title: 'read the value of a secret with the operator’s stolen token',
    needs,
    async control({ api, operator }) {
      const texts = (await answersOf(api, reads, bearer(operator))).map(({ text }) => text).join()
      if (!texts.includes('database/web/password')) throw new NotShown('the names of secrets are not shown either')
      return 'their names are shown'
    },
    async attack({ api, operator, stolenHome }) {
      const answers = await answersOf(api, reads, bearer(operator))
      const secrets = await stolenHome.secrets()
      const found = answers.find(({ text }) => secrets.some((secret) => text.includes(secret)))
      if (found) return `${found.asked} answered with one`
      throw new Stopped(`none of ${secrets.length} secrets in ${answers.length} answers`)
    },
  }),
]
