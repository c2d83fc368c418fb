import type { Answer, Proof } from './http.ts'
import { eventually } from './organization.ts'
import type { EndedRun } from './responder.ts'
import type { Parts, Terrain } from './terrain.ts'

/** What attacks on approvals and reports need. */
export const needsOfResponses = ['responder', 'runner', 'keys', 'runnerKeys', 'people', 'database'] as const
export type Responding = Terrain & Pick<Parts, (typeof needsOfResponses)[number]>

/** Waits for a moderator, then for an admin. */
export const waitsThenTells = `steps:
  - id: ok
    type: wait-for-approval
    prompt: Go on?
    role: moderator
  - id: again
    type: wait-for-approval
    prompt: Really?
    role: admin
  - id: tell
    type: case.comment
    text: done
`

export const decide = ({ api }: Responding, { id }: EndedRun, stepId: string, as: Proof): Promise<Answer> =>
  api.post(`/api/v1/runs/${id}/decision`, { stepId, decision: 'approve' }, as)

/** The run once it waits for this step, or for none. */
export const waitingFor = (t: Responding, { id }: EndedRun, stepId: string | undefined): Promise<EndedRun> =>
  eventually(stepId === undefined ? 'the run ends' : `the run waits for ${stepId}`, async () => {
    const now = await t.responder.ended(id)
    return now.waitingFor?.stepId === stepId ? now : undefined
  })
