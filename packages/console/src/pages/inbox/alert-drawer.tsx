import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { useApi, useMay, useWorkplace } from '../../api/session.tsx'
import { AlertStateBadge, SeverityBadge, TlpBadge } from '../../components/badges.tsx'
import { Button, buttonLook } from '../../components/button.tsx'
import { Moment, SlaClock } from '../../components/clock.tsx'
import { CodeBlock } from '../../components/code-block.tsx'
import { Drawer, Fact, Facts, Section } from '../../components/drawer.tsx'
import { ErrorState, Skeleton } from '../../components/feedback.tsx'
import { Segments } from '../../components/filters.tsx'
import { Person } from '../../components/person.tsx'
import { plural } from '../../components/words.ts'
import type { Acts } from './selection-bar.tsx'

/** One alert beside the list: what it says, what it names, and exactly what the source sent. */
export function AlertDrawer({ id, acts, onClose }: { id: string; acts: Acts; onClose: () => void }) {
  const { trpc, queries } = useApi()
  const may = useMay()
  const { slug } = useWorkplace().membership.organization
  const query = useQuery(trpc.alerts.get.queryOptions({ id }), queries)
  const alert = query.data
  return (
    <Drawer
      label="Alert"
      onClose={onClose}
      header={
        alert && (
          <div className="flex items-center gap-3">
            <SeverityBadge severity={alert.severity} />
            <AlertStateBadge state={alert.state} />
            <TlpBadge tlp={alert.tlp} />
          </div>
        )
      }
    >
      {query.isPending && <Skeleton rows={6} />}
      {query.isError && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      {alert && (
        <>
          <div className="border-b border-line p-4">
            <h2 className="text-lg leading-6 break-words">{alert.title}</h2>
            {alert.description && (
              <p className="mt-2 text-sm break-words whitespace-pre-wrap text-quiet">{alert.description}</p>
            )}
            <div className="mt-3 flex flex-wrap gap-2">
              {may('alert:triage') && alert.state === 'new' && (
                <Button size="small" tone="primary" icon="check" onPress={acts.acknowledge}>
                  Acknowledge
                </Button>
              )}
              {alert.caseId ? (
                <Link
                  to="/o/$slug/cases/$caseId"
                  params={{ slug, caseId: alert.caseId }}
                  className={buttonLook('plain', 'small')}
                >
                  Go to case
                </Link>
              ) : (
                may('case:open') && (
                  <Button size="small" onPress={acts.openCase}>
                    Open case
                  </Button>
                )
              )}
              {may('alert:triage') && (
                <Button size="small" onPress={acts.assign}>
                  Assign
                </Button>
              )}
              {may('alert:triage') && alert.state !== 'dismissed' && alert.state !== 'in-case' && (
                <Button size="small" onPress={acts.dismiss}>
                  Dismiss
                </Button>
              )}
            </div>
          </div>
          <Section title="Facts">
            <Facts>
              {alert.state === 'new' && (
                <Fact name="Response">
                  <SlaClock from={alert.firstSeenAt} dueAt={alert.dueAt} />
                </Fact>
              )}
              <Fact name="Source">{alert.source.name}</Fact>
              <Fact name="Assignee">
                <Person name={alert.assignee?.name ?? null} />
              </Fact>
              <Fact name="First seen">
                <Moment at={alert.firstSeenAt} />
              </Fact>
              <Fact name="Last seen">
                <Moment at={alert.lastSeenAt} />
                {alert.count > 1 && <span className="text-faint"> · sent {plural(alert.count, 'time')}</span>}
              </Fact>
              {alert.sourceRef && (
                <Fact name="Reference">
                  <span className="font-mono text-xs">{alert.sourceRef}</span>
                </Fact>
              )}
              {alert.dismissedBecause && <Fact name="Dismissed">{alert.dismissedBecause}</Fact>}
              {alert.techniques.length > 0 && <Fact name="ATT&CK">{alert.techniques.join(', ')}</Fact>}
            </Facts>
          </Section>
          {alert.observables.length > 0 && (
            <Section title={`Observables (${alert.observables.length})`}>
              <ul className="flex flex-col">
                {alert.observables.map((observable) => (
                  <li
                    key={`${observable.type} ${observable.value} ${observable.role}`}
                    className="flex min-h-7 items-baseline gap-3 text-sm"
                  >
                    <span className="w-16 shrink-0 truncate text-xs text-faint">{observable.type}</span>
                    <Link
                      to="/o/$slug/inbox"
                      params={{ slug }}
                      search={{ state: 'any', observable: observable.value }}
                      title="Every alert that names this"
                      className="min-w-0 flex-1 font-mono text-xs break-all hover:underline"
                    >
                      {observable.value}
                    </Link>
                    <span className="shrink-0 text-xs text-faint">
                      {[observable.role, observable.internal ? 'internal' : null].filter(Boolean).join(', ')}
                    </span>
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <Payload raw={alert.raw} latestRaw={alert.latestRaw} finding={alert.finding} />
        </>
      )}
    </Drawer>
  )
}

type PayloadProps = { raw: string; latestRaw: string | null; finding: Record<string, unknown> }

/** The payload as it was sent first and last, and the normalized finding made of it. */
function Payload({ raw, latestRaw, finding }: PayloadProps) {
  const views = [
    { name: 'As sent', text: indented(raw) },
    ...(latestRaw === null ? [] : [{ name: 'Newest', text: indented(latestRaw) }]),
    { name: 'Normalized', text: JSON.stringify(finding, null, 2) },
  ]
  const [shown, setShown] = useState('As sent')
  return (
    <Section
      title="Payload"
      aside={
        <Segments
          label="Payload"
          value={shown}
          options={views.map((view) => ({ value: view.name, label: view.name }))}
          onChange={setShown}
        />
      }
    >
      <CodeBlock label="Payload" text={views.find((view) => view.name === shown)?.text ?? ''} />
    </Section>
  )
}

/** Indents JSON without parsing its numbers, so that 64-bit integers stay as they were sent. */
function indented(raw: string): string {
  let depth = 0
  let out = ''
  for (const [token] of raw.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === '}' || token === ']') {
      depth = Math.max(0, depth - 1)
      out = /[{[]$/.test(out.trimEnd()) ? out.trimEnd() + token : `${out}\n${'  '.repeat(depth)}${token}`
    } else {
      out += token
      if (token === '{' || token === '[') depth += 1
      if (token === '{' || token === '[' || token === ',') out += `\n${'  '.repeat(depth)}`
      if (token === ':') out += ' '
    }
  }
  return out === '' || !/^[\s]*[[{]/.test(raw) ? raw : out
}
