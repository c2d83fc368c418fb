import type { Case } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useWorkplace } from '../../api/session.tsx'
import { PhaseBadge, SeverityBadge } from '../../components/badges.tsx'
import { Section } from '../../components/drawer.tsx'

/** Other cases that name the same things, with what they share. */
export function SimilarCases({ of }: { of: Case }) {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const similar = useQuery(trpc.cases.similar.queryOptions({ id: of.id }, { staleTime: 60_000 }), queries)
  const items = similar.data?.items ?? []
  if (items.length === 0) return null
  return (
    <Section title="Similar cases">
      <ul className="flex flex-col gap-1">
        {items.map(({ case: other, shared }) => (
          <li key={other.id}>
            <Link
              to="/o/$slug/cases/$caseId"
              params={{ slug, caseId: other.id }}
              className="-mx-2 block rounded-md px-2 py-1.5 hover:bg-hover"
            >
              <span className="flex items-center gap-2 text-sm">
                <SeverityBadge severity={other.severity} short />
                <span className="text-faint">#{other.number}</span>
                <span className="min-w-0 flex-1 truncate">{other.title}</span>
                <PhaseBadge phase={other.phase} />
              </span>
              <span className="block truncate pl-5 font-mono text-xs text-faint">{shared.join(' · ')}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  )
}
