import type { CaseSummary } from '@redoubt/contract'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { SeverityBadge } from '../../components/badges.tsx'
import { buttonLook } from '../../components/button.tsx'
import { Card } from '../../components/card.tsx'
import { AlertsOverTime, ResponseTimes, severityFills } from '../../components/charts.tsx'
import { Ago, SlaClock, useNow } from '../../components/clock.tsx'
import { EmptyState, ErrorNote } from '../../components/feedback.tsx'
import { Icon } from '../../components/icon.tsx'
import { PageHeader } from '../../components/page-header.tsx'
import { plural, roleWords, severities } from '../../components/words.ts'
import { OpenCases } from './open-cases.tsx'

/** The shift at a glance: what burns, what waits for a person, and how it has been going. */
export function OverviewPage() {
  const may = useMay()
  return (
    <>
      <PageHeader title="Overview" />
      <div className="grid gap-4 px-4 pb-6 lg:grid-cols-3">
        {may('alert:read') && <NewAlerts />}
        {may('alert:read') && <AlertChart />}
        {may('case:read') && <CaseFigures />}
        {may('run:read') && <WaitingRuns />}
      </div>
    </>
  )
}

/** New alerts by severity, each leading to its list. */
function NewAlerts() {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const counts = useQuery(trpc.alerts.counts.queryOptions({}), queries)
  const figures = counts.data?.new
  const top = Math.max(1, ...severities.map((severity) => figures?.[severity] ?? 0))
  return (
    <Card
      title="Not looked at yet"
      aside={counts.data && (counts.data.newTotal >= 1000 ? '1000+ alerts' : plural(counts.data.newTotal, 'alert'))}
    >
      {counts.isPending && <div className="skeleton h-40" />}
      <ErrorNote error={counts.error} />
      {figures && (
        <ul className="flex flex-1 flex-col justify-between gap-1">
          {severities.map((severity) => {
            const count = figures[severity] ?? 0
            return (
              <li key={severity}>
                <Link
                  to="/o/$slug/inbox"
                  params={{ slug }}
                  search={{ severity: [severity] }}
                  className="-mx-2 grid grid-cols-[96px_minmax(0,1fr)_44px] items-center gap-3 rounded-md px-2 py-1.5 hover:bg-hover"
                >
                  <SeverityBadge severity={severity} />
                  <svg aria-hidden="true" height="8" width="100%" className="block">
                    <rect width="100%" height="8" rx="2" className="fill-hover" />
                    <rect width={`${(count / top) * 100}%`} height="8" rx="2" className={severityFills[severity]} />
                  </svg>
                  <span className="text-right font-medium">{count >= 1000 ? '1000+' : count}</span>
                </Link>
              </li>
            )
          })}
        </ul>
      )}
    </Card>
  )
}

function AlertChart() {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const may = useMay()
  const hours = 24
  const overTime = useQuery(trpc.alerts.overTime.queryOptions({ hours }, { refetchInterval: 120_000 }), queries)
  const now = useNow()
  const isEmpty = overTime.data?.buckets.length === 0
  return (
    <Card title="Alerts over time" aside="By hour and severity, last 24 hours" className="lg:col-span-2">
      {overTime.isPending && <div className="skeleton h-48" />}
      <ErrorNote error={overTime.error} />
      {isEmpty && (
        <EmptyState
          icon="source"
          title="Nothing arrived yet"
          action={
            may('source:manage') && (
              <Link to="/o/$slug/sources" params={{ slug }} search={{ do: 'create' }} className={buttonLook('primary')}>
                Add a source
              </Link>
            )
          }
        >
          Add a source and send it an alert: the page shows how, and the chart begins here.
        </EmptyState>
      )}
      {overTime.data && !isEmpty && <AlertsOverTime buckets={overTime.data.buckets} hours={hours} now={now} />}
    </Card>
  )
}

function CaseFigures() {
  const { trpc, queries } = useApi()
  const figures = useQuery(trpc.cases.figures.queryOptions({}), queries)
  if (figures.isPending || figures.isError) {
    return (
      <Card title="Cases" className="lg:col-span-3">
        {figures.isPending ? <div className="skeleton h-40" /> : <ErrorNote error={figures.error} />}
      </Card>
    )
  }
  const { responseMinutes, breached, dueSoon, open } = figures.data
  const inTime = responseMinutes.filter((time) => time.withinSla).length
  return (
    <>
      <BurnDown cases={dueSoon} breached={breached} />
      <Card
        title="Time to first response"
        aside={responseMinutes.length > 0 && `${inTime} of ${responseMinutes.length} in time, last 30 days`}
        className="lg:col-span-2"
      >
        {responseMinutes.length === 0 ? (
          <p className="text-sm text-quiet">No case has been answered in the last 30 days.</p>
        ) : (
          <>
            <ResponseTimes times={responseMinutes} />
            <p className="mt-1 text-xs text-faint">
              One mark per case; hollow came late. The bar is the promised time.
            </p>
          </>
        )}
      </Card>
      <OpenCases open={open} />
    </>
  )
}

/** Cases whose response time runs out next. */
function BurnDown({ cases, breached }: { cases: readonly CaseSummary[]; breached: number }) {
  const { slug } = useWorkplace().membership.organization
  return (
    <Card
      title="Response due next"
      aside={
        breached > 0 && (
          <span className="flex items-center gap-1 font-medium text-danger">
            <Icon name="warning" className="scale-75" />
            {breached} over time
          </span>
        )
      }
    >
      {cases.length === 0 ? (
        <p className="flex items-center gap-2 text-sm text-quiet">
          <Icon name="check" className="text-accent" />
          No open case waits for its first response.
        </p>
      ) : (
        <ul className="flex flex-col">
          {cases.slice(0, 6).map((each) => (
            <li key={each.id}>
              <Link
                to="/o/$slug/cases/$caseId"
                params={{ slug, caseId: each.id }}
                className="-mx-2 flex min-h-8 items-center gap-2 rounded-md px-2 hover:bg-hover"
              >
                <SeverityBadge severity={each.severity} short />
                <span className="min-w-0 flex-1 truncate text-sm">{each.title}</span>
                <SlaClock from={each.openedAt} dueAt={each.dueAt} respondedAt={each.respondedAt} />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

/** Runs that stand still until a person decides. */
function WaitingRuns() {
  const { trpc, queries } = useApi()
  const { slug } = useWorkplace().membership.organization
  const runs = useQuery(trpc.runs.list.queryOptions({ state: 'waiting', limit: 6 }), queries)
  const items = runs.data?.items ?? []
  if (items.length === 0) return null
  return (
    <Card title="Waits for a decision" aside={plural(items.length, 'run')} className="lg:col-span-3">
      <ul>
        {items.map((run) => (
          <li key={run.id}>
            <Link
              to="/o/$slug/runs/$runId"
              params={{ slug, runId: run.id }}
              className="-mx-2 flex min-h-9 flex-wrap items-center gap-x-3 rounded-md px-2 py-1 text-sm hover:bg-hover"
            >
              <Icon name="wait" className="text-accent" />
              <span className="font-medium">{run.playbook.name}</span>
              <span className="min-w-0 flex-1 truncate text-quiet">{run.waitingFor?.prompt}</span>
              {run.waitingFor && (
                <span className="text-xs text-faint">
                  {roleWords[run.waitingFor.role].name}, <Ago at={run.waitingFor.since} />
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  )
}
