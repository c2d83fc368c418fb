import { Stopped } from './attack.ts'
import { type Answer, bodyOf, type Door, isSuccess, refusalOf } from './http.ts'
import { bearer, eventually, type Person } from './organization.ts'
import type { KeeperPort, TakenService } from './services-port.ts'

type Event = {
  readonly at: string
  readonly outcome: string
  readonly target: { readonly id: string } | null
  readonly facts: { readonly request?: string; readonly code?: string }
}

/** The log of whoever runs the installation, where the keeper writes down whom it refused (ALM-1). */
export class ServiceTrail {
  readonly #api: Door
  readonly #operator: Person

  constructor(api: Door, operator: Person) {
    this.#api = api
    this.#operator = operator
  }

  /** Waits until the refusal is there. @throws Error when it does not come */
  tells(service: string, request: string, code: string, since: Date): Promise<Event> {
    return eventually(`the operator’s log tells that ${service} was refused ${request} (${code})`, async () => {
      const path = `/api/v1/audit/events?action=service.refused&targetId=${service}&limit=20`
      const { items } = bodyOf<{ items: Event[] }>(await this.#api.get(path, bearer(this.#operator)))
      return items.find(
        ({ at, outcome, facts }) =>
          outcome === 'denied' && facts.request === request && facts.code === code && new Date(at) >= since,
      )
    })
  }
}

/**
 * For attacks: the keeper refused, and the operator’s log says so.
 * @returns the evidence when it went through @throws Stopped, or Error for another answer
 */
export async function refusedAndTold(
  { keeperPort, serviceTrail }: { readonly keeperPort: KeeperPort; readonly serviceTrail: ServiceTrail },
  by: TakenService,
  request: Parameters<KeeperPort['ask']>[1],
  input: unknown,
): Promise<string> {
  const since = new Date()
  const answer: Answer = await keeperPort.ask(by, request, input)
  if (isSuccess(answer)) return `${by.service} got ${answer.text.slice(0, 80)}`
  if (answer.code !== 'not_allowed') throw new Error(`expected not_allowed, got ${refusalOf(answer)}`)
  await serviceTrail.tells(by.service, request, answer.code, since)
  throw new Stopped(`${refusalOf(answer)} It is in the operator’s log.`)
}
