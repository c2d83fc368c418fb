import type { Case } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { RunStateBadge } from '../../components/badges.tsx'
import { Ago } from '../../components/clock.tsx'
import { Section } from '../../components/drawer.tsx'
import { Icon } from '../../components/icon.tsx'
import { roleWords } from '../../components/words.ts'

/** Runs on this case; what waits for somebody comes first and says so. */
export function CaseRuns({ of }: { of: Case }) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const runs = useQuery(
    trpc.runs.list.queryOptions({ caseId: of.id, limit: 20 }, { enabled: may('run:read') }),
    queries,
  )
  const items = [...(runs.data?.items ?? [])].sort(
    (a, b) => Number(b.waitingFor !== null) - Number(a.waitingFor !== null),
  )
  if (items.length === 0) return null
  return (
    <Section title="Runs">
      <ul className="flex flex-col gap-2">
        {items.map((run) => (
          <li key={run.id}>
            <Link
              to="/o/$slug/runs/$runId"
              params={{ slug, runId: run.id }}
              className={`block rounded-md px-3 py-2 shadow-raised hover:bg-hover ${run.waitingFor ? 'bg-accent-soft' : ''}`}
            >
              <span className="flex items-center gap-2">
                <span className="min-w-0 flex-1 truncate text-sm font-medium">{run.playbook.name}</span>
                <RunStateBadge state={run.state} />
              </span>
              {run.waitingFor ? (
                <span className="mt-1 flex items-center gap-1.5 text-sm">
                  <Icon name="wait" className="text-accent" />
                  Waits for {anyOf(roleWords[run.waitingFor.role].name)}, <Ago at={run.waitingFor.since} />
                </span>
              ) : (
                <span className="text-xs text-faint">
                  by {run.startedBy}, <Ago at={run.startedAt} />
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  )
}

const anyOf = (role: string) => `${/^[aeiou]/i.test(role) && role !== 'User' ? 'an' : 'a'} ${role.toLowerCase()}`
