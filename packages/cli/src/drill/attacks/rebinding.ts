import type { Plan } from '@redoubt/contract'
import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { type Listener, listen } from '../responder.ts'
import { runWithResolver } from '../steered-runner.ts'

/* DNS rebinding (PLAN-3): the name on the egress list is the attacker's, and so are its answers. */

const actor = 'plan that reaches too far'
const requirement = 'PLAN-3'
const needs = ['runner', 'keys', 'runnerKeys'] as const
const host = 'rebound.example'

/** A plan that calls the attacker's name on the listener's port. */
const calling = ({ port }: Listener, allowPrivate: boolean): Partial<Plan> => ({
  egress: [{ host, port, allowPrivate }],
  steps: [
    {
      id: 'fetch',
      type: 'http.request',
      method: 'GET',
      url: `http://${host}:${port}/inside`,
      headers: {},
      expect: { status: [200] },
      timeoutMs: 2000,
    },
  ],
})

async function withListener<T>(use: (listener: Listener) => Promise<T>): Promise<T> {
  const listener = await listen()
  try {
    return await use(listener)
  } finally {
    await listener.stop()
  }
}

const reachedByName = (terrain: Parameters<typeof runWithResolver>[0]): Promise<string> =>
  withListener(async (inside) => {
    const report = await runWithResolver(terrain, calling(inside, true), () => ['127.0.0.1'])
    if (inside.reached.length === 0)
      throw new NotShown(`with a rule that allows it, the name does not lead there: ${report.status}`)
    return 'with a rule that allows private addresses the name leads inside'
  })

export const rebindingAttacks: readonly AnyAttack[] = [
  attack({
    id: 'egress.mixed-answer',
    actor,
    requirement,
    title: 'hide a private address behind a public one in the answer for a name',
    needs,
    control: reachedByName,
    attack: (t) =>
      withListener(async (inside) => {
        const report = await runWithResolver(t, calling(inside, false), () => ['9.9.9.9', '127.0.0.1'])
        if (inside.reached.length > 0) return 'the inside was reached'
        const error = report.steps[0]?.error
        if (error?.code !== 'egress_address')
          throw new Error(`the run ${report.status}: ${error?.code} ${error?.message}`)
        throw new Stopped(`${error.code}: ${error.message}`)
      }),
  }),
  attack({
    id: 'egress.rebinding',
    actor,
    requirement,
    title: 'answer a name with a good address when it is judged, and another when it is called',
    needs,
    control: reachedByName,
    attack: (t) =>
      withListener(async (inside) => {
        // Nothing listens at 127.0.0.2; a second question would be answered with where something does.
        const answers = [['127.0.0.2'], ['127.0.0.1']]
        let asked = 0
        const report = await runWithResolver(t, calling(inside, true), () => answers[asked++] ?? ['127.0.0.1'])
        if (inside.reached.length > 0) return `the second answer was used; the name was asked ${asked} times`
        const error = report.steps[0]?.error
        if (asked !== 1 || error?.code !== 'connection')
          throw new Error(`asked ${asked} times; ${error?.code} ${error?.message}`)
        throw new Stopped(`asked once, called where it was judged: ${error.message}`)
      }),
  }),
]
