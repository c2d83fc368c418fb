import type { Case } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { SeverityBadge } from '../../components/badges.tsx'
import { Ago } from '../../components/clock.tsx'
import { Section } from '../../components/drawer.tsx'

/** The alerts this case is made of; each opens in the inbox. */
export function CaseAlerts({ of }: { of: Case }) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const alerts = useQuery(
    trpc.alerts.list.queryOptions({ caseId: of.id, limit: 20 }, { enabled: may('alert:read') && of.alertCount > 0 }),
    queries,
  )
  if (of.alertCount === 0) return null
  return (
    <Section title={`Alerts (${of.alertCount.toLocaleString('en')})`}>
      {alerts.isPending && <div className="skeleton h-16" />}
      <ul>
        {alerts.data?.items.map((alert) => (
          <li key={alert.id}>
            <Link
              to="/o/$slug/inbox"
              params={{ slug }}
              search={{ state: 'in-case', alert: alert.id }}
              className="-mx-2 flex min-h-8 items-center gap-2 rounded-md px-2 text-sm hover:bg-hover"
            >
              <SeverityBadge severity={alert.severity} short />
              <span className="min-w-0 flex-1 truncate">{alert.title}</span>
              {alert.count > 1 && <span className="shrink-0 text-xs text-faint">×{alert.count}</span>}
              <span className="shrink-0 text-xs text-faint">
                <Ago at={alert.lastSeenAt} suffix="" />
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  )
}
