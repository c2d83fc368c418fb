import type { AnyAttack } from './attack.ts'
import { attack, Stopped } from './attack.ts'
import { type Answer, passed } from './http.ts'
import type { KeeperPort, Message, TakenService } from './services-port.ts'
import type { Parts, Terrain } from './terrain.ts'

/* Somebody who reaches the keeper's port, and has seen or stolen some of what services prove themselves with. */

export const actor = 'internal network'
export const needs = ['keeperPort', 'authority', 'runnerKeys'] as const
export type Network = Terrain & Pick<Parts, (typeof needs)[number]>

/** What web asks for, and may have. */
export const ownPassword = { path: 'database/web/password' }
export const rightful = ({ keeperPort }: Network, by: TakenService): Message =>
  keeperPort.message(by, 'secret.read', ownPassword)

/** The control of what alters a request: unaltered it goes through. @throws NotShown */
export async function sentWhole(t: Network): Promise<string> {
  const by = await t.keeperPort.taken('web')
  return passed(await t.keeperPort.send(by, rightful(t, by)), 'unaltered')
}

/** What the port ends the connection at. @param words how that is felt */
export const speaking = (
  id: string,
  requirement: string,
  title: string,
  words: RegExp,
  ask: (port: KeeperPort) => Promise<Answer>,
): AnyAttack =>
  attack({
    id: `network.${id}`,
    actor,
    requirement,
    title,
    needs,
    control: sentWhole,
    async attack({ keeperPort }) {
      try {
        return `it answered: ${(await ask(keeperPort)).status}`
      } catch (error) {
        const { code = '', message } = error as { code?: string; message: string }
        if (words.test(`${code} ${message}`)) throw new Stopped(code || message)
        throw error
      }
    },
  })
