import { Link } from '@tanstack/react-router'
import { useWorkplace } from '../../api/session.tsx'

/** The way to the run that a timeline entry tells of. */
export function RunMention({ facts }: { facts: Readonly<Record<string, unknown>> }) {
  const { slug } = useWorkplace().membership.organization
  const { runId } = facts
  if (typeof runId !== 'string') return null
  return (
    <Link to="/o/$slug/runs/$runId" params={{ slug, runId }} className="text-xs text-accent hover:underline">
      See the run
    </Link>
  )
}
