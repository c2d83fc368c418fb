import type { Case } from '@redoubt/contract'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useApi, useWorkplace } from '../../api/session.tsx'
import { Tag, TlpMark } from '../../components/badges.tsx'
import { Button, buttonLook } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { EmptyState, ErrorNote } from '../../components/feedback.tsx'
import { plural, tlps } from '../../components/words.ts'

/** Starts a playbook on a case. A playbook whose TLP ceiling is below the case is shown, with the reason it may not run. */
export function StartRunDialog({ of, onClose }: { of: Case; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const navigate = useNavigate()
  const playbooks = useQuery(trpc.playbooks.list.queryOptions({}), queries)
  const start = useMutation(
    trpc.runs.start.mutationOptions({
      onSuccess: ({ id }) => navigate({ to: '/o/$slug/runs/$runId', params: { slug, runId: id } }),
    }),
    queries,
  )
  const items = playbooks.data?.items ?? []
  return (
    <Dialog title={`Run a playbook on #${of.number}`} onClose={onClose} wide>
      <ErrorNote error={playbooks.error ?? start.error} />
      {playbooks.data && items.length === 0 && (
        <EmptyState
          icon="playbook"
          title="No playbook yet"
          action={
            <Link to="/o/$slug/playbooks/new" params={{ slug }} className={buttonLook('plain')}>
              Write one
            </Link>
          }
        >
          A playbook is a few steps in YAML that your own runner executes.
        </EmptyState>
      )}
      <ul className="-mx-4 -my-4">
        {items.map((playbook) => {
          const isAbove = tlps.indexOf(of.tlp) > tlps.indexOf(playbook.tlp)
          return (
            <li key={playbook.id} className="flex items-center gap-4 border-b border-line px-4 py-3 last:border-b-0">
              <div className="min-w-0 flex-1">
                <p className="flex flex-wrap items-center gap-2 font-medium">
                  {playbook.name}
                  {playbook.needsApproval && <Tag icon="wait">Asks for approval</Tag>}
                </p>
                <p className="truncate text-sm text-quiet">{playbook.description}</p>
                <p className="mt-1 flex items-center gap-2 text-xs text-faint">
                  <TlpMark tlp={playbook.tlp} />
                  {isAbove ? `takes cases up to this; #${of.number} is TLP:${of.tlp}` : plural(playbook.steps, 'step')}
                </p>
              </div>
              <Button
                icon="run"
                isDisabled={isAbove}
                busy={start.isPending && start.variables.playbookId === playbook.id}
                onPress={() => start.mutate({ playbookId: playbook.id, caseId: of.id })}
              >
                Run
              </Button>
            </li>
          )
        })}
      </ul>
    </Dialog>
  )
}
