import { type AnyAttack, attack, NotShown, Stopped } from '../attack.ts'
import { refused } from '../http.ts'
import { type EndedRun, type Listener, listen } from '../responder.ts'
import type { Parts, Terrain } from '../terrain.ts'

/* Playbooks that reach where they should not, saved and run through the doors; success is a request that arrives. */

const actor = 'plan that reaches too far'
const requirement = 'PLAN-3'
const needs = ['responder'] as const
type Reaching = Terrain & Pick<Parts, 'responder'>
type Playbook = (port: number) => string

const get = (url: string, more = '') => `  - id: fetch
    type: http.request
    method: GET
    url: ${url}
${more}`
const egress = (host: string, port: number, isPrivate: boolean) => `egress:
  - host: ${host}
    port: ${port}
    private: ${isPrivate}
`
/** The control of most: the listener is on this machine and the rule says so. */
const allowed: Playbook = (port) =>
  `${egress('127.0.0.1', port, true)}steps:\n${get(`http://127.0.0.1:${port}/inside`)}`

async function reachedBy(t: Reaching, playbook: Playbook, at: Listener): Promise<EndedRun> {
  const run = await t.responder.run(playbook(at.port))
  if (at.reached.length === 0 && run.state === 'succeeded')
    throw new Error('the run succeeded without reaching anything')
  return run
}

/** What stopped the run's request; the code of the step that failed. */
function stoppedAt({ steps, state, failure }: EndedRun, codes: readonly string[]): never {
  const error = steps.find((step) => step.error !== null)?.error
  if (!error || !codes.includes(error.code)) throw new Error(`the run ${state}: ${failure}`)
  throw new Stopped(`${error.code}: ${error.message}`)
}

const reach = (
  id: string,
  title: string,
  codes: readonly string[],
  playbook: Playbook,
  control: Playbook = allowed,
): AnyAttack =>
  attack({
    id: `egress.${id}`,
    actor,
    requirement,
    title,
    needs,
    async control(t) {
      const inside = await listen()
      try {
        const run = await reachedBy(t, control, inside)
        if (inside.reached.length === 0)
          throw new NotShown(`allowed, the request does not arrive either: ${run.failure}`)
        return `the same request arrives where its rule allows it`
      } finally {
        await inside.stop()
      }
    },
    async attack(t) {
      const inside = await listen()
      try {
        const run = await reachedBy(t, playbook, inside)
        if (inside.reached.length > 0) return `the request arrived at ${inside.reached[0]?.path}`
        return stoppedAt(run, codes)
      } finally {
        await inside.stop()
      }
    },
  })

export const egressAttacks: readonly AnyAttack[] = [
  reach(
    'private',
    'call a private address that the playbook’s rule does not allow',
    ['egress_address'],
    (port) => `${egress('127.0.0.1', port, false)}steps:\n${get(`http://127.0.0.1:${port}/inside`)}`,
  ),
  reach(
    'name',
    'call it by a name that leads there',
    ['egress_address', 'egress_unresolved'],
    (port) => `${egress('localhost', port, false)}steps:\n${get(`http://localhost:${port}/inside`)}`,
  ),
  reach(
    'metadata',
    'call the cloud’s metadata service, with private addresses allowed',
    ['egress_address'],
    () => `${egress('169.254.169.254', 80, true)}steps:\n${get('http://169.254.169.254/latest/meta-data/')}`,
  ),
  reach(
    'unspecified',
    'call 0.0.0.0, which is this machine as well',
    ['egress_address'],
    (port) => `${egress('0.0.0.0', port, true)}steps:\n${get(`http://0.0.0.0:${port}/inside`)}`,
  ),
  reach(
    'header',
    'start a header of one’s own with a line break in a value',
    ['header'],
    (port) => `${egress('127.0.0.1', port, true)}steps:
  - id: pick
    type: transform
    set:
      note: "'one\\\\r\\\\nx-injected: yes'"
${get(`http://127.0.0.1:${port}/inside`, `    headers:\n      x-note: \${{ steps.pick.note }}\n`)}`,
    (port) => `${egress('127.0.0.1', port, true)}steps:
  - id: pick
    type: transform
    set:
      note: "'one'"
${get(`http://127.0.0.1:${port}/inside`, `    headers:\n      x-note: \${{ steps.pick.note }}\n`)}`,
  ),
  reach(
    'path',
    'climb out of the path with a value of “..”',
    ['url'],
    (port) => `${egress('127.0.0.1', port, true)}steps:
  - id: pick
    type: transform
    set:
      name: "'..'"
${get(`http://127.0.0.1:${port}/users/\${{ steps.pick.name }}/admin`)}`,
  ),
  attack({
    id: 'egress.redirect',
    actor,
    requirement,
    title: 'be led inside by the redirect of an allowed host',
    needs,
    async control(t) {
      const inside = await listen()
      try {
        await reachedBy(t, allowed, inside)
        if (inside.reached.length === 0) throw new NotShown('called directly, the inside does not answer either')
        return 'called directly, with a rule for it, the inside is reached'
      } finally {
        await inside.stop()
      }
    },
    async attack(t) {
      const inside = await listen()
      const outside = await listen(`http://127.0.0.1:${inside.port}/inside`)
      try {
        const run = await reachedBy(t, allowed, outside)
        if (inside.reached.length > 0) return 'the redirect was followed to the inside'
        if (outside.reached.length === 0) throw new Error(`the allowed host was not reached: ${run.failure}`)
        return stoppedAt(run, ['unexpected_status'])
      } finally {
        await Promise.all([inside.stop(), outside.stop()])
      }
    },
  }),
  attack({
    id: 'egress.unlisted',
    actor,
    requirement,
    title: 'save a playbook that calls a host outside its egress list',
    needs,
    control: async ({ responder }) => saved(await responder.save(allowed(8080))),
    attack: async ({ responder }) =>
      refused(
        await responder.save(`${egress('127.0.0.1', 8080, true)}steps:\n${get('http://127.0.0.2:8080/inside')}`),
        'unprocessable',
      ),
  }),
  attack({
    id: 'egress.host-template',
    actor,
    requirement,
    title: 'save a playbook whose host comes from an alert',
    needs,
    control: async ({ responder }) => saved(await responder.save(allowed(8080))),
    attack: async ({ responder }) =>
      refused(
        await responder.save(
          `${egress('127.0.0.1', 8080, true)}steps:\n${get(`http://\${{ observables[0].value }}:8080/inside`)}`,
        ),
        'unprocessable',
      ),
  }),
  attack({
    id: 'egress.host-header',
    actor,
    requirement,
    title: 'save a playbook that sets the Host header of its requests',
    needs,
    control: async ({ responder }) => saved(await responder.save(allowed(8080))),
    attack: async ({ responder }) =>
      refused(
        await responder.save(
          `${egress('127.0.0.1', 8080, true)}steps:\n${get('http://127.0.0.1:8080/inside', '    headers:\n      host: inside.example\n')}`,
        ),
        'unprocessable',
      ),
  }),
  attack({
    id: 'egress.template-twice',
    actor: 'poisoned input',
    requirement,
    title: 'have an expression inside a value evaluated when it is put into text',
    needs,
    async control({ responder }) {
      const { steps } = await responder.run(`steps:\n  - id: tell\n    type: case.comment\n    text: "\${{ 6 * 7 }}"\n`)
      // The comment of "42" has two characters; the text of the expression has twelve.
      if (steps[0]?.summary !== '2 characters')
        throw new NotShown(`the author’s own expression came to ${steps[0]?.summary}`)
      return 'written by the author it is evaluated: 2 characters'
    },
    async attack({ responder }) {
      const { steps } = await responder.run(`steps:
  - id: pick
    type: transform
    set:
      value: "'$' + '{{ 6 * 7 }}'"
  - id: tell
    type: case.comment
    text: "\${{ steps.pick.value }}"
`)
      const summary = steps.find(({ stepId }) => stepId === 'tell')?.summary
      if (summary === '2 characters') return 'it was evaluated'
      if (summary !== '12 characters') throw new Error(`the comment has ${summary}`)
      throw new Stopped('it stayed text: 12 characters')
    },
  }),
]

function saved(answer: Parameters<typeof refused>[0]): string {
  if (answer.status === 200) return 'with the host on its list it is saved'
  throw new NotShown(`with the host on its list it is refused as well: ${answer.text.slice(0, 200)}`)
}
