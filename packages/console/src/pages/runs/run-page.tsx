import type { Run } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { RunStateBadge } from '../../components/badges.tsx'
import { Button } from '../../components/button.tsx'
import { Ago, Moment } from '../../components/clock.tsx'
import { CodeBlock } from '../../components/code-block.tsx'
import { Section } from '../../components/drawer.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Segments } from '../../components/filters.tsx'
import type { StepState } from '../../components/flow.tsx'
import { Icon, type IconName } from '../../components/icon.tsx'
import { useMedia } from '../../components/media.ts'
import { useTabTitle } from '../../components/page-header.tsx'
import { announceFailure } from '../../components/toast.tsx'
import { spanOf } from '../../components/words.ts'
import { ApprovalPanel } from './approval-panel.tsx'
import { SignedPlans } from './signed-plans.tsx'

const Flow = lazy(() => import('../../components/flow.tsx').then((module) => ({ default: module.Flow })))
const route = getRouteApi('/o/$slug/runs/$runId')

/** One run: the graph coming alive, what each step did, who decided what, and exactly what was signed. */
export function RunPage() {
  const { runId } = route.useParams()
  const { trpc, queries } = useApi()
  const query = useQuery(trpc.runs.get.queryOptions({ id: runId }), queries)
  if (query.isPending) return <Skeleton rows={10} />
  if (query.isError && !query.data) return <ErrorState error={query.error} retry={() => void query.refetch()} />
  return <RunView run={query.data} />
}

function RunView({ run }: { run: Run }) {
  const { client, queries, trpc } = useApi()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const isWide = useMedia('(min-width: 860px)')
  const [pane, setPane] = useState<'steps' | 'graph'>('steps')
  useTabTitle(`${run.playbook.name} on #${run.case.number}`)
  const steps = new Map(run.steps.map((step) => [step.stepId, step]))
  const stateOf = (id: string): StepState => {
    if (run.waitingFor?.stepId === id) return 'waiting'
    const status = steps.get(id)?.status
    if (status === 'interrupted') return 'failed'
    if (
      status === 'running' ||
      status === 'waiting' ||
      status === 'succeeded' ||
      status === 'failed' ||
      status === 'skipped'
    )
      return status
    return run.endedAt ? 'skipped' : 'idle'
  }
  const cancel = async () => {
    try {
      await client.runs.cancel.mutate({ id: run.id })
    } catch (error) {
      announceFailure('Not cancelled', error)
    }
    await queries.invalidateQueries(trpc.runs.pathFilter())
  }
  return (
    <div className="flex min-h-0 flex-1 flex-col max-md:flex-none">
      <header className="flex shrink-0 flex-wrap items-center gap-x-4 gap-y-1 border-b border-line bg-surface px-4 py-3">
        <h1 className="min-w-0 text-lg">
          <Link
            to="/o/$slug/playbooks/$playbookId"
            params={{ slug, playbookId: run.playbook.id }}
            className="hover:underline"
          >
            {run.playbook.name}
          </Link>{' '}
          <span className="text-sm font-normal text-faint">version {run.playbook.version}</span>
        </h1>
        <RunStateBadge state={run.state} />
        <div className="ml-auto">
          {may('run:cancel') && (run.state === 'queued' || run.state === 'waiting') && (
            <Button icon="stop" onPress={() => void cancel()}>
              Cancel run
            </Button>
          )}
        </div>
        <p className="w-full text-sm text-quiet">
          On{' '}
          <Link
            to="/o/$slug/cases/$caseId"
            params={{ slug, caseId: run.case.id }}
            className="font-medium text-ink hover:underline"
          >
            #{run.case.number} {run.case.title}
          </Link>
          , started by {run.startedBy} <Ago at={run.startedAt} />
          {run.endedAt && <>, took {spanOf((Date.parse(run.endedAt) - Date.parse(run.startedAt)) / 1000)}</>}
        </p>
        {run.failure && (
          <p
            role="alert"
            className="flex w-full items-start gap-2 rounded-md bg-danger-soft px-3 py-2 text-sm text-danger"
          >
            <Icon name="warning" className="mt-0.5" />
            {run.failure}
          </p>
        )}
      </header>
      {run.waitingFor && <ApprovalPanel key={run.waitingFor.stepId} run={run} waiting={run.waitingFor} />}
      {!isWide && (
        <div className="border-b border-line px-4 py-2">
          <Segments
            label="Show"
            value={pane}
            options={[
              { value: 'steps', label: 'Steps' },
              { value: 'graph', label: 'Graph' },
            ]}
            onChange={setPane}
          />
        </div>
      )}
      <div className="flex min-h-0 flex-1">
        {(isWide || pane === 'graph') && (
          <div className="min-w-0 flex-1 max-md:h-[60vh]">
            <Suspense fallback={<div className="skeleton m-4 h-1/2" />}>
              <Flow graph={run.graph} stateOf={stateOf} />
            </Suspense>
          </div>
        )}
        {(isWide || pane === 'steps') && (
          <div className="scroll-thin w-full min-w-0 bg-surface md:w-[420px] md:shrink-0 md:overflow-y-auto md:border-l md:border-line xl:w-[480px]">
            <Section title="Steps">
              <ol className="flex flex-col gap-1">
                {run.graph.nodes.map((node) => (
                  <StepLine
                    key={node.id}
                    id={node.id}
                    label={node.label}
                    state={stateOf(node.id)}
                    step={steps.get(node.id) ?? null}
                  />
                ))}
              </ol>
            </Section>
            {run.approvals.length > 0 && (
              <Section title="Decisions">
                <ul className="flex flex-col gap-3">
                  {run.approvals.map((approval) => (
                    <li key={`${approval.stepId} ${approval.at}`} className="text-sm">
                      <p className="flex flex-wrap items-center gap-x-2">
                        <Icon
                          name={approval.decision === 'approved' ? 'check' : 'close'}
                          className={approval.decision === 'approved' ? 'text-accent' : 'text-danger'}
                        />
                        <span className="font-medium">{approval.by.name}</span> {approval.decision} {approval.stepId}
                        <span className="ml-auto text-xs text-faint">
                          <Moment at={approval.at} />
                        </span>
                      </p>
                      {approval.statement && (
                        <CodeBlock label="What was approved" text={approval.statement} className="mt-1" />
                      )}
                    </li>
                  ))}
                </ul>
              </Section>
            )}
            <SignedPlans run={run} />
          </div>
        )}
      </div>
    </div>
  )
}

const stepLook: Record<StepState, { icon: IconName; colour: string; word: string }> = {
  idle: { icon: 'clock', colour: 'text-faint', word: 'Not yet' },
  running: { icon: 'run', colour: 'text-accent', word: 'Running' },
  waiting: { icon: 'wait', colour: 'text-accent', word: 'Waiting' },
  succeeded: { icon: 'check', colour: 'text-accent', word: 'Done' },
  failed: { icon: 'close', colour: 'text-danger', word: 'Failed' },
  skipped: { icon: 'right', colour: 'text-faint', word: 'Not taken' },
}

type StepLineProps = { id: string; label: string; state: StepState; step: Run['steps'][number] | null }

function StepLine({ id, label, state, step }: StepLineProps) {
  const look = stepLook[state]
  const seconds =
    step?.startedAt && step.endedAt ? (Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000 : null
  return (
    <li className="flex gap-2.5 py-1 text-sm">
      <Icon name={look.icon} className={`mt-0.5 ${look.colour}`} />
      <div className="min-w-0 flex-1">
        <p className="flex items-baseline gap-2">
          <span className={`truncate font-medium ${state === 'skipped' ? 'text-faint' : ''}`}>{id}</span>
          <span className="min-w-0 flex-1 truncate text-xs text-faint">{label}</span>
          <span className="shrink-0 text-xs text-faint">
            {seconds === null ? look.word : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : spanOf(seconds)}
          </span>
        </p>
        {step?.summary && <p className="text-xs break-words text-quiet">{step.summary}</p>}
        {step?.error && (
          <p className="text-xs break-words text-danger">
            {step.error.message} ({step.error.code})
          </p>
        )}
      </div>
    </li>
  )
}
