import type { Run } from '@redoubt/contract'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useApi, useMay } from '../../api/session.tsx'
import { Button } from '../../components/button.tsx'
import { Ago } from '../../components/clock.tsx'
import { Fact, Facts } from '../../components/drawer.tsx'
import { ErrorNote } from '../../components/feedback.tsx'
import { TextField } from '../../components/fields.tsx'
import { Icon } from '../../components/icon.tsx'
import { roleWords } from '../../components/words.ts'

/** What waits for whom since when, and exactly what an approval binds itself to (PLAN-2). */
export function ApprovalPanel({ run, waiting }: { run: Run; waiting: NonNullable<Run['waitingFor']> }) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const [remark, setRemark] = useState('')
  const decide = useMutation(
    trpc.runs.decide.mutationOptions({ onSettled: () => queries.invalidateQueries(trpc.runs.pathFilter()) }),
    queries,
  )
  const send = (decision: 'approve' | 'reject') =>
    decide.mutate({
      id: run.id,
      stepId: waiting.stepId,
      decision,
      ...(remark.trim() === '' ? {} : { statement: remark.trim() }),
    })
  return (
    <section
      aria-labelledby="approval"
      className="shrink-0 border-b border-line bg-surface px-4 py-4 shadow-[inset_3px_0_0_var(--accent)]"
    >
      <div className="flex flex-wrap gap-x-8 gap-y-4">
        <div className="min-w-0 flex-1 basis-72">
          <h2 id="approval" className="flex items-center gap-2 text-sm text-accent">
            <Icon name="wait" />
            <span>
              Waits for a {roleWords[waiting.role].name.toLowerCase()}, asked <Ago at={waiting.since} />
            </span>
          </h2>
          <p className="mt-2 text-lg leading-6 font-medium break-words whitespace-pre-wrap">{waiting.prompt}</p>
          {may('run:approve') ? (
            <div className="mt-3 flex max-w-xl flex-col gap-3">
              <TextField label="Remark (optional)" value={remark} onChange={setRemark} maxLength={500} />
              <ErrorNote error={decide.error} />
              <div className="flex gap-2">
                <Button tone="primary" icon="check" busy={decide.isPending} onPress={() => send('approve')}>
                  Approve and sign
                </Button>
                <Button tone="danger" icon="close" isDisabled={decide.isPending} onPress={() => send('reject')}>
                  Reject
                </Button>
              </div>
            </div>
          ) : (
            <p className="mt-2 text-sm text-quiet">Your role may not decide on this.</p>
          )}
        </div>
        <div className="min-w-0 flex-1 basis-80 rounded-md bg-canvas p-3 shadow-raised">
          <h3 className="mb-2 text-xs font-semibold text-faint">What an approval is bound to</h3>
          <Facts>
            <Fact name="Run">
              <span className="font-mono text-xs break-all">{run.id}</span>
            </Fact>
            <Fact name="Step">
              <span className="font-mono text-xs">{waiting.stepId}</span>
            </Fact>
            <Fact name="Playbook">
              <span className="font-mono text-xs break-all">
                {playbookHashOf(run) ?? `version ${run.playbook.version}`}
              </span>
            </Fact>
            <Fact name="Question">As it stands here</Fact>
          </Facts>
          <p className="mt-2 text-xs text-faint">
            The approval becomes part of the next signed plan; the runner computes it again. It holds for nothing else.
          </p>
        </div>
      </div>
    </section>
  )
}

/** SHA-256 of the playbook's text, from the plan that is being run. */
function playbookHashOf(run: Run): string | null {
  if (run.canonicalPlan === null) return null
  const plan: unknown = JSON.parse(run.canonicalPlan)
  if (typeof plan !== 'object' || plan === null || !('playbook' in plan)) return null
  const { playbook } = plan
  return typeof playbook === 'object' && playbook !== null && 'sha256' in playbook ? String(playbook.sha256) : null
}
